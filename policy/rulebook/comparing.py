"""Questions to a book of rules: why a rule did not match, and what differs between two versions of a pack."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from policy.rulebook import conditions
from policy.rulebook.packs import Pack
from policy.rulebook.rows import APPLIES, Rule

_NOT_COMPARED = frozenset({"pack", "legal_status"})


@dataclass(frozen=True)
class Change:
    """One difference. what: "new", "gone" or the field that changed."""

    rule_id: str
    what: str
    before: str = ""
    after: str = ""


def why_not(rule: Rule, facts: Mapping[str, Any], day: dt.date, events: Collection[str] | None = None) -> list[str]:
    """Everything that would have to be otherwise for `rule` to start a clock that day; empty when it does.

    facts: all of FACTS. events: what happened; None leaves that out.
    """
    reasons = [*_status(rule), *_dates(rule, day)]
    if events is not None and rule.start_event not in events:
        reasons.append(f"It starts with “{rule.start_event}”, which did not happen.")
    condition = conditions.read(rule.when)
    if rule.when != "false":
        reasons += [_failed(part, facts) for part in condition.failing(facts)]
    elif rule.status in APPLIES:
        reasons.append("It starts no clock by itself: it is there to be cited.")
    return reasons


def _status(rule: Rule) -> Iterator[str]:
    if rule.status not in APPLIES:
        words = "a bill and not law" if rule.status == "bill" else "not known to be in force"
        yield f"It is {words}, so it never applies."


def _dates(rule: Rule, day: dt.date) -> Iterator[str]:
    if rule.status not in APPLIES:
        return
    if rule.effective_from is None:
        yield "The day from which it applies is not known, so it never applies."
    elif day < rule.effective_from:
        yield f"It applies from {rule.effective_from} on; the day is {day}."
    if rule.effective_to and day >= rule.effective_to:
        yield f"It ended on {rule.effective_to}; the day is {day}."


def _failed(part: str, facts: Mapping[str, Any]) -> str:
    names = [name for name in facts if name in conditions.names(part)]
    values = ", ".join(f"{name} is {_value(facts[name])}" for name in names)
    return f"{part} does not hold: {values}." if values else f"{part} does not hold."


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return f"“{value}”" if value else "not said"


def diff(old: Pack, new: Pack) -> list[Change]:
    """What `new` says otherwise than `old`, by rule; calendars count as a whole."""
    before, after = ({rule.id: rule for rule in pack.rules} for pack in (old, new))
    changes = [Change(rule_id, "gone") for rule_id in before if rule_id not in after]
    for rule_id, rule in after.items():
        if rule_id not in before:
            changes.append(Change(rule_id, "new", after=rule.clock_text))
        else:
            changes += _changed(before[rule_id], rule)
    names = {*old.calendars, *new.calendars}
    digests = [{name: calendar.digest for name, calendar in pack.calendars.items()} for pack in (old, new)]
    changed = [name for name in sorted(names) if digests[0].get(name) != digests[1].get(name)]
    return changes + [Change(f"calendar {name}", "holidays") for name in changed]


def _changed(before: Rule, after: Rule) -> Iterator[Change]:
    for field in fields(Rule):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if field.name not in _NOT_COMPARED and old != new:
            yield Change(after.id, field.name, _shown(old), _shown(new))


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_shown(one)}" for name, one in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(map(_shown, value))
    return "none" if value is None else str(value)
