"""What authorities looked at and took here, in numbers for everybody (I21): counted from the log itself."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from django.core.cache import cache
from django.db.models import QuerySet

from core.clock import now
from ledger import reading
from ledger.events import EventType
from ledger.models import Entry
from policy.models import RegulatorAccount

_KEPT: Final = "regulators.accesses"
_CHUNK: Final = 1000
# What counts: an `access:audited` of a regulator by what was read, and these types.
READ: Final = ("entries", "count", "cases", "case_file")
TAKEN: Final = (EventType.EXPORT_REQUESTED, EventType.EXPORT_MADE, EventType.EXPORT_FETCHED)
KINDS: Final = frozenset((*READ, *map(str, TAKEN)))
_TYPES: Final = (str(EventType.ACCESS_AUDITED), *map(str, TAKEN))


@dataclass(frozen=True)
class Month:
    """counts: by kind, of KINDS."""

    name: str
    counts: dict[str, int] = field(default_factory=dict)


def counted() -> list[Month]:
    """By month (UTC), the newest first, of what is signed. Kept, and only what came since is counted."""
    size = reading.signed_size()
    known, found = cache.get(_KEPT, (0, {}))
    if known > size:  # another database than the one that was counted
        known, found = 0, {}
    if known < size:
        total = Counter(found)
        total.update(_new(known, size))
        found = dict(total)
        cache.set(_KEPT, (size, found), timeout=None)
    months: dict[str, dict[str, int]] = {}
    for (month, kind), number in found.items():
        months.setdefault(month, {})[kind] = number
    return [Month(name, months[name]) for name in sorted(months, reverse=True)]


def _new(first: int, end: int) -> Counter[tuple[str, str]]:
    rows = Entry.objects.filter(sequence__index__gte=first, sequence__index__lt=end, type__in=_TYPES)
    leaves = (reading.content(row) for row in rows.iterator(_CHUNK))
    return Counter((leaf["ts"][:7], kind) for leaf in leaves if (kind := _kind(leaf)) in KINDS)


def _kind(leaf: dict[str, Any]) -> str:
    """What it counts as; nothing for the office's own accesses, which are `access:audited` in other roles."""
    if leaf["type"] != EventType.ACCESS_AUDITED:
        return str(leaf["type"])
    return str(leaf["facts"].get("read", "")) if leaf["role"] == "regulator" else ""


def in_force() -> QuerySet[RegulatorAccount]:
    """The authorities that may look now, for the public page: never their people."""
    active = RegulatorAccount.objects.filter(state=RegulatorAccount.State.ACTIVE, expires_at__gt=now())
    return active.only("authority", "jurisdictions", "legal_basis", "scopes", "expires_at").order_by("authority", "pk")
