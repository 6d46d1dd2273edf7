"""What every page knows about the office. Lazy: a page that breaks (500) must not ask the database for it."""

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.utils.functional import cached_property

from web.navigation import LINKS, MINE, links_for


class Office:
    """`office` in templates: name, demo, links, mine, log_size (entries in the latest checkpoint, or None)."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request
        self.name: str = settings.ASSAY_OFFICE_NAME
        self.demo: bool = settings.DEMO
        self.origin: str = settings.ASSAY_LOG_ORIGIN
        self.max_bytes: int = settings.ASSAY_MAX_UPLOAD_BYTES
        self.max_mib: int = self.max_bytes >> 20

    @cached_property
    def links(self) -> list[dict[str, object]]:
        return list(links_for(self._request, LINKS))

    @cached_property
    def mine(self) -> list[dict[str, object]]:
        return list(links_for(self._request, MINE))

    @cached_property
    def log_size(self) -> int | None:
        from ledger.models import Checkpoint

        try:
            return Checkpoint.objects.order_by("-size").values_list("size", flat=True).first()
        except DatabaseError:
            return None


def office(request: HttpRequest) -> dict[str, Office]:
    return {"office": Office(request)}
