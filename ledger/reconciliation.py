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
from django.db.models import QuerySet

from ledger import keys
from ledger.events import EventType
from ledger.models import Entry

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
    """What the entry of a row must say. object: None where it is not compared."""

    type: EventType
    object: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def compare(rows: QuerySet[Any], expected: Callable[[Any], Said]) -> Iterator[str]:
    """A sentence for each of `rows` whose `entry` is empty, or an entry that says something else."""
    for row in rows.select_related("entry").iterator(_CHUNK):
        name = f"{row._meta.verbose_name} {row.pk}"
        if row.entry is None:
            yield f"{name} has no entry"
        else:
            yield from (f"{name}: {difference}" for difference in _differences(expected(row), row.entry))


def _differences(said: Said, entry: Entry) -> Iterator[str]:
    fields = json.loads(bytes(entry.leaf))
    if fields["type"] != said.type:
        yield f"its entry is of type {fields['type']}, not {said.type.value}"
        return
    if said.object is not None and fields["object"] != said.object:
        yield f"its entry is about {fields['object']}"
    for fact, value in said.facts.items():
        if fields["facts"].get(fact) != value:
            yield f"its entry says {fact} = {fields['facts'].get(fact)!r}, the row says {value!r}"


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
