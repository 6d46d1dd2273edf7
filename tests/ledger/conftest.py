"""A small log to work on."""

from collections.abc import Callable, Mapping

import pytest
from django.db import transaction

from ledger import log, sequencer
from ledger.events import EventType
from ledger.models import Entry
from tests.append_only import let_flush_through

let_flush_through()

ALICE = "user:0193aaaa-0000-7000-8000-000000000001"
DANA = "person:0193dddd-0000-7000-8000-000000000002"

Record = Callable[..., Entry]


@pytest.fixture
def record(db: None) -> Record:
    """Append one entry in a transaction of its own; `sealed` maps names to values sealed for Dana."""

    def append(
        type: EventType = EventType.ASSET_REGISTERED, *, actor: str = ALICE, sealed: Mapping[str, str] | None = None
    ) -> Entry:
        hidden = {name: log.Sealed(value, DANA) for name, value in (sealed or {}).items()}
        with transaction.atomic():
            return log.append(
                type, actor=actor, role="creator", object="asset:1", facts={"kind": "image"}, sealed=hidden
            )

    return append


@pytest.fixture
def signed_log(record: Record) -> Callable[[int], list[Entry]]:
    """Append so many entries, and let the sequencer sign them."""

    def grow(count: int) -> list[Entry]:
        rows = [record(sealed={"statement": f"Statement {n} of Dana"}) for n in range(count)]
        sequencer.tick()
        return rows

    return grow
