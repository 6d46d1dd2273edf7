"""API addresses of this room, included under /api/v1/."""

from django.urls import URLPattern, path

from provenance import api, kept_api, resolution_api, verification_api

urlpatterns: list[URLPattern] = [
    path("assets", api.AssetsView.as_view(), name="api_assets"),
    path("assets/hashes", api.HashesView.as_view(), name="api_hashes"),
    path("assets/<uuid:asset_id>", api.AssetView.as_view(), name="api_asset"),
    path("assets/<uuid:asset_id>/file", api.AssetFileView.as_view(), name="api_asset_file"),
    path("assets/<uuid:asset_id>/manifest", api.AssetManifestView.as_view(), name="api_asset_manifest"),
    path("assets/<uuid:asset_id>/receipt", api.AssetReceiptView.as_view(), name="api_asset_receipt"),
    path("verifications", verification_api.VerificationsView.as_view(), name="api_verifications"),
    path("verifications/kept/<uuid:pk>", kept_api.KeptReportView.as_view(), name="api_kept_report"),
    path("verifications/<str:sha256>", verification_api.VerificationView.as_view(), name="api_verification"),
    # Their names are the C2PA's (Soft Binding Resolution API).
    path("softbinding/matches/byBinding", resolution_api.ByBindingView.as_view(), name="api_by_binding"),
    path("softbinding/matches/byContent", resolution_api.ByContentView.as_view(), name="api_by_content"),
    path("softbinding/manifests/<str:manifest_id>", resolution_api.ManifestView.as_view(), name="api_manifest"),
    path("softbinding/services/supportedAlgorithms", resolution_api.AlgorithmsView.as_view(), name="api_algorithms"),
]
