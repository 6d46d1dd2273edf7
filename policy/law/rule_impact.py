"""What would have been different: the clocks of the last days under another version of a pack, or under a bill.

Every clock keeps the facts and the events it began with, so each occasion is put to the other rules again. Nothing is
changed by asking.
"""

import datetime as dt
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from core.clock import now
from policy.law import rules
from policy.law.clocks import OWNERS
from policy.models import Clock, PackVersion
from policy.rulebook import comparing, computing
from policy.rulebook.computing import ComputedClock
from policy.rulebook.conditions import read
from policy.rulebook.packs import Pack
from policy.rulebook.rows import Rule

DAYS: Final = 90
SHOWN: Final = 200
# What a page counts while somebody waits; the command counts all.
ON_A_PAGE: Final = 20_000


@dataclass(frozen=True)
class Moved:
    """One clock that would have been different. how: "earlier", "later", "new", "gone". missed: it would have been."""

    how: str
    rule_id: str
    purpose: str
    case_id: str
    was: dt.datetime | None
    would: dt.datetime | None
    missed: bool


@dataclass
class Report:
    """occasions: events that started clocks; clocks: those compared; unknown: older ones, without their facts.

    most: how many clocks are looked at, the newest first; cut: there are more.
    """

    since: dt.datetime
    most: int | None = None
    cut: bool = False
    occasions: int = 0
    clocks: int = 0
    unknown: int = 0
    missed_before: int = 0
    moved: list[Moved] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        found = Counter(one.how for one in self.moved)
        return {how: found[how] for how in ("earlier", "later", "new", "gone")}

    @property
    def missed(self) -> int:
        return sum(one.missed for one in self.moved)

    @property
    def shown(self) -> list[Moved]:
        return self.moved[:SHOWN]


@dataclass
class Shadow:
    """A bill, and the notices of the last days it would have been about."""

    rule: Rule
    notices: int = 0
    missed: int = 0
    shorter: int = 0
    cases: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Occasion:
    """What happened once: one moment of one thing, with the clocks it started."""

    purpose: str
    start: dt.datetime
    facts: dict[str, Any]
    events: frozenset[str]
    clocks: tuple[dict[str, Any], ...]

    @property
    def case_id(self) -> str:
        return str(self.clocks[0]["case_id"] or "")

    @property
    def until(self) -> dt.datetime:
        """When it was dealt with; now while it is not."""
        ended = [clock["ended_at"] for clock in self.clocks if clock["state"] == Clock.State.MET]
        return max(ended, default=now())


def impact(pack: Pack, *, days: int = DAYS, most: int | None = None) -> Report:
    """The clocks of the last `days` as `pack` would have made them, beside those that were. Three queries.

    Only rules that `pack` changes are compared, as they will stand once the last of the changes applies: a rule that
    begins next month is asked as if it had been there.
    """
    report = Report(now() - dt.timedelta(days=days), most)
    names = dict(PackVersion.objects.values_list("digest", "name")) | {one.digest: one.name for one in rules.shipped()}
    current = next((one for one in rules.pack().packs if one.name == pack.name), None)
    today = _Matcher(current.rules if current else (), pack)
    theirs = _Matcher(pack.rules, pack)
    lines, theirs.as_of = _changed(current, pack, today, theirs)
    for occasion in _occasions(report):
        was = [clock for clock in occasion.clocks if names.get(clock["pack"]) == pack.name]
        report.clocks += len(was)
        report.missed_before += sum(clock["state"] == Clock.State.BREACHED for clock in was)
        report.moved += _compare(occasion, was, lines, theirs, today)
    return report


def _changed(current: Pack | None, pack: Pack, today: "_Matcher", theirs: "_Matcher") -> tuple[set[str], dt.date]:
    """The lines of rules that differ, and the day on which the last of the differences applies."""
    ids = {rule.id for rule in pack.rules}
    if current is not None:
        ids = {change.rule_id for change in comparing.diff(current, pack)}
    calendars = {name.removeprefix("calendar ") for name in ids}
    changed = [rule for rule in pack.rules if rule.id in ids or rule.clock.get("calendar") in calendars]
    begins = [rule.effective_from for rule in changed if rule.effective_from]
    lines = {theirs.line(rule.id) for rule in changed} | {today.line(rule_id) for rule_id in ids}
    return lines, max([now().date(), *begins])


def _compare(
    occasion: _Occasion, was: list[dict[str, Any]], lines: set[str], theirs: "_Matcher", today: "_Matcher"
) -> Iterator[Moved]:
    answers = ((theirs.line(clock.rule_id), clock) for clock in theirs.due(occasion))
    would = {line: clock for line, clock in answers if line in lines}
    ran = {line: clock for clock in was if (line := today.line(clock["rule_id"])) in lines}
    for line, clock in ran.items():
        if line not in would:
            yield _moved("gone", occasion, clock["rule_id"], clock["due_at"], None, False)
        else:
            yield from _shifted(occasion, clock, would[line])
    # What today's rules match as well was not started for a reason of its own, such as a field that is missing.
    matched = {today.line(rule.id) for rule in today.matching(occasion)}
    for line in would.keys() - ran.keys() - matched:
        fresh = would[line]
        late = fresh.due_at is not None and fresh.due_at < occasion.until
        yield _moved("new", occasion, fresh.rule_id, None, fresh.due_at, late)


def _shifted(occasion: _Occasion, clock: dict[str, Any], fresh: ComputedClock) -> Iterator[Moved]:
    moved_by = {"pauses": clock["pauses"], "extension": clock["extension"]}
    due_at = computing.replay({**fresh.inputs, **moved_by}).due_at
    if due_at == clock["due_at"]:
        return
    far = dt.datetime.max.replace(tzinfo=dt.UTC)
    how = "earlier" if (due_at or far) < (clock["due_at"] or far) else "later"
    met = clock["ended_at"] if clock["state"] in (Clock.State.MET, Clock.State.VOID) else now()
    yield _moved(how, occasion, fresh.rule_id, clock["due_at"], due_at, due_at is not None and due_at < met)


def _moved(
    how: str, occasion: _Occasion, rule_id: str, was: dt.datetime | None, would: dt.datetime | None, missed: bool
) -> Moved:
    return Moved(how, rule_id, occasion.purpose, occasion.case_id, was, would, missed)


# --- Bills ---------------------------------------------------------------------------------------------------------


def shadows(*, days: int = DAYS, most: int | None = None) -> list[Shadow]:
    """What each bill would have changed about the notices of the last `days`, were it law. Two queries."""
    book, report = rules.pack(), Report(now() - dt.timedelta(days=days), most)
    found = [(pack, Shadow(rule)) for pack in book.packs for rule in pack.rules if rule.shadow_when]
    for occasion in _occasions(report, purpose=Clock.Purpose.DECIDE):
        for pack, shadow in found:
            _cast(shadow, pack, occasion)
    return [shadow for _, shadow in found]


def _cast(shadow: Shadow, pack: Pack, occasion: _Occasion) -> None:
    if not read(shadow.rule.shadow_when).holds(occasion.facts):
        return
    clock = computing.compute(shadow.rule, pack.calendars, occasion.facts, occasion.start)
    due = [one["due_at"] for one in occasion.clocks if one["due_at"]]
    shadow.notices += 1
    shadow.missed += clock.due_at is not None and clock.due_at < occasion.until
    shadow.shorter += clock.due_at is not None and (not due or clock.due_at < min(due))
    if occasion.case_id and occasion.case_id not in shadow.cases:
        shadow.cases.append(occasion.case_id)


# --- Occasions -----------------------------------------------------------------------------------------------------


def _occasions(report: Report, **only: str) -> Iterator[_Occasion]:
    """Clocks that began together, the newest first."""
    owners = [f"{name}_id" for name in OWNERS]
    names = ("purpose", "state", "rule_id", "pack", "started_at", "due_at", "ended_at", "inputs", "pauses", "extension")
    rows = Clock.objects.filter(started_at__gte=report.since, **only).values(*names, *owners)
    newest = rows.order_by("-started_at", "purpose", *owners, "pk")[: report.most]
    group: list[dict[str, Any]] = []
    key: Any = None
    for number, row in enumerate(newest.iterator(2000), 1):
        report.cut = number == report.most
        if not row["inputs"]:
            report.unknown += 1
            continue
        this = (row["started_at"], row["purpose"], *(row[name] for name in owners))
        if group and this != key:
            yield _occasion(report, group)
            group = []
        key = this
        group.append(row)
    if group:
        yield _occasion(report, group)


def _occasion(report: Report, group: list[dict[str, Any]]) -> _Occasion:
    first = group[0]
    report.occasions += 1
    events: Iterable[str] = (event for row in group for event in row["inputs"]["events"])
    facts = rules.complete(first["inputs"]["facts"])
    return _Occasion(first["purpose"], first["started_at"], facts, frozenset(events), tuple(group))


class _Matcher:
    """A pack's answers, each question asked once: most notices say the same of the few facts that rules ask about."""

    def __init__(self, asked: Iterable[Rule], pack: Pack) -> None:
        self._rules = tuple(asked)
        self._calendars = pack.calendars
        self._known: dict[tuple[str, frozenset[str], dt.date], list[Rule]] = {}
        self._lines = {rule.id: rule for rule in self._rules}
        self.as_of: dt.date | None = None

    def line(self, rule_id: str) -> str:
        """The first of the rules of which this one is the latest version."""
        seen: set[str] = set()
        while (rule := self._lines.get(rule_id)) and rule.supersedes and rule_id not in seen:
            seen.add(rule_id)
            rule_id = rule.supersedes
        return self._lines[rule_id].line if rule_id in self._lines else rule_id

    def matching(self, occasion: _Occasion) -> list[Rule]:
        day = self.as_of or occasion.start.astimezone(dt.UTC).date()
        key = (json.dumps(occasion.facts, sort_keys=True), occasion.events, day)
        if key not in self._known:
            self._known[key] = self._ask(occasion.facts, occasion.events, day)
        return self._known[key]

    def _ask(self, facts: dict[str, Any], events: Collection[str], day: dt.date) -> list[Rule]:
        rows = (rule for rule in self._rules if rule.start_event in events)
        return [rule for rule in rows if rule.in_force(day) and rule.matches(facts)]

    def due(self, occasion: _Occasion) -> list[ComputedClock]:
        asked = (self._calendars, occasion.facts, occasion.start, occasion.events)
        return [computing.compute(rule, *asked) for rule in self.matching(occasion)]
