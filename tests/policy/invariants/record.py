"""What entries say, and whether all rows agree with them."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from ledger.events import EventType
from ledger.models import Entry
from policy.audits import (
    reconciliation,
    reconciliation_appeals,
    reconciliation_notices,
    reconciliation_rights,
    reconciliation_rules,
    reconciliation_sanctions,
)

Source = Callable[[], Iterator[str]]
SOURCES: Final[tuple[Source, ...]] = (
    *(reconciliation.answers, reconciliation.cases, reconciliation.decisions, reconciliation.desk),
    *(reconciliation_appeals.appeals, reconciliation_notices.notices, reconciliation_sanctions.sanctions),
    *(reconciliation_rights.rights, reconciliation_rules.packs, reconciliation_rules.deadlines),
)
_ROSTER: Final = ("reviewer profile", "the roster")


def leaves(kind: EventType) -> Iterator[tuple[dt.datetime, dict[str, Any]]]:
    """When, and what, of every entry of this type, in the order of insertion."""
    for entry in Entry.objects.filter(type=kind.value).order_by("pk"):
        yield entry.created_at, json.loads(bytes(entry.leaf))


def agrees(*sources: Source) -> Callable[[], None]:
    """That every row has its entry, and says what the entry says; but for the roster, which tests enter themselves."""

    def log_agrees() -> None:
        found = [words for source in sources for words in source() if not words.startswith(_ROSTER)]
        assert not found, f"the rows and the log differ: {found}"

    return log_agrees


log_agrees: Final = agrees(*SOURCES)
