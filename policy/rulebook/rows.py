"""A rule: one dated row of data. The loader refuses what it does not know, because an unknown name in a law table is a
mistake and not an extension. Bills and rows of unknown status never apply.
"""

import datetime as dt
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from policy.rulebook import conditions, dates, vocabulary, zones
from policy.rulebook.calendars import Calendar
from policy.rulebook.facts import JURISDICTIONS, RuleError

APPLIES: Final = frozenset({"in_force", "superseded", "voluntary"})
STATUSES: Final = APPLIES | {"bill", "unknown"}
CONFIDENCE: Final = frozenset({"high", "medium", "low", "none"})
EVERYWHERE: Final = "*"

REQUIRED: Final = frozenset(
    {"id", "jurisdiction", "instrument", "article", "status", "effective_from", "effective_to", "category"}
    | {"start_event", "clock", "when", "source", "confidence"}
)
OPTIONAL: Final = frozenset(
    {"applies_to", "required_fields", "optional_when", "duties", "exemptions", "appeal", "liability", "who_may_file"}
    | {"retention", "supersedes", "covers", "effective_from_read", "shadow_when", "applies_to_pending", "at_least"}
    | {"charter"}
)
CLOCK_KEYS: Final = frozenset(
    {"value", "unit", "text", "extension", "sub", "not_before", "latest", "before", "minimum"}
    | {"zone", "calendar", "end_of_day", "pause"}
)
# Why a clock may rest, where a rule lets it: a closed list, because a reason is shown and logged.
PAUSES: Final = MappingProxyType(
    {
        "awaiting_information": "we wait for information that we asked for",
        "awaiting_identity": "we wait for proof of who asks",
        "awaiting_authority": "we wait for an authority or a court",
    }
)
# Longer is a slip of the pen, and would leave the calendar.
_LONGEST = {"hours": 87_600, "calendar_days": 36_500, "business_days": 2_500, "months": 1_200, "years": 100}


@dataclass(frozen=True)
class Rule:
    """One row. `effective_to` is exclusive; both dates are taken as UTC days. pack: digest of the pack it came from.

    legal_status: "draft" until the pack was approved by two people, one of them a lawyer, and signed. at_least: from
    which counts on it holds, where it counts something. charter: numbers of the charter's clauses that it carries out.
    """

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
    supersedes: str = ""
    shadow_when: str = ""
    applies_to_pending: bool = False
    applies_to: str = ""
    at_least: Mapping[str, int] = field(default_factory=dict)
    charter: tuple[int, ...] = ()
    pack: str = ""
    legal_status: str = "draft"

    def in_force(self, day: dt.date) -> bool:
        """Whether the rule is law (or a promise of ours) on that day. A bill never is; a row without a date neither."""
        if self.status not in APPLIES or self.effective_from is None or day < self.effective_from:
            return False
        return self.effective_to is None or day < self.effective_to

    @property
    def is_terms(self) -> bool:
        return self.id.startswith("office.")

    @property
    def line(self) -> str:
        """The rule without its version: `in.it.3.2.b.v2021` and `in.it.3.2.b.v2026` are one line."""
        stem, _, version = self.id.rpartition(".")
        return stem if stem and version[:1] == "v" and version[1:].isdigit() else self.id

    @property
    def clock_text(self) -> str:
        """The clock in words, the rule's own where it has them."""
        if self.clock.get("text"):
            return str(self.clock["text"])
        value = self.clock.get("value")
        return "no number" if value is None else dates.in_words(value, self.clock["unit"])

    def matches(self, facts: Mapping[str, Any]) -> bool:
        """facts: all of FACTS (`facts.complete`)."""
        return conditions.read(self.when).holds(facts)


def load(rows: Iterable[Any], calendars: Mapping[str, Calendar], where: str, *, recalled: bool = False) -> list[Rule]:
    """The rows of one pack. Raises RuleError naming the row. where: what to call the pack.

    recalled: of a text that was in force once, to be cited only: names of facts, events and duties are not looked at.
    """
    loaded = [_rule(row, calendars, f"{where}: {_name(row, number)}", recalled) for number, row in enumerate(rows, 1)]
    _check_ids(loaded, where)
    _check_lines(loaded, where)
    return loaded


def _name(row: Any, number: int) -> str:
    named = isinstance(row, Mapping) and isinstance(row.get("id"), str)
    return str(row["id"]) if named else f"row {number}"


def _rule(row: Any, calendars: Mapping[str, Calendar], where: str, recalled: bool) -> Rule:
    _check_fields(row, where)
    _check_clock(row["clock"], calendars, where)
    duties = _listed(row, "duties", where)
    if not recalled:
        _check_condition(row, where)
        vocabulary.check(row, where)
    start, end = _day(row["effective_from"], where), _day(row["effective_to"], where)
    if start and end and end <= start:
        raise RuleError(f"{where}: it ends before it begins")
    return Rule(
        **{name: row[name] for name in _TEXTS},
        effective_from=start,
        effective_to=end,
        clock=MappingProxyType(row["clock"]),
        when=row["when"],
        required_fields=_listed(row, "required_fields", where),
        duties=duties,
        exemptions=_listed(row, "exemptions", where),
        appeal=MappingProxyType(_mapping(row.get("appeal") or {}, "appeal", where)),
        source=MappingProxyType(_mapping(row["source"], "source", where)),
        supersedes=row.get("supersedes") or "",
        shadow_when=row.get("shadow_when") or "",
        applies_to_pending=row.get("applies_to_pending", False),
        applies_to=row.get("applies_to") or "",
        at_least=MappingProxyType(_mapping(row.get("at_least") or {}, "at_least", where)),
        charter=_clauses(row.get("charter") or [], where),
    )


_TEXTS = ("id", "jurisdiction", "instrument", "article", "status", "category", "start_event", "confidence")
# As wide as the columns in which a clock keeps them.
_WIDTHS = {"id": 60, "instrument": 200, "article": 120, "start_event": 60, "category": 40}


def _check_fields(row: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise RuleError(f"{where}: a rule is a mapping of names to values")
    if missing := REQUIRED - set(row):
        raise RuleError(f"{where}: missing {sorted(missing)}")
    if unknown := set(row) - REQUIRED - OPTIONAL:
        raise RuleError(f"{where}: unknown {sorted(map(str, unknown))}")
    for name in _TEXTS:
        if not isinstance(row[name], str) or not 0 < len(row[name]) <= _WIDTHS.get(name, 40):
            raise RuleError(f"{where}: {name} is a text of at most {_WIDTHS.get(name, 40)} characters")
    known = {"status": STATUSES, "confidence": CONFIDENCE, "jurisdiction": {*JURISDICTIONS, EVERYWHERE}}
    for name, values in known.items():
        if row[name] not in values:
            raise RuleError(f"{where}: unknown {name} {row[name]!r}")
    if type(row.get("applies_to_pending", False)) is not bool:
        raise RuleError(f"{where}: applies_to_pending is true or false")


def _listed(row: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    values = row.get(name) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RuleError(f"{where}: {name} is a list of texts")
    return tuple(values)


def _clauses(values: Any, where: str) -> tuple[int, ...]:
    if not isinstance(values, list) or not all(type(value) is int and 0 < value < 100 for value in values):
        raise RuleError(f"{where}: charter is a list of numbers of its clauses")
    return tuple(values)


def _mapping(value: Any, name: str, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RuleError(f"{where}: {name} is a mapping of names to values")
    return value


def _day(value: Any, where: str) -> dt.date | None:
    try:
        return None if value is None else dt.date.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise RuleError(f'{where}: {value!r} is not a date like "2026-05-19"') from error


# --- The clock -----------------------------------------------------------------------------------------------------


def _check_clock(clock: Any, calendars: Mapping[str, Calendar], where: str) -> None:
    if unknown := set(_mapping(clock, "clock", where)) - CLOCK_KEYS:
        raise RuleError(f"{where}: unknown in clock {sorted(map(str, unknown))}")
    for span in (clock, clock.get("latest") or {}, clock.get("extension") or {}, *(clock.get("sub") or ())):
        _check_span(_mapping(span, "a span of time", where), where)
    _check_place(clock, calendars, where)
    if unknown := set(clock.get("pause") or ()) - set(PAUSES):
        raise RuleError(f"{where}: unknown reasons to pause {sorted(map(str, unknown))}")
    if clock.get("end_of_day") and clock.get("unit") in (None, "hours", "qualitative"):
        raise RuleError(f"{where}: only days, months and years end with a day")


def _check_span(span: Mapping[str, Any], where: str) -> None:
    value, unit = span.get("value"), span.get("unit", "qualitative")
    if (value is None) != (unit == "qualitative"):
        raise RuleError(f"{where}: a clock has a number and a unit, or neither")
    if value is not None and (type(value) is not int or not 0 <= value <= _LONGEST.get(str(unit), -1)):
        raise RuleError(f"{where}: {value!r} {unit!r} is no span of time")


def _check_place(clock: Mapping[str, Any], calendars: Mapping[str, Calendar], where: str) -> None:
    """The zone and the calendar must be there: a deadline is not counted in a place nobody knows."""
    try:
        zones.zone(clock.get("zone", zones.UTC))
    except (TypeError, ValueError) as error:
        raise RuleError(f"{where}: {error}") from error
    calendar = clock.get("calendar")
    if calendar is not None and calendar not in calendars:
        raise RuleError(f"{where}: unknown calendar {calendar!r}")


# --- The condition -------------------------------------------------------------------------------------------------


def _check_condition(row: Mapping[str, Any], where: str) -> None:
    for name in ("when", "shadow_when"):
        if name in row:
            try:
                conditions.read(row[name])
            except (RuleError, TypeError) as error:
                raise RuleError(f"{where}: `{name}`: {error}") from error
    applies = row["status"] in APPLIES
    if not applies and row["when"] != "false":
        raise RuleError(f"{where}: a {row['status']} applies to nothing: `when` must be 'false'")
    if applies and "shadow_when" in row:
        raise RuleError(f"{where}: only what does not apply runs in shadow: a bill, or a row of unknown status")


# --- Together ------------------------------------------------------------------------------------------------------


def _check_ids(rules: list[Rule], where: str) -> None:
    ids = [rule.id for rule in rules]
    if twice := sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1}):
        raise RuleError(f"{where}: two rules share an id: {twice}")
    if unknown := sorted({rule.supersedes for rule in rules if rule.supersedes} - set(ids)):
        raise RuleError(f"{where}: superseded and not there: {unknown}")


def _check_lines(rules: list[Rule], where: str) -> None:
    """Of one line at most one rule is law on any day, and a rule begins on the day on which the one before ends."""
    by_id = {rule.id: rule for rule in rules}
    for rule in rules:
        before = by_id.get(rule.supersedes)
        if before and (rule.effective_from is None or before.effective_to != rule.effective_from):
            raise RuleError(f"{where}: {before.id} must end on the day on which {rule.id} begins")
    lines: dict[str, list[Rule]] = {}
    for rule in rules:
        if rule.status in APPLIES and rule.effective_from:
            lines.setdefault(rule.line, []).append(rule)
    for line in lines.values():
        _check_overlap(sorted(line, key=lambda rule: rule.effective_from or dt.date.max), where)


def _check_overlap(line: list[Rule], where: str) -> None:
    for earlier, later in itertools.pairwise(line):
        if earlier.effective_to is None or (later.effective_from and earlier.effective_to > later.effective_from):
            raise RuleError(
                f"{where}: {earlier.id} and {later.id} overlap: both would be law on {later.effective_from}"
            )
