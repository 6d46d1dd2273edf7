"""Reading the log: only what is covered by a signed checkpoint, in the order of the index."""

import json
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from core.problems import NotFound
from ledger.events import EventType
from ledger.models import Checkpoint, Entry

MAX_PAGE = 1000


def latest_checkpoint() -> Checkpoint | None:
    return Checkpoint.objects.order_by("-size").first()


def signed_size() -> int:
    """How many entries the newest checkpoint covers."""
    newest = latest_checkpoint()
    return newest.size if newest else 0


def entries(after: int = -1, types: Sequence[EventType | str] = (), limit: int = 100) -> QuerySet[Entry]:
    """Signed entries with an index above `after`, of any of `types` (all if none), at most `limit` (≤ 1000).

    Each carries `.sequence.index` without a further query. The next page starts after the last one's index.
    """
    rows = Entry.objects.select_related("sequence").filter(sequence__index__gt=after, sequence__index__lt=signed_size())
    if types:
        rows = rows.filter(type__in=[str(type) for type in types])
    return rows.order_by("sequence__index")[: min(limit, MAX_PAGE)]


def entry(index: int) -> Entry:
    """The signed entry at this index. Raises NotFound."""
    found = Entry.objects.select_related("sequence").filter(sequence__index=index, sequence__index__lt=signed_size())
    row = found.first()
    if row is None:
        raise NotFound("entry in the log")
    return row


def content(row: Entry) -> dict[str, Any]:
    """The leaf's fields (`docs/formats.md`)."""
    fields: dict[str, Any] = json.loads(bytes(row.leaf))
    return fields
