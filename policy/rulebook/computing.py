"""Deadlines from rules: computed once with a trace, and again from the trace's inputs on any host (I14).

`inputs` is JSON of the format `assay-clock/1`: the row's clock, the facts, the start, the offsets that the time zone
database gave (and its version), the holidays that mattered (and their calendar's digest), pauses and an extension.
`replay` needs nothing else: neither the pack nor this host's time zones nor a calendar.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from policy.rulebook import conditions, dates, zones
from policy.rulebook.calendars import Calendar
from policy.rulebook.facts import RuleError, said
from policy.rulebook.rows import Rule

FORMAT: Final = "assay-clock/1"
_DRAFT = "Status: draft, not legal advice, until a lawyer has signed this rule."
_APPROVED = "Status: approved by two people, one of them a lawyer, and signed by this office. Not legal advice."


class Due(NamedTuple):
    """due_at None: no number in the rule. not_before: where there is an earliest moment as well."""

    due_at: dt.datetime | None
    not_before: dt.datetime | None


@dataclass(frozen=True)
class ComputedClock:
    """A deadline and how it came about. status: "draft" or "approved". pack: digest. inputs: `assay-clock/1`."""

    rule_id: str
    instrument: str
    article: str
    jurisdiction: str
    due_at: dt.datetime | None
    not_before: dt.datetime | None
    trace: list[str]
    status: str = "draft"
    pack: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)


def compute(
    rule: Rule,
    calendars: Mapping[str, Calendar],
    facts: Mapping[str, Any],
    start: dt.datetime,
    events: Collection[str] | None = None,
) -> ComputedClock:
    """The clock that `rule` starts at `start`. facts: all of FACTS. calendars: those of the rule's pack.

    events: what happened, kept in the inputs. Raises ValueError for a start without a time zone.
    """
    zone = zones.Zone(rule.clock.get("zone", zones.UTC))
    calendar = calendars.get(rule.clock.get("calendar", ""))
    due = _reckon(rule.clock, start, zone, calendar, extended=False)
    # As far as an extension could reach, so that its offsets and holidays are on record as well.
    furthest = _reckon(rule.clock, start, zone, calendar, extended=True)
    trace = [*_why(rule, facts, start), *_how(rule.clock, start, due, calendar, furthest)]
    trace.append(_DRAFT if rule.legal_status == "draft" else _APPROVED)
    inputs = {
        "format": FORMAT,
        "rule": _row(rule),
        "clock": dict(rule.clock),
        "facts": said(facts),
        "events": sorted(events or [rule.start_event]),
        "start": start.isoformat(),
        "zone": {"name": zone.name, "tzdata": zones.tzdata(), "offsets": dict(sorted(zone.offsets.items()))},
        "calendar": _holidays(calendar, start, furthest),
        "pack": rule.pack,
    }
    where = (rule.id, rule.instrument, rule.article, rule.jurisdiction)
    return ComputedClock(*where, due.due_at, due.not_before, trace, rule.legal_status, rule.pack, inputs)


def replay(inputs: Mapping[str, Any]) -> Due:
    """The deadline again, from the inputs of a clock alone; `pauses` and `extension` among them move it.

    Raises RuleError for inputs of another format.
    """
    if inputs.get("format") != FORMAT:
        raise RuleError(f"not the inputs of a clock ({FORMAT})")
    zone = zones.Zone(inputs["zone"]["name"], inputs["zone"]["offsets"])
    calendar = _recorded(inputs["calendar"])
    start = dt.datetime.fromisoformat(inputs["start"])
    due = _reckon(inputs["clock"], start, zone, calendar, extended=bool(inputs.get("extension")))
    return _rested(due, inputs.get("pauses") or ())


def rest(pauses: Sequence[Mapping[str, Any]]) -> dt.timedelta:
    """How long a clock has rested. pauses: {"from", "to", "reason"}, ISO times; one without `to` still lasts."""
    ended = [
        (dt.datetime.fromisoformat(one["from"]), dt.datetime.fromisoformat(one["to"])) for one in pauses if one["to"]
    ]
    return sum((until - since for since, until in ended), dt.timedelta())


def _rested(due: Due, pauses: Sequence[Mapping[str, Any]]) -> Due:
    """A paused span is added, exactly as long as it lasted."""
    span = rest(pauses)
    return Due(due.due_at and due.due_at + span, due.not_before and due.not_before + span)


# --- The arithmetic ------------------------------------------------------------------------------------------------


def _reckon(
    clock: Mapping[str, Any], start: dt.datetime, zone: zones.Zone, calendar: Calendar | None, *, extended: bool
) -> Due:
    value, unit = clock.get("value"), clock.get("unit", "")
    if value is None:
        return Due(None, None)
    how: dict[str, Any] = {"zone": zone, "calendar": calendar, "end_of_day": bool(clock.get("end_of_day"))}
    more = (clock.get("extension") if extended else None) or {}
    if more.get("unit") == unit:
        value += more["value"]  # one month and two more are three months from the start
    at = dates.add(start, -value if clock.get("before") else value, unit, **how)
    if more and more["unit"] != unit:
        at = dates.add(at, more["value"], more["unit"], **(how | {"zone": zones.Zone(), "end_of_day": False}))
    if latest := clock.get("latest"):
        return Due(dates.add(start, latest["value"], latest["unit"], **how), at)
    return Due(at, None)


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "status": rule.status,
        "effective_from": rule.effective_from.isoformat() if rule.effective_from else None,
        "effective_to": rule.effective_to.isoformat() if rule.effective_to else None,
        "start_event": rule.start_event,
        "when": rule.when,
    }


def _span(start: dt.datetime, furthest: Due) -> tuple[dt.date, dt.date]:
    """The days from start to end, and one more each way for whatever zone they are counted in."""
    ends = [start, furthest.due_at or start, furthest.not_before or start]
    day = dt.timedelta(days=1)
    return min(ends).date() - day, max(ends).date() + day


def _holidays(calendar: Calendar | None, start: dt.datetime, furthest: Due) -> dict[str, Any] | None:
    if calendar is None:
        return None
    first, last = _span(start, furthest)
    days = {day.isoformat(): name for day, name in sorted(calendar.holidays.items()) if first <= day <= last}
    return {
        "name": calendar.name,
        "title": calendar.title,
        "source": calendar.source,
        "covers": list(calendar.covers),
        "digest": calendar.digest,
        "holidays": days,
    }


def _recorded(data: Mapping[str, Any] | None) -> Calendar | None:
    if data is None:
        return None
    days = {dt.date.fromisoformat(day): name for day, name in data["holidays"].items()}
    first, last = data["covers"]
    return Calendar(data["name"], data["title"], data["source"], (first, last), data["digest"], MappingProxyType(days))


# --- The trace -----------------------------------------------------------------------------------------------------


def _why(rule: Rule, facts: Mapping[str, Any], start: dt.datetime) -> list[str]:
    used = conditions.read(rule.when).facts
    spoken = ", ".join(f"{name} = {_spoken(facts[name])}" for name in used) or "no fact needed"
    until = f" until {rule.effective_to}" if rule.effective_to else ""
    return [
        f"Rule {rule.id}: {rule.instrument}, {rule.article}.",
        f"In force from {rule.effective_from}{until}; it starts with “{rule.start_event}”: {dates.moment(start)}.",
        f"Its condition {rule.when} holds for {spoken}.",
    ]


def _spoken(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _how(clock: Mapping[str, Any], start: dt.datetime, due: Due, calendar: Calendar | None, furthest: Due) -> list[str]:
    value, unit = clock.get("value"), clock.get("unit", "")
    if value is None or due.due_at is None:
        return [f"The rule gives no number of hours or days: {clock.get('text') or 'no number'}."]
    sign, first = "minus" if clock.get("before") else "plus", due.not_before or due.due_at
    said = [f"{dates.moment(start)} {sign} {dates.in_words(value, unit)} is {dates.moment(first)}."]
    if due.not_before:
        latest = clock["latest"]
        words = dates.in_words(latest["value"], latest["unit"])
        said.append(f"That is the earliest moment; the latest is after {words}, {dates.moment(due.due_at)}.")
    return [*said, *_details(clock, start, due, calendar), *_zone_and_extension(clock, furthest)]


def _details(clock: Mapping[str, Any], start: dt.datetime, due: Due, calendar: Calendar | None) -> list[str]:
    unit, said = clock.get("unit", ""), []
    if unit == "business_days":
        said += _business_days(calendar, *_span(start, due))
    if unit in ("months", "years"):
        said.append("The same day of the later month, or its last day where it has no such day.")
    if clock.get("end_of_day"):
        said.append("The last day counts to its end.")
    if clock.get("minimum"):
        said.append("That is the least time: earlier is too early.")
    return said


def _business_days(calendar: Calendar | None, first: dt.date, last: dt.date) -> list[str]:
    if calendar is None:
        return ["Business days are Monday to Friday; public holidays are not taken out, the rule names no calendar."]
    # `_span` reaches a day further than what was counted.
    day = dt.timedelta(days=1)
    out = [
        f"{on} ({name})"
        for on, name in sorted(calendar.holidays.items())
        if first + day < on <= last - day and on.weekday() < 5
    ]
    said = [
        f"Business days are Monday to Friday without the holidays of {calendar.title} ({calendar.source});"
        f" taken out here: {', '.join(out) or 'none'}."
    ]
    if not (calendar.knows(first) and calendar.knows(last)):
        years = f"{calendar.covers[0]} to {calendar.covers[1]}"
        said.append(f"That calendar is known for {years} only: holidays outside these years are not taken out.")
    return said


def _zone_and_extension(clock: Mapping[str, Any], furthest: Due) -> list[str]:
    said = []
    if clock.get("unit") != "hours":
        said.append(f"Days are counted in {clock.get('zone', zones.UTC)}; time zone data: {zones.tzdata()}.")
    if (more := clock.get("extension")) and furthest.due_at:
        words = dates.in_words(more["value"], more["unit"])
        needs = f" ({more['requires']})" if more.get("requires") else ""
        said.append(f"It may be extended once by {words}{needs}, to {dates.moment(furthest.due_at)}.")
    return said
