"""Clocks: computed once by a dated rule when their event happens, then met, missed or void. Never recomputed (I13)."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from core.clock import now
from core.states import move
from ledger import log
from ledger.events import EventType
from policy import rules
from policy.models import Appeal, Case, Clock

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


def start(
    purpose: Clock.Purpose,
    facts: Mapping[str, Any],
    events: Collection[str],
    *,
    at: dt.datetime | None = None,
    only: Collection[str] | None = None,
    **on: Any,
) -> list[Clock]:
    """Start the clocks that `events` start under `facts` (policy.rules.FACTS). `on`: the rows they belong to.

    only: rule ids to start, all by default.
    """
    begun, pack = at or now(), rules.pack().digest
    computed = [clock for clock in rules.due(facts, begun, events=events) if only is None or clock.rule_id in only]
    return Clock.objects.bulk_create(
        [
            Clock(
                purpose=purpose,
                rule_id=clock.rule_id,
                instrument=clock.instrument,
                article=clock.article,
                jurisdiction=clock.jurisdiction,
                pack=pack,
                legal_status=clock.status,
                started_at=begun,
                due_at=clock.due_at,
                trace=clock.trace,
                **on,
            )
            for clock in computed
        ]
    )


def end(running: QuerySet[Clock], state: Clock.State) -> int:
    """End clocks that still run. Those already missed stay missed. Returns how many ended."""
    return running.filter(state=Clock.State.RUNNING).update(state=state, ended_at=now())


def next_due(clocks: Iterable[Clock]) -> Clock | None:
    """The running (or missed) clock that is due first."""
    waiting = [c for c in clocks if c.due_at and c.state in (Clock.State.RUNNING, Clock.State.BREACHED)]
    return min(waiting, key=lambda clock: clock.due_at or now(), default=None)


def strike() -> int:
    """What the hour does: overdue clocks are missed, appeal windows that ran out close their case.

    Returns how many clocks ended. Run by beat; each row by a conditional update, so two strikes do no harm.
    """
    overdue = Clock.objects.filter(state=Clock.State.RUNNING, due_at__lt=now())
    ours = overdue.exclude(purpose__in=(Clock.Purpose.APPEAL, Clock.Purpose.ASK))
    missed = sum(_miss(clock) for clock in ours.select_related("case", "entry").order_by("due_at")[:500])
    lapsed = overdue.filter(purpose=Clock.Purpose.ASK).update(state=Clock.State.VOID, ended_at=now())
    return missed + lapsed + _close_windows()


@transaction.atomic
def _miss(clock: Clock) -> bool:
    """The deadline is missed, in the row and in the log. False when somebody met it a moment ago."""
    if not Clock.objects.filter(pk=clock.pk, state=Clock.State.RUNNING).update(
        state=Clock.State.BREACHED, ended_at=now()
    ):
        return False
    log.append(
        EventType.CLOCK_MISSED,
        actor="system",
        role="system",
        object=clock.case.object if clock.case else f"request:{clock.data_request_id}",
        refs=[clock.entry] if clock.entry else [],
        facts={
            "clock": str(clock.pk),
            "purpose": clock.purpose,
            "rule": clock.rule_id,
            "rule_pack": clock.pack,
            "due_at": clock.due_at.isoformat() if clock.due_at else None,
        },
    )
    return True


def _close_windows() -> int:
    ended = 0
    for clock in Clock.objects.filter(
        state=Clock.State.RUNNING, purpose=Clock.Purpose.APPEAL, due_at__lt=now()
    ).select_related("decision__case")[:500]:
        with transaction.atomic():
            ended += end(Clock.objects.filter(pk=clock.pk), Clock.State.VOID)
            if clock.decision is not None:
                close_if_quiet(clock.decision.case)
    return ended


def close_if_quiet(case: Case) -> None:
    """Close a decided case when no appeal is open and no window to appeal runs. Run inside the verb's transaction."""
    appeals = Appeal.objects.filter(decision__case=case, state=Appeal.State.FILED)
    windows = Clock.objects.filter(case=case, purpose=Clock.Purpose.APPEAL, state=Clock.State.RUNNING)
    if case.state == Case.State.DECIDED and not appeals.exists() and not windows.exists():
        move(case, Case.MOVES, Case.State.CLOSED, closed_at=now())
        refs = [case.entry] if case.entry else []
        log.append(EventType.CASE_CLOSED, actor="system", role="system", object=case.object, refs=refs)
