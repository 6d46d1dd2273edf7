"""What may be opened for an authority: which sections of which entries, within its scopes, places and cases.

Never who reported or acted or what they answered; never what was erased; nothing sealed about a child's case (I24), and
nothing about a case that touches none of the account's places.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from django.db.models import QuerySet, prefetch_related_objects

from ledger import reading, vault
from ledger.events import EventType
from ledger.models import Entry
from ledger.receipts import Disclosure, disclosures_for
from policy.audits import queries, reach
from policy.models import Case, RegulatorAccount

Scope = RegulatorAccount.Scope
_CHUNK: Final = 500
_ERASED: Final = EventType.ERASURE_PERFORMED

# By scope and type of entry. Whatever is not named stays sealed.
_SECTIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    Scope.CASES: {
        EventType.DECISION_MADE: ("about", "reasons"),
        EventType.APPEAL_DECIDED: ("reasons",),
        # What a case is about and which work it concerns; never what its filers answered.
        **dict.fromkeys((EventType.CASE_OPENED, EventType.NOTICE_FILED, EventType.NOTICE_UNFOUNDED), ("about",)),
        **dict.fromkeys((EventType.FLAG_RAISED, EventType.FLAG_SETTLED), ("about",)),
        **dict.fromkeys((EventType.ACTION_EXECUTED, EventType.ACTION_REVERSED), ("about",)),
        **dict.fromkeys((EventType.CLOCK_MISSED, EventType.CLOCK_EXTENDED, EventType.CLOCK_PAUSED), ("about",)),
        EventType.REFERRAL_RECORDED: ("about",),
        # So that a value that is gone is not taken for one that is withheld.
        _ERASED: ("indices",),
    },
    Scope.STATEMENTS: {
        EventType.DECISION_MADE: ("reasons",),
        EventType.STATEMENT_CORRECTED: ("reasons",),
    },
}


def sections_for(scopes: Collection[str]) -> dict[str, tuple[str, ...]]:
    """{type of entry: names of the sections that may be opened} of an account with these scopes."""
    found: dict[str, set[str]] = {}
    for scope in scopes:
        for kind, names in _SECTIONS.get(scope, {}).items():
            found.setdefault(str(kind), set()).update(names)
    return {kind: tuple(sorted(found[kind])) for kind in sorted(found)}


def opened(rows: Iterable[Entry], account: RegulatorAccount, cases: QuerySet[Case]) -> Iterator[tuple[int, Disclosure]]:
    """(index, opened section) of these entries, in their order; only about `cases`, which are in the account's reach.

    Three queries for each 500 entries, however many are opened.
    """
    named, wanted = queries.objects(cases), sections_for(account.scopes)
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        found = _opened(chunk, wanted, named)
        yield from ((index, one) for index, one in found if _of_place(one, account.jurisdictions))


def _opened(
    rows: list[Entry], wanted: Mapping[str, tuple[str, ...]], named: Collection[str]
) -> Iterator[tuple[int, Disclosure]]:
    chosen = [row for row in rows if row.type in wanted and (row.type == _ERASED or _object(row) in named)]
    prefetch_related_objects(chosen, "sections")
    known = vault.keys_of(bytes(section.ciphertext) for row in chosen for section in row.sections.all())
    found = {row.sequence.index: disclosures_for(row, wanted[row.type], known) for row in chosen}
    erasures = [index for row in chosen if row.type == _ERASED and (index := row.sequence.index) in found]
    for index in _not_theirs({index: found[index] for index in erasures}, named):
        del found[index]
    for index in sorted(found):
        yield from ((index, one) for one in found[index])


def _of_place(one: Disclosure, theirs: Collection[str]) -> bool:
    """What a filer said of their own matter, or another authority was handed, is of one place: not for others."""
    place = one.value.get("jurisdiction") if isinstance(one.value, dict) else None
    return place is None or reach.meets([str(place)], theirs)


def _not_theirs(erasures: Mapping[int, list[Disclosure]], named: Collection[str]) -> list[int]:
    """Of these erasures, those that reach beyond the named cases: their lists would join one person's other matters."""
    listed = {index: _indices(found) for index, found in erasures.items()}
    every = sorted({index for indices in listed.values() for index in indices})
    of_cases: dict[int, bool] = {}
    for at in range(0, len(every), _CHUNK):
        rows = Entry.objects.select_related("sequence").filter(sequence__index__in=every[at : at + _CHUNK])
        of_cases |= {row.sequence.index: _object(row) in named for row in rows}
    return [index for index, indices in listed.items() if not all(of_cases.get(each) for each in indices)]


def _indices(found: Iterable[Disclosure]) -> list[int]:
    return [index for one in found if isinstance(one.value, list) for index in one.value if isinstance(index, int)]


def _object(row: Entry) -> str:
    return str(reading.content(row)["object"])
