"""Dated rules: loaded from `policy/rules/*.yaml`, matched on facts, turned into deadlines with a trace.

A rule is a row of data; only its `when` is an expression, in CEL (github.com/google/cel-spec), over whitelisted facts.
The loader refuses what it does not know, because an unknown name in a law table is a mistake and not an extension.
Bills and rows of unknown status never apply. Everything loaded is a draft until a lawyer has signed it, and says so.
"""

import datetime as dt
import functools
import hashlib
import itertools
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cel
import yaml

from core.problems import NotFound
from policy import dates

FOLDER = Path(__file__).resolve().parent / "rules"
FILES = ("jurisdictions.yaml", "office.yaml")
LEGAL_STATUS = "draft"
APPLIES = frozenset({"in_force", "superseded", "voluntary"})
STATUSES = APPLIES | {"bill", "unknown"}
MAX_CONDITION = 400
_LITERAL = re.compile(r'"([^"]*)"')

# Every fact a rule may name, with the value it has when nobody said anything. No free text is ever a fact (I25).
FACTS: Mapping[str, str | bool | tuple[str, ...]] = MappingProxyType(
    {
        "category": "",
        "jurisdictions": (),
        "role": "",
        "channel": "",
        "content_kind": "",
        "synthetic": False,
        "minor": False,
        "intimate": False,
        "received": "",
        "decision": "",
        "account_type": "",
        "provider_tier": "",
        "licensed": False,
        "satire": False,
        "news": False,
        "consent_valid": False,
        "court_order": False,
        "election_window": False,
    }
)
# Comparison and logic only. No regular expression, conversion or macro: nothing whose cost or portability surprises.
FUNCTIONS = frozenset({"@in", "_&&_", "_||_", "!_", "_==_", "_!=_"})

REQUIRED = frozenset(
    {"id", "jurisdiction", "instrument", "article", "status", "effective_from", "effective_to", "category"}
    | {"start_event", "clock", "when", "source", "confidence"}
)
OPTIONAL = frozenset(
    {"applies_to", "required_fields", "optional_when", "duties", "exemptions", "appeal", "liability", "who_may_file"}
    | {"retention", "supersedes", "covers", "effective_from_read"}
)
CLOCK_KEYS = frozenset({"value", "unit", "text", "extension", "sub", "not_before", "latest", "before", "minimum"})

JURISDICTIONS: Mapping[str, str] = MappingProxyType(
    {
        "EU": "European Union",
        "US": "United States",
        "GB": "United Kingdom",
        "IN": "India",
        "CN": "China",
        "KR": "South Korea",
        "AU": "Australia",
        "DK": "Denmark",
        "US-IL": "United States, Illinois",
        "US-TN": "United States, Tennessee",
        "XX": "Another country",
    }
)
_WITHIN = {"DK": "EU", "US-IL": "US", "US-TN": "US"}


class RuleError(ValueError):
    """A row that must not be loaded. The words name the file, the row and what is wrong."""


@dataclass(frozen=True)
class Rule:
    """One row. `effective_to` is exclusive; both dates are taken as UTC days."""

    id: str
    jurisdiction: str
    instrument: str
    article: str
    status: str
    effective_from: dt.date | None
    effective_to: dt.date | None
    category: str
    start_event: str
    clock: Mapping[str, Any]
    when: str
    required_fields: tuple[str, ...]
    duties: tuple[str, ...]
    exemptions: tuple[str, ...]
    appeal: Mapping[str, Any]
    source: Mapping[str, str]
    confidence: str

    def in_force(self, day: dt.date) -> bool:
        """Whether the rule is law (or a promise of ours) on that day. A bill never is; a row without a date neither."""
        if self.status not in APPLIES or self.effective_from is None or day < self.effective_from:
            return False
        return self.effective_to is None or day < self.effective_to

    @property
    def is_terms(self) -> bool:
        return self.id.startswith("office.")

    @property
    def clock_text(self) -> str:
        """The clock in words, the rule's own where it has them."""
        if self.clock.get("text"):
            return str(self.clock["text"])
        value = self.clock.get("value")
        return "no number" if value is None else dates.in_words(value, self.clock["unit"])

    def matches(self, facts: Mapping[str, Any]) -> bool:
        return _condition(self.when).execute(dict(facts)) is True


@dataclass(frozen=True)
class Pack:
    """All rules in force of one set of files. digest: SHA-256 over the files' bytes, in order."""

    digest: str
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class ComputedClock:
    """A deadline and how it came about. due_at None: no number in the rule. not_before: where there is one."""

    rule_id: str
    instrument: str
    article: str
    jurisdiction: str
    due_at: dt.datetime | None
    not_before: dt.datetime | None
    trace: list[str]
    status: str = LEGAL_STATUS


# --- Loading -----------------------------------------------------------------------------------------------------


@functools.cache
def pack() -> Pack:
    """The rules of this installation, read once. Raises RuleError, at start-up, through the system check."""
    digest, rows = hashlib.sha256(), []
    for name in FILES:
        data = (FOLDER / name).read_bytes()
        digest.update(data)
        rows += load(yaml.safe_load(data), name)
    ids = [row.id for row in rows]
    if len(ids) != len(set(ids)):
        raise RuleError(f"two rules share an id: {sorted({i for i in ids if ids.count(i) > 1})}")
    return Pack(digest.hexdigest(), tuple(rows))


def load(document: Mapping[str, Any], name: str) -> list[Rule]:
    """Rules of one parsed file. Raises RuleError naming the row."""
    if document.get("schema_version") != 1 or not isinstance(document.get("rules"), list):
        raise RuleError(f"{name}: not a rule file of schema version 1")
    if unknown := set(document.get("facts", [])) - set(FACTS):
        raise RuleError(f"{name}: unknown facts {sorted(unknown)}")
    return [_rule(row, f"{name}: {row.get('id', f'row {n}')}") for n, row in enumerate(document["rules"], 1)]


def _rule(row: Mapping[str, Any], where: str) -> Rule:
    if missing := REQUIRED - set(row):
        raise RuleError(f"{where}: missing {sorted(missing)}")
    if unknown := set(row) - REQUIRED - OPTIONAL:
        raise RuleError(f"{where}: unknown {sorted(unknown)}")
    if row["status"] not in STATUSES:
        raise RuleError(f"{where}: unknown status {row['status']!r}")
    _check_clock(row["clock"], where)
    _check_condition(row, where)
    start, end = _day(row["effective_from"], where), _day(row["effective_to"], where)
    if start and end and end <= start:
        raise RuleError(f"{where}: it ends before it begins")
    return Rule(
        id=row["id"],
        jurisdiction=row["jurisdiction"],
        instrument=row["instrument"],
        article=row["article"],
        status=row["status"],
        category=row["category"],
        start_event=row["start_event"],
        effective_from=start,
        effective_to=end,
        clock=MappingProxyType(row["clock"]),
        when=row["when"],
        required_fields=tuple(row.get("required_fields", ())),
        duties=tuple(row.get("duties", ())),
        exemptions=tuple(row.get("exemptions", ())),
        appeal=MappingProxyType(row.get("appeal") or {}),
        source=MappingProxyType(row["source"]),
        confidence=row["confidence"],
    )


def _day(value: str | None, where: str) -> dt.date | None:
    try:
        return None if value is None else dt.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise RuleError(f'{where}: {value!r} is not a date like "2026-05-19"') from error


def _check_clock(clock: Mapping[str, Any], where: str) -> None:
    if unknown := set(clock) - CLOCK_KEYS:
        raise RuleError(f"{where}: unknown in clock {sorted(unknown)}")
    for span in (clock, clock.get("latest") or {}):
        value, unit = span.get("value"), span.get("unit", "qualitative")
        if (value is None) != (unit == "qualitative"):
            raise RuleError(f"{where}: a clock has a number and a unit, or neither")
        if value is not None and (type(value) is not int or value < 0 or unit not in dates.UNITS):
            raise RuleError(f"{where}: {value!r} {unit!r} is no span of time")


def _check_condition(row: Mapping[str, Any], where: str) -> None:
    """Names before values: a typo is found when the file is loaded, not when the case arrives."""
    source = row["when"]
    if not isinstance(source, str) or len(source) > MAX_CONDITION:
        raise RuleError(f"{where}: `when` is a CEL expression of at most {MAX_CONDITION} characters")
    try:
        used = _condition(source).references()
    except ValueError as error:
        raise RuleError(f"{where}: `when` cannot be read: {error}") from error
    if unknown := set(used["variables"]) - set(FACTS):
        raise RuleError(f"{where}: unknown facts {sorted(unknown)}")
    if unknown := set(used["functions"]) - FUNCTIONS:
        raise RuleError(f"{where}: `when` may compare and combine only, not use {sorted(unknown)}")
    if row["status"] not in APPLIES and source != "false":
        raise RuleError(f"{where}: a {row['status']} applies to nothing: `when` must be 'false'")
    _check_types(source, where)


def _check_types(source: str, where: str) -> None:
    """Evaluate with every combination of the strings it names, so that no branch hides a type error behind `&&`."""
    program, named = _condition(source), sorted({"", *_LITERAL.findall(source)})
    strings = [name for name in program.references()["variables"] if FACTS[name] == ""]
    for truth, values in itertools.product((False, True), itertools.product(named, repeat=len(strings))):
        sample = {name: truth if value is False else _listed(value) for name, value in FACTS.items()}
        sample |= {"jurisdictions": named, **dict(zip(strings, values, strict=True))}
        try:
            result = program.execute(sample)
        except (TypeError, ValueError, RuntimeError) as error:
            raise RuleError(f"{where}: `when` mixes types: {error}") from error
        if type(result) is not bool:
            raise RuleError(f"{where}: `when` gives {result!r}, not true or false")


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


@functools.cache
def _condition(source: str) -> cel.Program:
    return cel.compile(source)


# --- Asking ------------------------------------------------------------------------------------------------------


def all_rules() -> tuple[Rule, ...]:
    return pack().rules


def rule(rule_id: str) -> Rule:
    """The rule of that id. Raises NotFound."""
    for row in pack().rules:
        if row.id == rule_id:
            return row
    raise NotFound("rule")


def citable(on: dt.date) -> tuple[Rule, ...]:
    """What a decision taken on that day may cite."""
    return tuple(row for row in pack().rules if row.in_force(on))


def complete(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with everything nobody said filled in, and places widened (Denmark is in the EU). Raises RuleError."""
    if unknown := set(facts) - set(FACTS):
        raise RuleError(f"unknown facts {sorted(unknown)}")
    whole: dict[str, Any] = {name: _listed(facts.get(name, value)) for name, value in FACTS.items()}
    for name, value in FACTS.items():
        wanted = list if isinstance(value, tuple) else type(value)
        if not isinstance(whole[name], wanted):
            raise RuleError(f"fact {name} is a {wanted.__name__}")
    whole["jurisdictions"] = widen(whole["jurisdictions"])
    return whole


def widen(jurisdictions: Collection[str]) -> list[str]:
    """Each place and what it lies within, sorted."""
    return sorted({*jurisdictions, *(_WITHIN[place] for place in jurisdictions if place in _WITHIN)})


def due(facts: Mapping[str, Any], start: dt.datetime, *, events: Collection[str] | None = None) -> list[ComputedClock]:
    """The clocks that start at `start`, the shortest first, those without a number last.

    facts: names of FACTS. events: only rules whose start event is among them (all by default): an event starts its own
    clocks and no others. Raises RuleError for an unknown fact.
    """
    whole = complete(facts)
    day = start.astimezone(dt.UTC).date()
    clocks = [
        _compute(row, whole, start)
        for row in pack().rules
        if (events is None or row.start_event in events) and row.in_force(day) and row.matches(whole)
    ]
    return sorted(clocks, key=lambda clock: (clock.due_at is None, clock.due_at or start, clock.rule_id))


def _compute(row: Rule, facts: Mapping[str, Any], start: dt.datetime) -> ComputedClock:
    trace = _why(row, facts, start)
    value, unit = row.clock.get("value"), row.clock.get("unit", "")
    at = not_before = None
    if value is None:
        trace.append(f"The rule gives no number of hours or days: {row.clock_text}.")
    else:
        at = dates.add(start, -value if row.clock.get("before") else value, unit)
        trace.append(f"{dates.moment(start)} {_sign(row)} {dates.in_words(value, unit)} is {dates.moment(at)}.")
        if row.clock.get("latest"):
            not_before, latest = at, row.clock["latest"]
            at = dates.add(start, latest["value"], latest["unit"])
            trace.append(
                f"That is the earliest moment; the latest is after {dates.in_words(**latest)}, {dates.moment(at)}."
            )
        if unit == "business_days":
            trace.append(
                "Business days are Monday to Friday; public holidays are not taken out, no calendar is loaded."
            )
        if unit in ("months", "years"):
            trace.append("The same day of the later month, or its last day where it has no such day.")
    trace.append(f"Status: {LEGAL_STATUS}, not legal advice, until a lawyer has signed this rule.")
    return ComputedClock(row.id, row.instrument, row.article, row.jurisdiction, at, not_before, trace)


def _sign(row: Rule) -> str:
    return "minus" if row.clock.get("before") else "plus"


def _why(row: Rule, facts: Mapping[str, Any], start: dt.datetime) -> list[str]:
    used = _condition(row.when).references()["variables"]
    said = ", ".join(f"{name} = {_said(facts[name])}" for name in used) or "no fact needed"
    until = f" until {row.effective_to}" if row.effective_to else ""
    return [
        f"Rule {row.id}: {row.instrument}, {row.article}.",
        f"In force from {row.effective_from}{until}; it starts with “{row.start_event}”: {dates.moment(start)}.",
        f"Its condition {row.when} holds for {said}.",
    ]


def _said(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
