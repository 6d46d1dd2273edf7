"""API addresses of the ledger, included under /api/v1/."""

from django.urls import path

from ledger.api import ConsistencyView, ReceiptView

urlpatterns = [
    path("log/entries/<int:index>/receipt", ReceiptView.as_view(), name="log_receipt"),
    path("log/consistency", ConsistencyView.as_view(), name="log_consistency"),
]
