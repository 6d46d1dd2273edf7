"""Packs: a versioned set of rules with the tests that prove it, as one YAML text whose SHA-256 names it for ever.

    pack:      {format: assay-pack/1, name, version, title, …}
    rules:     rows (policy.rulebook.rows)
    golden:    cases: facts and a moment in, deadlines out
    calendars: public holidays (policy.rulebook.calendars)

A pack that comes with the software lies in a folder as four files with one section each; the text is these files one
after the other. Parsing checks everything; a pack that breaks one of its own golden tests does not load.
"""

import dataclasses
import datetime as dt
import functools
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from policy.rulebook import calendars, computing, conditions, rows
from policy.rulebook.calendars import Calendar
from policy.rulebook.computing import ComputedClock
from policy.rulebook.facts import RuleError, complete
from policy.rulebook.rows import Rule

FORMAT: Final = "assay-pack/1"
MAX_BYTES: Final = 400_000
SECTIONS: Final = frozenset({"pack", "rules", "golden", "calendars"})
HEAD: Final = frozenset({"format", "name", "version", "title", "compiled", "note", "not_found"})
_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}", re.ASCII)
_VERSION = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6}){0,2}", re.ASCII)
_GOLDEN_KEYS = frozenset({"name", "facts", "at", "events", "expect", "absent", "first", "shadow"})


@dataclass(frozen=True)
class Golden:
    """One case that must come out so. expect: rule id → (due, not before); absent: must not start a clock."""

    name: str
    facts: Mapping[str, Any]
    at: dt.datetime
    events: tuple[str, ...] | None
    expect: Mapping[str, tuple[dt.datetime | None, dt.datetime | None]]
    absent: tuple[str, ...]
    first: str
    shadow: tuple[str, ...]


@dataclass(frozen=True)
class Pack:
    """One version of a pack. digest: SHA-256 over its text. approved: by two people, one a lawyer, and signed."""

    name: str
    version: str
    title: str
    digest: str
    text: str
    rules: tuple[Rule, ...]
    golden: tuple[Golden, ...]
    calendars: Mapping[str, Calendar]
    head: Mapping[str, Any]

    def approved(self) -> "Pack":
        """The same pack, its rules no longer drafts."""
        return dataclasses.replace(
            self, rules=tuple(dataclasses.replace(rule, legal_status="approved") for rule in self.rules)
        )

    def due(
        self, facts: Mapping[str, Any], start: dt.datetime, events: Collection[str] | None = None
    ) -> list[ComputedClock]:
        """The clocks that start at `start`. facts: all of FACTS. events: only rules that start with one of them."""
        day = start.astimezone(dt.UTC).date()
        return [
            computing.compute(row, self.calendars, facts, start, events)
            for row in self.rules
            if (events is None or row.start_event in events) and row.in_force(day) and row.matches(facts)
        ]

    def shadow(self, facts: Mapping[str, Any], start: dt.datetime) -> list[ComputedClock]:
        """The clocks that bills would start if they were law: for the report of what would change, never for a case."""
        return [
            computing.compute(row, self.calendars, facts, start)
            for row in self.rules
            if row.shadow_when and conditions.read(row.shadow_when).holds(facts)
        ]


@dataclass(frozen=True)
class Book:
    """The packs in force together. digest: SHA-256 over theirs, in order of name."""

    packs: tuple[Pack, ...]
    digest: str
    rules: tuple[Rule, ...]

    def due(
        self, facts: Mapping[str, Any], start: dt.datetime, events: Collection[str] | None = None
    ) -> list[ComputedClock]:
        """The clocks of all packs, the shortest first, those without a number last. Raises RuleError."""
        whole = complete(facts)
        clocks = [clock for pack in self.packs for clock in pack.due(whole, start, events)]
        return in_order(clocks)


def bind(packs: Iterable[Pack]) -> Book:
    """Raises RuleError when two packs have a rule of one id."""
    bound = tuple(sorted(packs, key=lambda pack: pack.name))
    rules = tuple(rule for pack in bound for rule in pack.rules)
    ids = [rule.id for rule in rules]
    if len(ids) != len(set(ids)):
        raise RuleError(f"two packs have a rule of one id: {sorted({one for one in ids if ids.count(one) > 1})}")
    return Book(bound, hashlib.sha256("\n".join(pack.digest for pack in bound).encode()).hexdigest(), rules)


def in_order(clocks: Iterable[ComputedClock]) -> list[ComputedClock]:
    """The shortest first (I15), those without a number last."""
    last = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(clocks, key=lambda clock: (clock.due_at or last, clock.rule_id))


# --- Reading -------------------------------------------------------------------------------------------------------


def read_folder(folder: Path) -> str:
    """The text of a pack in a folder: its files one after the other, the calendars from beside it. Raises OSError."""
    files = [folder / name for name in ("pack.yaml", "rules.yaml", "golden.yaml")]
    return "".join(path.read_text(encoding="utf-8") for path in [*files, folder.parent / "calendars.yaml"])


@functools.lru_cache(maxsize=16)
def parse(text: str) -> Pack:
    """The pack of this text, checked but for its golden tests (`check`). Raises RuleError."""
    document = _document(text)
    pack = _read(document, text)
    where = f"{pack.name} {pack.version}"
    golden = tuple(_golden(one, f"{where}: golden") for one in _section(document, "golden", list, []))
    if not pack.rules or not golden:
        raise RuleError(f"{where}: a pack has rules, and golden tests that prove them")
    return dataclasses.replace(pack, golden=golden)


@functools.lru_cache(maxsize=16)
def recall(text: str) -> Pack:
    """A text that was in force once, to be read and cited: names that the software no longer knows may stand in it,
    and it has no golden tests. Never to be put in force. Raises RuleError.
    """
    return _read(_document(text), text, recalled=True)


def _read(document: Mapping[str, Any], text: str, *, recalled: bool = False) -> Pack:
    head = _head(document["pack"])
    digest = digest_of(text)
    known = calendars.load(_section(document, "calendars", Mapping, {}))
    listed = _section(document, "rules", list, [])
    loaded = rows.load(listed, known, f"{head['name']} {head['version']}", recalled=recalled)
    rules = tuple(dataclasses.replace(rule, pack=digest) for rule in loaded)
    return Pack(head["name"], head["version"], head.get("title", head["name"]), digest, text, rules, (), known, head)


def check(pack: Pack) -> Pack:
    """The pack, whose golden tests all come out. Raises RuleError that names each that does not."""
    if failures := run_golden(pack):
        raise RuleError("; ".join(failures[:10]))
    return pack


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe YAML in which a name stands once: of two values for one clock, nobody should have to know which counts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if not isinstance(name, str) or names.count(name) > 1:
                raise RuleError(f"line {node.start_mark.line + 1}: {name!r} is no name, or stands twice")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def _document(text: str) -> Mapping[str, Any]:
    if len(text.encode()) > MAX_BYTES:
        raise RuleError(f"a pack has at most {MAX_BYTES} bytes")
    try:
        # An alias stands for a copy, and copies of copies fill any memory.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=_Loader)):
            raise RuleError("aliases (*name) are not used in packs: write it out")
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, RecursionError) as error:
        raise RuleError(f"this is not YAML: {str(error)[:300]}") from error
    if not isinstance(document, Mapping) or "pack" not in document or set(document) - SECTIONS:
        raise RuleError(f"a pack has the sections {', '.join(sorted(SECTIONS))}, and no others")
    return document


def _section(document: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    value = document.get(name, default)
    if not isinstance(value, kind):
        raise RuleError(f"the section {name} is not in its form")
    return value


def _head(head: Any) -> Mapping[str, Any]:
    if not isinstance(head, Mapping) or head.get("format") != FORMAT or set(head) - HEAD:
        raise RuleError(f"`pack` says format: {FORMAT}, a name, a version and a title")
    if not (isinstance(head.get("name"), str) and _NAME.fullmatch(head["name"])):
        raise RuleError("a pack’s name is lower-case letters, digits and _")
    if not (isinstance(head.get("version"), str) and _VERSION.fullmatch(head["version"])):
        raise RuleError('a pack’s version is a text like "2" or "1.4.2"')
    return head


# --- Golden tests --------------------------------------------------------------------------------------------------


def _golden(data: Any, where: str) -> Golden:
    if not isinstance(data, Mapping) or set(data) - _GOLDEN_KEYS or not {"name", "facts", "at"} <= set(data):
        raise RuleError(f"{where}: a test has a name, facts, a moment and what must come out")
    where = f"{where} “{data['name']}”"
    try:
        expect = {rule_id: _expected(value) for rule_id, value in (data.get("expect") or {}).items()}
        at = moment(data["at"])
    except (TypeError, ValueError, AttributeError) as error:
        raise RuleError(f"{where}: {error}") from error
    events = tuple(data["events"]) if "events" in data else None
    rest = (tuple(data.get("absent") or ()), data.get("first") or "", tuple(data.get("shadow") or ()))
    return Golden(data["name"], complete(data["facts"]), at, events, expect, *rest)


def moment(text: Any) -> dt.datetime:
    """An aware moment from ISO text. Raises ValueError."""
    at = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    if at is None or at.tzinfo is None:
        raise ValueError(f"{text!r} is not a moment like 2026-05-19T00:00Z")
    return at


def _expected(value: Any) -> tuple[dt.datetime | None, dt.datetime | None]:
    if isinstance(value, Mapping):
        return moment(value["due"]), moment(value["not_before"])
    return (None if value is None else moment(value)), None


def run_golden(pack: Pack) -> list[str]:
    """What does not come out as its test says, one sentence each."""
    return [f"{pack.name} {pack.version}: {failure}" for golden in pack.golden for failure in _run(pack, golden)]


def _run(pack: Pack, golden: Golden) -> Iterator[str]:
    name = f"“{golden.name}”"
    clocks = in_order(pack.due(golden.facts, golden.at, golden.events))
    found = {clock.rule_id: (clock.due_at, clock.not_before) for clock in clocks}
    for rule_id, wanted in golden.expect.items():
        if rule_id not in found:
            yield f"{name}: {rule_id} starts no clock"
        elif found[rule_id] != wanted:
            yield f"{name}: {rule_id} is due {_iso(found[rule_id])} and not {_iso(wanted)}"
    for rule_id in golden.absent:
        if rule_id in found:
            yield f"{name}: {rule_id} starts a clock and must not"
    if golden.first and (not clocks or clocks[0].rule_id != golden.first):
        yield f"{name}: the shortest clock is {clocks[0].rule_id if clocks else 'none'} and not {golden.first}"
    shadow = {clock.rule_id for clock in pack.shadow(golden.facts, golden.at)} if golden.shadow else set()
    for rule_id in sorted(set(golden.shadow) - shadow):
        yield f"{name}: {rule_id} does not run in shadow"
    unknown = {*golden.expect, *golden.absent, *golden.shadow} - {rule.id for rule in pack.rules}
    if unknown:
        yield f"{name}: no such rule: {', '.join(sorted(unknown))}"


def _iso(times: tuple[dt.datetime | None, dt.datetime | None]) -> str:
    due, not_before = times
    earliest = f" (not before {not_before.isoformat()})" if not_before else ""
    return f"{due.isoformat() if due else 'without a number'}{earliest}"


def unproven(pack: Pack) -> list[str]:
    """Rules whose first day no golden test looks at from both sides: absent the day before, there on the day."""
    missing = []
    for rule in pack.rules:
        if rule.when == "false" or rule.effective_from is None:
            continue
        before, first = rule.effective_from - dt.timedelta(days=1), rule.effective_from
        absent = any(rule.id in golden.absent and golden.at.date() == before for golden in pack.golden)
        there = any(rule.id in golden.expect and golden.at.date() == first for golden in pack.golden)
        if not (absent and there):
            missing.append(rule.id)
    return missing
