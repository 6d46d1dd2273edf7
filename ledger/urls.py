"""Public addresses of the log, included under /log/ (C2SP tlog-tiles)."""

from django.urls import path, re_path

from ledger import publishing

urlpatterns = [
    path("checkpoint", publishing.checkpoint, name="log_checkpoint"),
    path("key", publishing.key, name="log_key"),
    path("policy", publishing.policy, name="log_policy"),
    path("rotations", publishing.rotations, name="log_rotations"),
    path("promise-key", publishing.promise_key, name="log_promise_key"),
    path("tsa.crt", publishing.tsa_certificate, name="log_tsa_certificate"),
    path("tile/entries/<path:path>", publishing.entry_bundle, name="log_entry_bundle"),
    re_path(r"^tile/(?P<level>0|[1-9][0-9]?)/(?P<path>.+)$", publishing.tile, name="log_tile"),
]
