"""Public addresses of the log, included under /log/ (C2SP tlog-tiles)."""

from django.urls import path, re_path

from ledger import publishing

urlpatterns = [
    path("checkpoint", publishing.checkpoint, name="log_checkpoint"),
    path("key", publishing.key, name="log_key"),
    path("tile/entries/<path:path>", publishing.entry_bundle, name="log_entry_bundle"),
    re_path(r"^tile/(?P<level>0|[1-9][0-9]?)/(?P<path>.+)$", publishing.tile, name="log_tile"),
]
