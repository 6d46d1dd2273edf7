"""Clocks: computed once by a dated rule when their event happens, then met, missed or void.

A running clock keeps its rule and its pack (I13). It moves only as its rule lets it: it rests while we wait for others,
it is extended once, and a new law that says it reaches pending matters takes its place, on record.
"""

import datetime as dt
import itertools
import uuid
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, TruncHour

from accounts.models import Role, User
from accounts.people import leading_role
from core import beat
from core.clock import now
from core.problems import Conflict, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy.deciding import outcomes
from policy.law import rule_packs, rules
from policy.models import Appeal, Case, Clock, Decision, Notice
from policy.models.cases import NO_DEADLINE
from policy.rulebook import computing, dates
from policy.rulebook.computing import ComputedClock
from policy.rulebook.rows import PAUSES, Rule

# The events of the rules that each thing we do starts. An event starts its own clocks and no others.
NOTICE = frozenset(
    {
        "notice_submitted",
        "complaint_received",
        "complaint_by_individual_or_on_behalf",
        "complaint_to_provider",
        "valid_notice_received",
        "valid_removal_request_received",
    }
)
ASK = frozenset({"information_asked"})
DECISION = frozenset({"recipient_informed_of_decision"})
RESTRICTION = frozenset({"restriction_imposed"})
APPEAL = frozenset({"appeal_filed"})
DATA_REQUEST = frozenset({"dsr_received"})
BREACH = frozenset({"breach_aware"})
COUNTER_NOTICE = frozenset({"counter_notice_received"})
OUT_OF_COURT = frozenset({"complaint_received_by_certified_body"})
ORDER = frozenset({"order_received", "court_or_government_order_received", "esafety_removal_notice_given"})

# Why more time is taken, where a rule gives it: a closed list, because a reason is shown and logged.
EXTENSIONS: Final[Mapping[str, str]] = {
    "complex": "the matter is complex",
    "many_requests": "there are many requests at once",
    "allowed": "the authority or body allowed it",
}
# Time that somebody else has, and nobody misses: it lapses. Who owns them ends them; those of APPEAL and ASK end here.
THEIRS: Final = (
    *(Clock.Purpose.APPEAL, Clock.Purpose.ASK, Clock.Purpose.MESSAGE),
    *(Clock.Purpose.OUT_OF_COURT, Clock.Purpose.FINAL),
)
# Under which role somebody moves a deadline: the first of these they hold.
WORKERS: Final = (Role.LEAD_REVIEWER, Role.REVIEWER, Role.LEGAL, Role.OPERATOR)
# The rows that a clock can belong to; the first that is there names it in the log.
OWNERS: Final = ("case", "data_request", "breach", "notice", "decision", "appeal", "counter_notice", "message")
# What drives the queue: it runs, or was missed and what it is for is still not done.
DRIVES: Final = Q(state=Clock.State.RUNNING) | Q(state=Clock.State.BREACHED, settled_at=None)
Pk = uuid.UUID | str | None


def start(
    purpose: Clock.Purpose,
    facts: Mapping[str, Any],
    events: Collection[str],
    *,
    at: dt.datetime | None = None,
    only: Collection[str] | None = None,
    **on: Any,
) -> list[Clock]:
    """Start the clocks that `events` start under `facts` (policy.law.rules.FACTS). `on`: the rows they belong to.

    only: rule ids to start, all by default. Run inside the verb's transaction, whose entry accounts for the rows.
    """
    begun = at or now()
    book = rules.pack(begun)
    computed = [clock for clock in book.due(facts, begun, events) if only is None or clock.rule_id in only]
    if computed:
        rule_packs.keep(book)
    made = Clock.objects.bulk_create([_clock(clock, begun, purpose, on) for clock in computed])
    if purpose == Clock.Purpose.DECIDE:
        note_next({clock.case_id for clock in made})
    return made


def _clock(computed: ComputedClock, begun: dt.datetime, purpose: str, on: Mapping[str, Any]) -> Clock:
    return Clock(
        purpose=purpose,
        rule_id=computed.rule_id,
        instrument=computed.instrument,
        article=computed.article,
        jurisdiction=computed.jurisdiction,
        pack=computed.pack,
        legal_status=computed.status,
        started_at=begun,
        not_before=computed.not_before,
        due_at=computed.due_at,
        trace=computed.trace,
        inputs=computed.inputs,
        **on,
    )


def end(running: QuerySet[Clock], state: Clock.State) -> int:
    """End clocks that still run or rest. Those already missed stay missed, and are settled: what they were for is done,
    or not needed any more, and they drive nothing. Returns how many ended.
    """
    rows = list(running.filter(DRIVES | Q(state=Clock.State.PAUSED)).values_list("pk", "state", "purpose", "case_id"))
    late = [pk for pk, was, _, _ in rows if was == Clock.State.BREACHED]
    if late:
        Clock.objects.filter(pk__in=late, settled_at=None).update(settled_at=now())
    alive = Clock.objects.filter(pk__in=[row[0] for row in rows], state__in=(Clock.State.RUNNING, Clock.State.PAUSED))
    ended = alive.update(state=state, ended_at=now()) if len(rows) > len(late) else 0
    note_next({case for _, _, purpose, case in rows if purpose == Clock.Purpose.DECIDE})
    return ended


def next_due(clocks: Iterable[Clock]) -> Clock | None:
    """The clock that is due first, of those that run or were missed and not settled yet."""
    missed = Clock.State.BREACHED
    waiting = [c for c in clocks if c.state == Clock.State.RUNNING or (c.state == missed and not c.settled_at)]
    return min((c for c in waiting if c.due_at), key=lambda clock: clock.due_at or now(), default=None)


def note_next(cases: Iterable[Pk]) -> None:
    """Write beside each case which clock to decide is due first: the queue is ordered by it. One UPDATE for all.

    Cases that a trusted flagger reported come first within their hour (DSA 22): theirs is a minute earlier.
    """
    ids = {pk for pk in cases if pk is not None}
    if not ids:
        return
    first = Clock.objects.filter(
        DRIVES, case=OuterRef("pk"), purpose=Clock.Purpose.DECIDE, due_at__isnull=False
    ).order_by("due_at", "rule_id")
    due_at = Subquery(first.values("due_at")[:1], output_field=models.DateTimeField(null=True))
    flagged = Exists(Notice.objects.filter(case=OuterRef("pk"), flagger__isnull=False))
    ahead = models.Case(models.When(flagged, then=Value(dt.timedelta(minutes=1))), default=Value(dt.timedelta()))
    hour = Coalesce(TruncHour(due_at, tzinfo=dt.UTC), Value(NO_DEADLINE))
    Case.objects.filter(pk__in=ids).update(
        next_due_at=due_at,
        next_rule_id=Coalesce(Subquery(first.values("rule_id")[:1]), Value("")),
        queue_at=models.ExpressionWrapper(hour - ahead, output_field=models.DateTimeField()),
    )


# --- Moving a deadline, as its rule allows -------------------------------------------------------------------------


def recompute(clock: Clock) -> dt.datetime | None:
    """The deadline again, from what the row holds alone (I14)."""
    return _replay(clock).due_at


def _replay(clock: Clock, **moved: Any) -> computing.Due:
    return computing.replay({**clock.inputs, "pauses": clock.pauses, "extension": clock.extension, **moved})


def pause(clock: Clock, reason: str, *, by: User | None = None) -> None:
    """Let a clock rest, where its rule allows this reason (one of PAUSES). Raises Problem with `errors`, Conflict."""
    allowed = clock.inputs.get("clock", {}).get("pause") or ()
    if reason not in PAUSES:
        raise invalid({"reason": [f"One of: {', '.join(PAUSES)}."]})
    if reason not in allowed:
        raise Conflict(f"{clock.rule_id} gives no leave to rest because {PAUSES[reason]}.", code="clock.no_pause")
    at = now()
    pauses = [*clock.pauses, {"from": at.isoformat(), "to": None, "reason": reason}]
    trace = [*clock.trace, f"It rests from {dates.moment(at)}: {PAUSES[reason]}."]
    with transaction.atomic():
        move(clock, Clock.MOVES, Clock.State.PAUSED, pauses=pauses, trace=trace)
        _record(EventType.CLOCK_PAUSED, clock, by, reason=reason)
        _note(clock)


def resume(clock: Clock, *, by: User | None = None) -> None:
    """Let it run on; the time it rested is added to the deadline. Raises Conflict."""
    if clock.state != Clock.State.PAUSED:
        raise Conflict(f"This clock is “{clock.get_state_display()}” and does not rest.", code="state.move")
    at = now()
    pauses = [*clock.pauses[:-1], {**clock.pauses[-1], "to": at.isoformat()}]
    due = _replay(clock, pauses=pauses)
    moved = f", the deadline moves to {dates.moment(due.due_at)}" if due.due_at else ""
    trace = [*clock.trace, f"It runs on from {dates.moment(at)}{moved}."]
    with transaction.atomic():
        to: dict[str, Any] = {"pauses": pauses, "due_at": due.due_at, "not_before": due.not_before, "trace": trace}
        move(clock, Clock.MOVES, Clock.State.RUNNING, **to)
        _record(EventType.CLOCK_RESUMED, clock, by)
        _note(clock)


def extend(clock: Clock, reason: str, *, by: User | None = None) -> None:
    """Take the further time that the rule gives once (GDPR 12(3)), before the first has run out.

    reason: one of EXTENSIONS. Raises Problem with `errors`, Conflict.
    """
    _may_extend(clock, reason)
    due = _replay(clock, extension={"reason": reason})
    assert due.due_at is not None
    extension = {"reason": reason, "at": now().isoformat(), "until": due.due_at.isoformat()}
    trace = [*clock.trace, f"Extended once, to {dates.moment(due.due_at)}: {EXTENSIONS[reason]}."]
    with transaction.atomic():
        # Conditional on the deadline this process read, so that of two who extend one is told.
        still = Clock.objects.filter(pk=clock.pk, state=clock.state, due_at=clock.due_at)
        to = {"due_at": due.due_at, "not_before": due.not_before, "extension": extension, "trace": trace}
        if not still.update(**to):
            raise Conflict("This clock was changed by somebody else a moment ago.", code="state.race")
        for name, value in to.items():
            setattr(clock, name, value)
        _record(EventType.CLOCK_EXTENDED, clock, by, reason=reason)
        _note(clock)


def _may_extend(clock: Clock, reason: str) -> None:
    if reason not in EXTENSIONS:
        raise invalid({"reason": [f"One of: {', '.join(EXTENSIONS)}."]})
    if not clock.inputs.get("clock", {}).get("extension"):
        raise Conflict(f"{clock.rule_id} gives no further time.", code="clock.no_extension")
    if clock.extension:
        raise Conflict("It was extended before, and can be only once.", code="clock.extended")
    if clock.state not in (Clock.State.RUNNING, Clock.State.PAUSED):
        raise Conflict(f"This clock is “{clock.get_state_display()}”.", code="state.move")


def _note(clock: Clock) -> None:
    if clock.purpose == Clock.Purpose.DECIDE:
        note_next([clock.case_id])


# --- What the hour does --------------------------------------------------------------------------------------------


def miss() -> int:
    """What is ours to keep and is overdue is missed. Returns how many clocks. Run by beat, as what follows: each row by
    a conditional update, so that two at once do no harm.
    """
    ours = _overdue().exclude(purpose__in=THEIRS)
    return beat.each(_first(ours), partial(_run_out, state=Clock.State.BREACHED, kind=EventType.CLOCK_MISSED))


def lapse() -> int:
    """Questions that nobody answered in time wait no more. Returns how many clocks ended. Run by beat."""
    asked = _overdue().filter(purpose=Clock.Purpose.ASK)
    return beat.each(_first(asked), partial(_run_out, state=Clock.State.VOID, kind=EventType.CLOCK_LAPSED))


def close_windows() -> int:
    """Appeal windows that ran out close their case. Returns how many clocks ended. Run by beat."""
    windows = _overdue().filter(purpose=Clock.Purpose.APPEAL).select_related("decision__case")
    return beat.each(windows[:500], _close_window)


def _overdue() -> QuerySet[Clock]:
    return Clock.objects.filter(state=Clock.State.RUNNING, due_at__lt=now())


def _first(overdue: QuerySet[Clock]) -> QuerySet[Clock]:
    return overdue.select_related("case", "entry").order_by("due_at")[:500]


def _run_out(clock: Clock, state: Clock.State, kind: EventType) -> bool:
    """The deadline is past, in the row and in the log. False when somebody met it a moment ago."""
    if not Clock.objects.filter(pk=clock.pk, state=Clock.State.RUNNING).update(state=state, ended_at=now()):
        return False
    due_at = clock.due_at.isoformat() if clock.due_at else None
    _record(kind, clock, None, purpose=clock.purpose, due_at=due_at)
    _note(clock)
    return True


def _close_window(clock: Clock) -> bool:
    ended = end(Clock.objects.filter(pk=clock.pk), Clock.State.VOID)
    if clock.decision is not None:
        close_if_quiet(clock.decision.case)
    return bool(ended)


def close_if_quiet(case: Case) -> None:
    """Close a decided case when nobody can be heard about it any more, and what was overturned is undone completely
    (I4). Run inside the verb's transaction.
    """
    overturned = case.decisions.filter(state=Decision.State.REVERSED)
    if any(outcomes.standing(decision) for decision in overturned):
        return
    if case.state == Case.State.DECIDED and not still_heard(case):
        move(case, Case.MOVES, Case.State.CLOSED, closed_at=now())
        refs = [case.entry] if case.entry else []
        log.append(EventType.CASE_CLOSED, actor="system", role="system", object=case.object, refs=refs)


def still_heard(case: Case) -> bool:
    """Whether an appeal about the case is heard or can still go on (`Appeal.OPEN`), or somebody may still appeal."""
    windows = Clock.objects.filter(case=case, purpose=Clock.Purpose.APPEAL, state=Clock.State.RUNNING)
    if windows.filter(due_at__gte=now()).exists():
        return True
    return Appeal.objects.filter(Appeal.OPEN, decision__case=case).exists()


def reach_pending() -> int:
    """New law that says so (`applies_to_pending`) takes the place of the clocks of the rule it supersedes (I13).

    Returns how many clocks were replaced. Run by beat.
    """
    at, replaced = now(), 0
    for rule in rules.pack(at).rules:
        if rule.applies_to_pending and rule.supersedes and rule.in_force(at.date()):
            old = Clock.objects.filter(state__in=(Clock.State.RUNNING, Clock.State.PAUSED), rule_id=rule.supersedes)
            replaced += beat.each(_reached(old, rule), partial(_replace, rule=rule))
    return replaced


def _reached(old: QuerySet[Clock], rule: Rule) -> list[Clock]:
    """At most 500 clocks that the rule takes the place of, however many came first that it is not about."""
    about = (
        clock
        for clock in old.select_related("case", "entry").order_by("pk").iterator(500)
        if rule.matches(rules.complete(clock.inputs.get("facts", {})))
    )
    return list(itertools.islice(about, 500))


def _replace(clock: Clock, rule: Rule) -> None:
    assert rule.effective_from is not None
    # No duty is older than the law it comes from.
    begun = max(clock.started_at, dt.datetime.combine(rule.effective_from, dt.time(), dt.UTC))
    facts = rules.complete(clock.inputs.get("facts", {}))
    computed = computing.compute(rule, rules.version(rule.pack).calendars, facts, begun, clock.inputs["events"])
    computed.trace.append(f"It takes the place of {clock.rule_id}: the new rule reaches pending matters.")
    was = clock.state
    move(clock, Clock.MOVES, Clock.State.VOID, ended_at=now())
    entry = _record(EventType.CLOCK_REPLACED, clock, None, {"new_rule": rule.id, "new_rule_pack": rule.pack})
    on = {f"{name}_id": getattr(clock, f"{name}_id") for name in OWNERS}
    new = _clock(computed, begun, clock.purpose, {**on, "entry": entry})
    _carry_over(clock, new, rests=was == Clock.State.PAUSED)
    new.save(force_insert=True)
    _note(clock)


def _carry_over(old: Clock, new: Clock, *, rests: bool) -> None:
    """As far as the new rule allows: since it began, the old clock rested, still does, or was given more time."""
    allowed = new.inputs["clock"].get("pause") or ()
    moment = dt.datetime.fromisoformat
    lasted = [one for one in old.pauses if not one["to"] or moment(one["to"]) > new.started_at]
    new.pauses = [
        {**one, "from": max(moment(one["from"]), new.started_at).isoformat()}
        for one in lasted
        if one["reason"] in allowed
    ]
    if rests and new.pauses and not new.pauses[-1]["to"]:
        new.state = Clock.State.PAUSED
    if old.extension and new.inputs["clock"].get("extension"):
        new.extension = dict(old.extension)
    if new.pauses or new.extension:
        new.due_at, new.not_before = _replay(new)
        new.trace = [*new.trace, "What it rested, and the time it was given once, are carried over."]
    if new.extension and new.due_at:
        new.extension["until"] = new.due_at.isoformat()


def _record(
    kind: EventType, clock: Clock, by: User | None, about: Mapping[str, Any] = MappingProxyType({}), **more: Any
) -> Any:
    return log.append(
        kind,
        actor=by.actor if by else "system",
        role=leading_role(by, *WORKERS) if by else "system",
        object=_object(clock),
        refs=[clock.entry] if clock.entry else [],
        facts={"clock": str(clock.pk), **more},
        # Which law runs in a case would say what somebody reported about a work.
        sealed={"about": Sealed({"rule": clock.rule_id, "rule_pack": clock.pack, **about}, _object(clock))},
    )


def _object(clock: Clock) -> str:
    names = {"data_request": "request"}
    held = ((names.get(name, name), getattr(clock, f"{name}_id")) for name in OWNERS)
    return next((f"{name}:{pk}" for name, pk in held if pk), f"clock:{clock.pk}")
