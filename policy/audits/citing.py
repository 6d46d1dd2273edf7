"""One pass over the entries of a bundle: how many of each kind, and which rule packs, models and cases they name."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ledger.events import EventType
from ledger.models import Entry

_CHUNK: Final = 2000
_PACKS: Final = frozenset(
    {EventType.PACK_PROPOSED, EventType.PACK_APPROVED, EventType.PACK_PUBLISHED, EventType.PACK_RETIRED}
)


class Model(NamedTuple):
    """As the entry of an examination names it. digest: of all that decides its results."""

    detector: str
    version: str
    digest: str


@dataclass
class Cited:
    """kinds: {type of entry: how many}. packs: digests. cases: their names in the log (`case:…`)."""

    kinds: Counter[str] = field(default_factory=Counter)
    packs: set[str] = field(default_factory=set)
    models: set[Model] = field(default_factory=set)
    cases: set[str] = field(default_factory=set)

    def add(self, leaf: Mapping[str, Any]) -> None:
        """One more entry, as its leaf says it."""
        kind, facts, object = leaf["type"], leaf["facts"], leaf["object"]
        self.kinds[kind] += 1
        if object.startswith("case:"):
            self.cases.add(object)
        if kind in _PACKS:
            self.packs.add(facts["digest"])
        elif kind == EventType.DETECTION_RECORDED:
            self.models.add(Model(*(facts.get(name, "") for name in ("detector", "version", "model_digest"))))


def rows(first: int, count: int) -> Iterator[Entry]:
    """The entries of a range, by index, with `.sequence`."""
    found = Entry.objects.select_related("sequence").filter(sequence__index__gte=first)
    return found.filter(sequence__index__lt=first + count).order_by("sequence__index").iterator(_CHUNK)


def told(entries: Iterable[Entry], cited: Cited) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    """The same entries with what their leaves say, counted in `cited` on the way."""
    for entry in entries:
        leaf = json.loads(bytes(entry.leaf))
        cited.add(leaf)
        yield entry, leaf
