"""API addresses of the ledger, included under /api/v1/. The audited query `log/entries` is `policy.urls`'."""

from django.urls import path

from ledger import api

urlpatterns = [
    path("log/leaves", api.LeavesView.as_view(), name="log_leaves"),
    path("log/entries/<int:index>", api.LeafView.as_view(), name="log_leaf"),
    path("log/entries/<int:index>/proof", api.InclusionView.as_view(), name="log_inclusion"),
    path("log/entries/<int:index>/receipt", api.ReceiptView.as_view(), name="log_receipt"),
    path("log/entries/<int:index>/receipt.cose", api.CoseReceiptView.as_view(), name="log_receipt_cose"),
    path("log/acknowledgements/<int:entry>", api.AcknowledgementView.as_view(), name="log_acknowledgement"),
    path("log/consistency", api.ConsistencyView.as_view(), name="log_consistency"),
]
