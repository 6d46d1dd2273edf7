"""The dialogue in an appeal: a question with a deadline, an answer, and what happens when none comes."""

from collections.abc import Sequence
from typing import Final

from django.core.files.base import File
from django.db import transaction

from accounts.models import User
from core import beat, jobs
from core.clock import now
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from policy import authority
from policy.deciding.decision_checks import facts_of
from policy.law import clocks
from policy.models import Appeal, AppealMessage, Clock
from policy.redress import appeal_thread
from policy.redress.appeal_thread import checked

QUESTION: Final = frozenset({"appeal_question_asked"})
# Why the clock for our own answer rests meanwhile, where its rule lets it.
WAITS: Final = "awaiting_information"


def ask(appeal: Appeal, hearer: User, text: str) -> AppealMessage:
    """The hearer asks the appellant something; the deadline for an answer starts, and our own rests.

    Raises Forbidden unless `hearer` has taken the appeal, Conflict while another question waits, Problem with `errors`.
    """
    authority.may_decide_appeal(appeal, hearer)
    if appeal.assigned_to_id != hearer.pk:
        raise Forbidden("Take the appeal first: only its hearer asks questions.", code="appeal.not_yours")
    text = checked(text, needed=True)
    with transaction.atomic():
        message = appeal_thread.write(appeal, by=hearer, text=text)
        move(appeal, Appeal.MOVES, Appeal.State.WAITING)
        _start_clocks(message)
        _rest(appeal, hearer)
        jobs.enqueue("policy.deliver_question", appeal=str(appeal.pk))
    return message


def _start_clocks(message: AppealMessage) -> None:
    decision = message.appeal.decision
    facts = {**facts_of(decision), "channel": "appeal"}
    begun = clocks.start(
        Clock.Purpose.MESSAGE,
        facts,
        QUESTION,
        case=decision.case,
        appeal=message.appeal,
        message=message,
        entry=message.entry,
    )
    message.asks_until = max((clock.due_at for clock in begun if clock.due_at), default=None)
    message.save(update_fields=["asks_until"])


def answer(appeal: Appeal, text: str, files: "Sequence[File[bytes]]" = ()) -> AppealMessage:
    """The appellant answers, or adds something unasked. `appeal` comes from `appeals.appeal_for`.

    Raises Conflict once it is decided or withdrawn, Problem with `errors`.
    """
    if appeal.state not in Appeal.UNDECIDED:
        raise Conflict(f"This appeal is {appeal.get_state_display()}; nothing can be added.", code="appeal.decided")
    text = checked(text, needed=not files)
    with transaction.atomic():
        message = appeal_thread.write(appeal, by=None, text=text, files=files)
        if appeal.state == Appeal.State.WAITING:
            move(appeal, Appeal.MOVES, Appeal.State.ASSIGNED)
            clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.MESSAGE), Clock.State.MET)
            _go_on(appeal)
    return message


def lapse() -> int:
    """Questions whose deadline passed: the hearer goes on without an answer. Run by beat. Returns how many."""
    overdue = Clock.objects.filter(purpose=Clock.Purpose.MESSAGE, state=Clock.State.RUNNING, due_at__lt=now())
    return beat.each(overdue.select_related("appeal__decision__case")[:500], _lapse)


def _lapse(clock: Clock) -> bool:
    appeal = clock.appeal
    if appeal is None or not clocks.end(Clock.objects.filter(pk=clock.pk), Clock.State.VOID):
        return False
    if appeal.state == Appeal.State.WAITING:
        move(appeal, Appeal.MOVES, Appeal.State.ASSIGNED)
        log.append(
            EventType.APPEAL_ASSIGNED,
            actor="system",
            role="system",
            object=appeal.decision.case.object,
            refs=[clock.entry] if clock.entry else [],
            facts={"appeal": str(appeal.pk), "how": "no_answer"},
        )
        _go_on(appeal)
    return True


def stop_waiting(appeal: Appeal) -> None:
    """The appeal goes to another hearer: nobody waits for the answer any more; what comes is read all the same. In the
    caller's transaction, whose entry says so.
    """
    if appeal.state == Appeal.State.WAITING:
        move(appeal, Appeal.MOVES, Appeal.State.ASSIGNED)
        clocks.end(appeal.clocks.filter(purpose=Clock.Purpose.MESSAGE), Clock.State.VOID)
        _go_on(appeal)


def _rest(appeal: Appeal, hearer: User) -> None:
    running = appeal.clocks.filter(purpose=Clock.Purpose.ANSWER_APPEAL, state=Clock.State.RUNNING)
    for clock in running:
        if WAITS in (clock.inputs.get("clock", {}).get("pause") or ()):
            clocks.pause(clock, WAITS, by=hearer)


def _go_on(appeal: Appeal) -> None:
    for clock in appeal.clocks.filter(purpose=Clock.Purpose.ANSWER_APPEAL, state=Clock.State.PAUSED):
        clocks.resume(clock)
