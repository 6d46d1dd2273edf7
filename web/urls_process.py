"""Addresses of the process pages: review, notices, consent, appeals, regulator, data rights, rules."""

from django.urls import URLPattern, URLResolver, path

from web import appeals, consent, data_rights, notices, regulator, review, rules

urlpatterns: list[URLPattern | URLResolver] = [
    path("report/", notices.report, name="report"),
    path("report/filed/", notices.report_done, name="report_done"),
    path("notice/", notices.notice_entry, name="notice"),
    path("notice/<str:number>/", notices.status, name="notice_status"),
    path("notice/<str:number>/complete/", notices.notice_complete, name="notice_complete"),
    path("notice/<str:number>/appeal/", notices.notice_appeal, name="notice_appeal"),
    path("notice/<str:number>/close/", notices.notice_close, name="notice_close"),
    path("consent/<str:token>/", consent.consent_page, name="consent"),
    path("consent/<str:token>/answer/", consent.consent_answer, name="consent_answer"),
    path("consent/<str:token>/picture/", consent.consent_picture, name="consent_picture"),
    path("consent/<str:token>/receipt/", consent.consent_receipt, name="consent_receipt"),
    path("studio/<uuid:pk>/consent/", consent.ask, name="studio_consent"),
    path("review/", review.queue, name="review"),
    path("review/next/", review.next_case, name="review_next"),
    path("review/<uuid:pk>/", review.case_page, name="review_case"),
    path("review/<uuid:pk>/take/", review.take, name="review_take"),
    path("review/<uuid:pk>/release/", review.put_back, name="review_release"),
    path("review/<uuid:pk>/unseal/", review.unseal, name="review_unseal"),
    path("review/<uuid:pk>/media/", review.media, name="review_media"),
    path("review/<uuid:pk>/decide/", review.decide, name="review_decide"),
    path("decisions/<uuid:pk>/", appeals.decision_page, name="decision"),
    path("decisions/<uuid:pk>/appeal/", appeals.decision_appeal, name="decision_appeal"),
    path("appeals/", appeals.desk, name="appeals"),
    path("appeals/<uuid:pk>/", appeals.appeal_page, name="appeal"),
    path("regulator/", regulator.room, name="regulator"),
    path("regulator/leave/", regulator.leave, name="regulator_leave"),
    path("regulator/export/", regulator.export, name="regulator_export"),
    path("regulator/exports/<uuid:pk>/", regulator.download, name="regulator_download"),
    path("my-data/", data_rights.my_data, name="my_data"),
    path("my-data/account/", data_rights.by_account, name="my_data_account"),
    path("my-data/notice/<str:number>/", data_rights.by_notice, name="my_data_notice"),
    path("my-data/consent/<str:token>/", data_rights.by_consent, name="my_data_consent"),
    path("my-data/receipt/", data_rights.receipt, name="my_data_receipt"),
    path("rules/", rules.rule_list, name="rules"),
    path("rules/<str:rule_id>/", rules.rule_page, name="rule"),
]
