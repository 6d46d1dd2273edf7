"""API addresses of this room, included under /api/v1/."""

from django.urls import URLPattern, path

from provenance import api

urlpatterns: list[URLPattern] = [
    path("assets", api.AssetsView.as_view(), name="api_assets"),
    path("assets/<uuid:asset_id>", api.AssetView.as_view(), name="api_asset"),
    path("assets/<uuid:asset_id>/file", api.AssetFileView.as_view(), name="api_asset_file"),
    path("assets/<uuid:asset_id>/receipt", api.AssetReceiptView.as_view(), name="api_asset_receipt"),
    path("verifications", api.VerificationsView.as_view(), name="api_verifications"),
]
