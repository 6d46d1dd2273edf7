"""The other direction of the audit: every row of the business has its entry, and says what its entry says.

Upper rooms register how their rows follow from entries. Each source is compared in one state of the database, read
without holding anybody up.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

import structlog
from django.db import InterfaceError, OperationalError, connection
from django.db.models import QuerySet, prefetch_related_objects

from ledger import keys, vault
from ledger.events import EventType
from ledger.models import Entry
from ledger.receipts import disclosures_for

log = structlog.get_logger()

# The database or the key store does not answer: nothing was found out, and it is to be tried again.
AWAY: Final = (OperationalError, InterfaceError, keys.KeyStoreAway)
_CHUNK: Final = 1000
_BEGIN: Final = {"sqlite": "BEGIN", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}

Source = Callable[[], Iterable[str]]

_sources: dict[str, Source] = {}


def register(name: str, source: Source) -> None:
    """source: yields a sentence for each row without its entry, or other than it says (called from AppConfig.ready)."""
    _sources[name] = source


def disagreements(limit: int) -> list[str]:
    """The first so many sentences, each after the name of its source; none when rows and entries agree.

    A source that fails is one of them, and the others are compared all the same. Raises `AWAY`.
    """
    found: list[str] = []
    for name in sorted(_sources):
        found += (f"{name}: {words}" for words in _compared(name, limit - len(found)))
    return found


def _compared(name: str, limit: int) -> list[str]:
    found: list[str] = []
    try:
        with _one_state():
            found.extend(islice(_sources[name](), limit))
    except AWAY:
        raise
    except Exception as error:  # a row that nobody foresaw must not hide the others
        log.error("rows cannot be compared with the log", source=name, exc_info=True)
        found.append(f"it cannot be compared: {type(error).__name__}: {error}")
    return found


@contextmanager
def _one_state() -> Iterator[None]:
    """A read-only transaction. Django's own would lock SQLite for writing."""
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN[connection.vendor])
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


# --- What sources are made of ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """What the entry of a row must say. object: None where it is not compared.

    sealed: by section, what it says under seal. Not compared once its key is destroyed; an entry from before there was
    such a section says it among its facts.
    """

    type: EventType
    object: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    sealed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def compare(rows: QuerySet[Any], expected: Callable[[Any], Said]) -> Iterator[str]:
    """A sentence for each of `rows` whose `entry` is empty, or an entry that says something else."""
    found = rows.select_related("entry").iterator(_CHUNK)
    while some := list(islice(found, _CHUNK)):
        said = [expected(row) for row in some]
        known = _opened([row.entry for row, one in zip(some, said, strict=True) if row.entry and one.sealed])
        for row, one in zip(some, said, strict=True):
            name = f"{row._meta.verbose_name} {row.pk}"
            if row.entry is None:
                yield f"{name} has no entry"
            else:
                yield from (f"{name}: {difference}" for difference in _differences(one, row.entry, known))


def _opened(entries: list[Entry]) -> vault.Keys:
    """Their sections, prefetched, and the keys that open them: two or three queries, however many there are."""
    prefetch_related_objects(entries, "sections")
    return vault.keys_of(bytes(section.ciphertext) for entry in entries for section in entry.sections.all())


def _differences(said: Said, entry: Entry, known: vault.Keys) -> Iterator[str]:
    fields = json.loads(bytes(entry.leaf))
    if fields["type"] != said.type:
        yield f"its entry is of type {fields['type']}, not {said.type.value}"
        return
    if said.object is not None and fields["object"] != said.object:
        yield f"its entry is about {fields['object']}"
    for fact, value in said.facts.items():
        if fields["facts"].get(fact) != value:
            yield f"its entry says {fact} = {fields['facts'].get(fact)!r}, the row says {value!r}"
    for name, values in said.sealed.items():
        try:
            yield from _unlike(values, _section(name, fields, entry, known))
        except vault.VaultError as error:
            yield f"the section “{name}” of its entry: {error}"


def _section(name: str, fields: Mapping[str, Any], entry: Entry, known: vault.Keys) -> Any:
    """What the entry says under this name; None once that is erased."""
    if name not in fields["commitments"]:
        return fields["facts"]
    opened = disclosures_for(entry, [name], known)
    return opened[0].value if opened else None


def _unlike(values: Mapping[str, Any], section: Any) -> Iterator[str]:
    """Without the values: they are sealed because not everybody who reads this may know them."""
    for name, value in values.items():
        if section is not None and section.get(name) != value:
            yield f"its entry says another {name} than the row"


def leaves(*types: EventType) -> Iterator[dict[str, Any]]:
    """The fields of every leaf of these types, in the order of insertion."""
    rows = Entry.objects.filter(type__in=[type.value for type in types]).order_by("pk")
    for leaf in rows.values_list("leaf", flat=True).iterator(_CHUNK):
        yield json.loads(bytes(leaf))


def states(
    kind: str, rows: Iterable[tuple[str, str]], last: Mapping[str, str], default: str | None = None
) -> Iterator[str]:
    """A sentence for each (name, state) of `rows` that is not the last one on record."""
    for name, state in rows:
        recorded = last.get(name, default)
        if recorded != state:
            says = "nothing" if recorded is None else f"“{recorded}”"
            yield f"{kind} {name} is “{state}”, and the log says {says}"
