"""Addresses for authorities, and of the office's side of what they do here."""

from django.urls import URLPattern, URLResolver, path

from web import authorities, consultations, referrals, regulator, regulator_bundles, regulators_desk

urlpatterns: list[URLPattern | URLResolver] = [
    path("regulator/", regulator.room, name="regulator"),
    path("regulator/leave/", regulator.leave, name="regulator_leave"),
    path("regulator/saved/", regulator.save, name="regulator_save"),
    path("regulator/saved/<uuid:pk>/forget/", regulator.forget, name="regulator_forget"),
    path("regulator/cases/", regulator.cases, name="regulator_cases"),
    path("regulator/cases/<uuid:pk>/", regulator.case, name="regulator_case"),
    path("regulator/bundles/", regulator_bundles.page, name="regulator_bundles"),
    path("regulator/export/", regulator_bundles.make, name="regulator_export"),
    path("regulator/exports/<uuid:pk>/", regulator_bundles.download, name="regulator_download"),
    path("regulator/exports/<uuid:pk>/again/", regulator_bundles.again, name="regulator_again"),
    path("regulator/messages/", consultations.messages_page, name="regulator_messages"),
    path("regulator/messages/<uuid:pk>/", consultations.message, name="regulator_message"),
    path("operations/consultations/", consultations.desk, name="consultations"),
    path("operations/consultations/<uuid:pk>/", consultations.thread, name="consultation"),
    path("operations/consultations/<uuid:pk>/close/", consultations.close, name="consultation_close"),
    path("operations/regulators/", regulators_desk.desk, name="regulators_desk"),
    path("operations/regulators/<uuid:pk>/", regulators_desk.account, name="regulator_account"),
    path("review/<uuid:pk>/refer/", referrals.page, name="review_refer"),
    path("transparency/authorities/", authorities.page, name="authorities"),
]
