"""Public addresses of the log, included under /log/ (C2SP tlog-tiles)."""

from django.urls import path, re_path

from ledger import publication, publishing

urlpatterns = [
    path("checkpoint", publishing.checkpoint, name="log_checkpoint"),
    *(path(name, publishing.text, {"name": name}, name=f"log_{name}") for name in publication.TEXTS),
    path("tile/entries/<path:path>", publishing.entry_bundle, name="log_entry_bundle"),
    re_path(r"^tile/(?P<level>0|[1-9][0-9]?)/(?P<path>.+)$", publishing.tile, name="log_tile"),
]
