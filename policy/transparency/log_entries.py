"""Entries of the log as figures read them: the leaf's facts, and what a case's section `about` opens to."""

import json
from collections.abc import Collection, Iterator
from typing import Any, Final

from ledger import vault
from ledger.models import Entry
from ledger.receipts import disclosures_for
from policy.transparency.figures import Said

ABOUT: Final = "about"
# The sections that are opened are sealed under these things, never under a person: nobody's erasure changes a figure.
OWNERS: Final = ("case:",)
_CHUNK: Final = 1000


def read(kinds: Collection[str], size: int) -> Iterator[Said]:
    """The first `size` entries that are of these types, ascending; a thousand at a time, three queries each."""
    after = -1
    while some := _next(kinds, after, size):
        known = vault.keys_of(bytes(section.ciphertext) for row in some for section in row.sections.all())
        for row in some:
            yield _said(row, known)
        after = some[-1].sequence.index


def _next(kinds: Collection[str], after: int, size: int) -> list[Entry]:
    rows = Entry.objects.filter(type__in=sorted(kinds), sequence__index__gt=after, sequence__index__lt=size)
    rows = rows.select_related("sequence").prefetch_related("sections").order_by("sequence__index")
    return list(rows[:_CHUNK])


def _said(row: Entry, known: vault.Keys) -> Said:
    leaf: dict[str, Any] = json.loads(bytes(row.leaf))
    about = _about(row, known) if ABOUT in leaf["commitments"] else leaf["facts"]
    return Said(row.sequence.index, leaf["type"], leaf["ts"], leaf["role"], leaf["object"], leaf["facts"], about)


def _about(row: Entry, known: vault.Keys) -> dict[str, Any] | None:
    held = [one for one in row.sections.all() if one.name == ABOUT and one.person.startswith(OWNERS)]
    opened = disclosures_for(row, [ABOUT], known) if held else []
    value = opened[0].value if opened else None
    return dict(value) if isinstance(value, dict) else None
