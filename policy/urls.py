"""API addresses of this room, included under /api/v1/."""

from django.urls import path

from policy import api

urlpatterns = [
    path("notices", api.NoticesView.as_view(), name="api_notices"),
    path("notices/<str:number>", api.NoticeView.as_view(), name="api_notice"),
    path("cases", api.CasesView.as_view(), name="api_cases"),
    path("cases/<uuid:pk>", api.CaseView.as_view(), name="api_case"),
    path("cases/<uuid:pk>/assignment", api.CaseAssignmentView.as_view(), name="api_case_assignment"),
    path("cases/<uuid:pk>/decisions", api.CaseDecisionsView.as_view(), name="api_case_decisions"),
    path("decisions/<uuid:pk>/appeals", api.DecisionAppealsView.as_view(), name="api_decision_appeals"),
    path("appeals", api.AppealsView.as_view(), name="api_appeals"),
    path("appeals/<uuid:pk>/decision", api.AppealDecisionView.as_view(), name="api_appeal_decision"),
    path("assets/<uuid:pk>/consents", api.AssetConsentsView.as_view(), name="api_asset_consents"),
    path("exports", api.ExportsView.as_view(), name="api_exports"),
    path("exports/<uuid:pk>/file", api.ExportFileView.as_view(), name="api_export_file"),
    path("log/entries", api.LogEntriesView.as_view(), name="api_log_entries"),
]
