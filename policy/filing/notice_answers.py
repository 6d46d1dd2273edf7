"""How a decision answers the notices of its case, and flags that a notice disputed."""

from core.states import move
from ledger import log
from ledger.events import EventType
from policy.filing import flags
from policy.models import Case, Decision, Flag, Notice


def answered(case: Case, decision: Decision) -> None:
    """Every notice that waits is answered; its outcome follows from what the decision does, and changes when it is
    reversed. Run inside the decision's transaction.

    A notice that a flag is wrong is accepted when nothing is restricted, every other one when something is.
    """
    if decision.interim:
        return
    restricts = decision.outcome != Decision.Outcome.NO_ACTION and decision.state != Decision.State.REVERSED
    rows = case.notices.filter(state__in=(*Notice.WAITING, Notice.State.ANSWERED))
    for notice in rows.select_related("filer", "flag__entry", "entry"):
        _answer(notice, decision, accepted=restricts != (notice.kind == Notice.Kind.FALSE_POSITIVE))


def _answer(notice: Notice, decision: Decision, *, accepted: bool) -> None:
    outcome = Notice.Outcome.ACCEPTED if accepted else Notice.Outcome.DECLINED
    if notice.state == Notice.State.ANSWERED:
        if notice.outcome == outcome:
            return
        Notice.objects.filter(pk=notice.pk, state=Notice.State.ANSWERED).update(outcome=outcome)
        notice.outcome = outcome
    else:
        move(notice, Notice.MOVES, Notice.State.ANSWERED, outcome=outcome)
    log.append(
        EventType.NOTICE_ANSWERED,
        actor="system",
        role="system",
        object=decision.case.object,
        refs=[row.entry for row in (decision, notice) if row.entry is not None],
        facts={"notice": str(notice.pk), "decision": str(decision.pk), "outcome": outcome.value},
    )
    if notice.flag is not None:
        flags.settle_one(notice.flag, Flag.State.CLEARED if accepted else Flag.State.CONFIRMED, by=decision.decider)
