"""The door to the rule book: which packs are in force, and what they say about facts.

The pure part is `policy.rulebook`. The packs that come with the software (`policy/packs/`) are the baseline; a version
that this office has published, approved by two people, one of them a lawyer, and signed, takes the place of the
shipped pack of its name from its moment on (`law.rule_packs`). A version whose signature does not verify is passed
over, and the one before it stays in force; so is one that this release cannot load, or that does not go together with
the others.
"""

import contextlib
import datetime as dt
import functools
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import structlog
from django.db.models import QuerySet

from core.clock import now
from core.health import Check
from core.problems import NotFound
from policy.law import pack_signing
from policy.models import PackVersion
from policy.rulebook.computing import ComputedClock
from policy.rulebook.facts import FACTS, JURISDICTIONS, RuleError, complete, widen
from policy.rulebook.packs import Book, Pack, bind, digest_of, parse, read_folder, recall
from policy.rulebook.rows import Rule

__all__ = [
    "FACTS",
    "JURISDICTIONS",
    "Book",
    "ComputedClock",
    "Pack",
    "Rule",
    "RuleError",
    "all_rules",
    "check",
    "citable",
    "cited",
    "complete",
    "due",
    "matching",
    "pack",
    "rule",
    "shipped",
    "version",
    "widen",
]

log = structlog.get_logger()

PACKS: Final = Path(__file__).resolve().parent.parent / "packs"
SHIPPED: Final = ("law", "office")


@functools.cache
def shipped() -> tuple[Pack, ...]:
    """The packs that came with the software, read once. Raises RuleError, at start-up, through the system check."""
    return tuple(parse(read_folder(PACKS / name)) for name in SHIPPED)


def pack(at: dt.datetime | None = None) -> Book:
    """The packs in force at that moment, now by default, together. One small query; parsed packs are kept in memory.

    Never raises for what was published: a version that cannot be used is passed over, and the journal says so.
    """
    book, passed_over = _asked(at or now())
    for why in passed_over:
        _say(why)
    return book


@functools.lru_cache(maxsize=64)
def _say(why: str) -> None:
    """Once a process, however often a book is asked for; `check` says it for as long as it is so."""
    log.error("rules.passed_over", why=why)


def check() -> Check:
    """For `core.health`: whether every published version is used, or can be once it begins."""
    found = faults()
    if not found:
        return Check("rules", True, "every published rule pack is used")
    return Check("rules", False, f"published rule packs are passed over: {'; '.join(found)}; publish one that loads")


def faults() -> list[str]:
    """Which published versions are passed over, now or once a later one begins, and why: a sentence each."""
    later = in_force().filter(effective_from__gt=now()).values_list("effective_from", flat=True)
    moments = [now(), *(at for at in later if at is not None)]
    return list(dict.fromkeys(why for at in moments for why in _asked(at)[1]))


def in_force() -> QuerySet[PackVersion]:
    """Published and not retired, those of later moments as well, in the order in which they begin."""
    rows = PackVersion.objects.filter(state=PackVersion.State.IN_FORCE).defer("content")
    return rows.order_by("effective_from", "published_at")


def _asked(at: dt.datetime) -> tuple[Book, list[str]]:
    known = {row: fault(row) for row in in_force().filter(effective_from__lte=at)}
    used = [row for row, why in known.items() if not why]
    passed_over = [f"{row}: {why}" for row, why in known.items() if why]
    try:
        return _of(used), passed_over
    except RuleError:
        return _what_fits(used, passed_over)


def _what_fits(rows: Iterable[PackVersion], passed_over: list[str]) -> tuple[Book, list[str]]:
    """Without each version that does not go together with what was in force before it."""
    used: list[PackVersion] = []
    for row in rows:
        try:
            _of([*used, row])
            used.append(row)
        except RuleError as error:
            passed_over.append(f"{row}: {error}")
    return _of(used), passed_over


def _of(rows: Iterable[PackVersion]) -> Book:
    return _book(tuple(sorted({row.name: row.digest for row in rows}.items())))


@functools.lru_cache(maxsize=8)
def _book(published: tuple[tuple[str, str], ...]) -> Book:
    """The book in which these digests take the place of the shipped packs of their names. Raises RuleError."""
    return together([usable(digest) for _, digest in published])


def together(packs: Collection[Pack]) -> Book:
    """These packs, each in the place of the shipped one of its name. Raises RuleError when they do not go together."""
    names = {one.name for one in packs}
    return bind([*(one for one in shipped() if one.name not in names), *packs])


def fault(row: PackVersion) -> str:
    """Why this version cannot be used, in words; "" when it can."""
    if not pack_signing.holds(row):
        return "its signature does not verify"
    try:
        usable(row.digest)
    except NotFound:
        return "its text is not the one of its digest"
    except RuleError as error:
        return f"this release of the software cannot load it: {error}"
    return ""


@functools.lru_cache(maxsize=32)
def usable(digest: str) -> Pack:
    """The published pack of this digest, its rules no longer drafts. Raises NotFound; RuleError when it cannot load."""
    return parse(_text(digest)).approved()


def version(digest: str) -> Pack:
    """The pack of this digest, in force or long retired: what an old clock was computed with. Raises NotFound."""
    for one in shipped():
        if one.digest == digest:
            return one
    text = _text(digest)
    for read in (parse, recall):  # a later release knows other names; what was law then is read as it was
        with contextlib.suppress(RuleError):
            return read(text)
    raise NotFound("rule pack")


def _text(digest: str) -> str:
    content = PackVersion.objects.filter(digest=digest).values_list("content", flat=True).first()
    if content is None or digest_of(content) != digest:
        raise NotFound("rule pack")
    return content


def all_rules() -> tuple[Rule, ...]:
    return pack().rules


def rule(rule_id: str, digest: str = "") -> Rule:
    """The rule of that id in the packs in force, or in the pack of that digest. Raises NotFound."""
    for row in version(digest).rules if digest else pack().rules:
        if row.id == rule_id:
            return row
    raise NotFound("rule")


def cited(refs: Iterable[Mapping[str, str]]) -> list[Rule]:
    """The rules that a row names, [{"id", "pack", …}], each as it is in that pack. Raises NotFound."""
    return [rule(ref["id"], ref["pack"]) for ref in refs]


def citable(on: dt.date) -> tuple[Rule, ...]:
    """What a decision taken on that day may cite."""
    return tuple(row for row in pack().rules if row.in_force(on))


def matching(facts: Mapping[str, Any], at: dt.datetime, *, events: Collection[str] | None = None) -> list[Rule]:
    """The rules in force at `at` whose condition holds, whatever their clocks say. Raises RuleError."""
    whole, day = complete(facts), at.astimezone(dt.UTC).date()
    rows = (row for row in pack(at).rules if events is None or row.start_event in events)
    return [row for row in rows if row.in_force(day) and row.matches(whole)]


def due(facts: Mapping[str, Any], start: dt.datetime, *, events: Collection[str] | None = None) -> list[ComputedClock]:
    """The clocks that start at `start`, the shortest first, those without a number last.

    facts: names of FACTS. events: only rules whose start event is among them (all by default): an event starts its own
    clocks and no others. Raises RuleError for an unknown fact.
    """
    return pack(start).due(facts, start, events)
