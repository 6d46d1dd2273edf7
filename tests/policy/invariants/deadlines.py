"""I13 to I17: clocks, what drives them, what they drive; and what must stay as it was."""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.events import EventType
from ledger.models import Entry
from policy.deciding import decisions
from policy.filing import guided, notices
from policy.law import clocks, rules
from policy.models import Action, Case, Clock, Consent, CounterNotice, Notice
from tests.policy.invariants.deciding import effective
from tests.policy.invariants.record import leaves

# US federal holidays as 5 U.S.C. 6103 has them, on the days on which they are kept; the years that tests travel to.
HOLIDAYS: Final = frozenset(
    dt.date.fromisoformat(day)
    for day in (
        *("2026-01-01", "2026-01-19", "2026-02-16", "2026-05-25", "2026-06-19", "2026-07-03", "2026-09-07"),
        *("2026-10-12", "2026-11-11", "2026-11-26", "2026-12-25", "2027-01-01", "2027-01-18", "2027-02-15"),
        *("2027-05-31", "2027-06-18", "2027-07-05", "2027-09-06", "2027-10-11", "2027-11-11", "2027-11-25"),
    )
)
_FIXED: Final = (
    *("rule_id", "pack", "instrument", "article", "jurisdiction", "legal_status", "started_at", "purpose", "inputs"),
)


@dataclass
class Memory:
    """What was seen before: a clock's rule (I13), the past of consents (I9), how much the log had (I12)."""

    clocks: dict[object, tuple[Any, ...]] = field(default_factory=dict)
    events: dict[object, tuple[Any, ...]] = field(default_factory=dict)
    entries: int = 0


def i13(memory: Memory) -> None:
    """A clock's rule and version never change after its start; new law takes its place only on record."""
    rows: dict[object, tuple[Any, ...]] = {
        row.pk: tuple(getattr(row, name) for name in _FIXED) for row in Clock.objects.all()
    }
    for pk, before in memory.clocks.items():
        assert rows.get(pk) == before, f"I13: clock {pk} was {before}, is {rows.get(pk)}"
    for _, leaf in leaves(EventType.CLOCK_REPLACED):
        new = rules.rule(leaf["facts"]["new_rule"], leaf["facts"]["new_rule_pack"])
        assert new.applies_to_pending and new.supersedes, f"I13: {new.id} reached a clock without saying so"
    memory.clocks = rows


def past_stays(memory: Memory) -> None:
    """I9: events of consent are only ever added; and the log only grows."""
    rows: dict[object, tuple[Any, ...]] = {
        event.pk: (event.kind, event.purposes, event.signed_sha256, event.created_at)
        for consent in Consent.objects.prefetch_related("events")
        for event in consent.events.all()
    }
    assert all(rows.get(pk) == before for pk, before in memory.events.items()), "I9: the past of a consent changed"
    count = Entry.objects.count()
    assert count >= memory.entries, "I12: the log lost an entry"
    memory.events, memory.entries = rows, count


def i14() -> None:
    """Every deadline recomputes identically from what its own row holds, with the time zone data named."""
    for clock in Clock.objects.all():
        again = json.loads(json.dumps(clock.inputs))
        assert again["format"] == "assay-clock/1" and clock.trace, f"I14: {clock.pk} holds no inputs"
        assert clocks.recompute(clock) == clock.due_at, f"I14: {clock.rule_id} is due {clock.due_at}, not again"


def i15() -> None:
    """The law of one country limits what is done to that place; of what is still to do, the shortest clock drives."""
    for decision in effective():
        cited = [rules.rule(ref["id"], ref["pack"]) for ref in decision.rule_refs]
        places = {rule.jurisdiction for rule in cited}
        if places & {"*", "EU"} or {decision.outcome, *decision.also} <= {"no_action", "label"}:
            continue
        assert decision.territory, f"I15: {decision.pk} under the law of {places} holds everywhere"
        assert all(set(rules.widen([one])) & places for one in decision.territory), f"I15: {decision.pk}, {places}"
    for case in Case.objects.all():
        first = _still_to_do(case)
        assert case.next_due_at == (first and first.due_at), f"I15: {case} is queued by {case.next_due_at}, not {first}"
        if case.asset_id and case.state in Case.UNDECIDED:
            suggestion = decisions.suggest_interim(case)
            assert (suggestion and suggestion.due_at) == case.next_due_at, f"I15: {case} follows another clock"


def _still_to_do(case: Case) -> Clock | None:
    """Of the deadlines to decide that began since the case was last decided, the one that is, or was, due first. One
    that began before its notice was withdrawn, or found unfounded, is not to be kept any more.
    """
    judged = case.decisions.filter(interim=False).exclude(starts_at=None)
    if case.state not in Case.UNDECIDED:
        return None
    last = judged.order_by("-starts_at").values_list("starts_at", flat=True).first()
    due = case.clocks.filter(purpose="decide", due_at__isnull=False, state__in=("running", "breached"))
    since = due.filter(started_at__gte=last) if last else due
    over = dict(_ended_notices())
    ordered = since.order_by("due_at", "rule_id")
    return next((one for one in ordered if one.started_at >= over.get(str(one.notice_id), one.started_at)), None)


def _ended_notices() -> Iterator[tuple[str, dt.datetime]]:
    for kind in (EventType.NOTICE_UNFOUNDED, EventType.NOTICE_WITHDRAWN):
        yield from ((leaf["facts"]["notice"], at) for at, leaf in leaves(kind))


def i16() -> None:
    """An incomplete notice starts no clock of a law that misses something, but one for asking."""
    for notice in Notice.objects.filter(filer__erased_at=None).select_related("filer", "asset", "flagger"):
        asking = notice.clocks.filter(purpose=Clock.Purpose.ASK)
        if notice.state == Notice.State.INCOMPLETE:
            assert asking.exists(), f"I16: {notice} waits, and no clock says until when"
        elif notice.state == Notice.State.VALID:
            assert not asking.filter(state=Clock.State.RUNNING).exists(), f"I16: {notice} is asked for nothing"
        given, started = notices.contents(notice), set(notice.clocks.values_list("rule_id", flat=True))
        for law in guided.laws(notice, notice.created_at):
            lacks = guided.lacking(law, notice, given)
            assert not lacks or law.rule.id not in started, f"I16: {law.rule.id} runs for {notice} without {lacks}"


def i17() -> None:
    """A work is restored under 512(g) not before business day 10 and not after 14; restored, it is there again."""
    for row in CounterNotice.objects.exclude(earliest_restore=None):
        received = row.clocks.get(purpose=Clock.Purpose.RESTORE, rule_id="us.dmca.512.g").started_at
        assert (row.earliest_restore, row.latest_restore) == (_business(received, 10), _business(received, 14)), (
            f"I17: {row.pk} received {received} comes back {row.earliest_restore} to {row.latest_restore}"
        )
    for row in CounterNotice.objects.filter(state=CounterNotice.State.RESTORED).select_related("decision"):
        assert row.earliest_restore and row.ended_at and row.latest_restore
        late = row.ended_at > row.latest_restore and not row.actions  # what was told kept it away for a while
        assert row.earliest_restore <= row.ended_at and not late, f"I17: {row.pk} came back {row.ended_at}"
        before = Action.objects.filter(decision__case=row.decision.case_id, created_at__lte=row.ended_at)
        away = before.filter(kind__in=("hidden", "geo_restricted"), state=Action.State.EXECUTED)
        assert not away.exists(), f"I17: {row.pk} says “restored”, and {away.first()} keeps the work away"


def _business(start: dt.datetime, days: int) -> dt.datetime:
    """The same time of day so many days later on which offices in Washington work."""
    at = start
    while days:
        at += dt.timedelta(days=1)
        days -= at.weekday() < 5 and at.date() not in HOLIDAYS
    return at
