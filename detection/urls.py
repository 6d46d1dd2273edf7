"""API addresses of this room, included under /api/v1/."""

from django.urls import path

from detection import api

urlpatterns = [
    path("assets/<uuid:pk>/findings", api.FindingsView.as_view(), name="asset_findings"),
    path("assets/<uuid:pk>/examinations", api.ExaminationsView.as_view(), name="asset_examinations"),
    path("jobs/<uuid:pk>", api.JobView.as_view(), name="detection_job"),
    path("findings/<uuid:pk>/heatmap", api.HeatmapView.as_view(), name="finding_heatmap"),
    path("detectors", api.DetectorsView.as_view(), name="detectors"),
]
