"""How a notice ends before a decision: its filer withdraws it, or a reviewer calls it manifestly unfounded.

Unfounded is said with a reason from a list, told to the filer, and contested by one click: then somebody else looks.
"""

from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core import jobs
from core.problems import Conflict
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority, cases, clocks, hashlist, misuse, notices, people
from policy.models import Case, Clock, Misuse, Notice, Recusal
from policy.notice_checks import refuse_fields


def withdraw(notice: Notice) -> Notice:
    """The filer takes the notice back; nothing runs for it any more. The case stays: a reviewer says what becomes of
    it. Raises Conflict for a notice that is over.
    """
    with transaction.atomic():
        move(notice, Notice.MOVES, Notice.State.WITHDRAWN)
        log.append(
            EventType.NOTICE_WITHDRAWN,
            actor=notice.filer.actor,
            role="notifier",
            object=notice.case.object,
            refs=[notice.entry] if notice.entry else [],
            facts={"notice": str(notice.pk)},
        )
        _stop(notice)
    return notice


def unfounded(notice: Notice, by: User, why: str) -> Notice:
    """`by`, who has the case, finds the notice manifestly unfounded (DSA 23(2)). It counts for misuse.

    why: of Notice.Unfounded. Raises Forbidden for who does not have the case, Conflict, Problem with `errors`.
    """
    authority.may(by, authority.Act.JUDGE_NOTICE)
    authority.in_hand(notice.case, by)
    if why not in Notice.Unfounded.values or not why:
        refuse_fields({"why": "Choose from the list."})
    with transaction.atomic():
        move(notice, Notice.MOVES, Notice.State.UNFOUNDED, unfounded_for=why, unfounded_by=by)
        log.append(
            EventType.NOTICE_UNFOUNDED,
            actor=by.actor,
            role=reviewing_role(by),
            object=notice.case.object,
            refs=[notice.entry] if notice.entry else [],
            facts={"notice": str(notice.pk), "why": why},
        )
        _stop(notice)
        jobs.enqueue("policy.tell_notice", notice=str(notice.pk), about="unfounded")
        misuse.observe(notice.account or notice.filer, Misuse.Kind.NOTICES)
    return notice


def contest(notice: Notice, grounds: str) -> Notice:
    """The filer says that the notice is not unfounded. It counts again at once, its clocks start anew, and who called
    it unfounded never gets the case. Raises Conflict once the case is decided: then the decision is appealed.
    """
    grounds = grounds.strip()
    refuse_fields({} if 10 <= len(grounds) <= 5000 else {"grounds": "Between 10 and 5,000 characters."})
    case = notice.case
    if case.state not in Case.UNDECIDED or case.state == Case.State.PROPOSED:
        raise Conflict(
            "The case is decided, or with a second person.",
            code="notice.decided",
            next_step="Appeal the decision; your statement of reasons says how.",
        )
    with transaction.atomic():
        people.refuse_erased(notice.filer)
        move(notice, Notice.MOVES, Notice.State.VALID, unfounded_for=Notice.Unfounded.NONE)
        _give_to_somebody_else(notice)
        notices.heard_again(notice, grounds)
        misuse.recount(notice.account or notice.filer, Misuse.Kind.NOTICES)
    return notice


def _give_to_somebody_else(notice: Notice) -> None:
    case, judge = notice.case, notice.unfounded_by
    if judge is None or Recusal.objects.filter(case=case, reviewer=judge).exists():
        return
    held = case.assigned_to_id == judge.pk
    if held:
        move(case, Case.MOVES, Case.State.OPEN, assigned_to=None)
    entry = log.append(
        EventType.CASE_RECUSED,
        actor="system",
        role="system",
        object=case.object,
        refs=[case.entry] if case.entry else [],
        facts={"held": held},
        sealed={"why": Sealed(Recusal.Why.CONFLICT.value, judge.actor)},
    )
    Recusal.objects.create(case=case, reviewer=judge, why=Recusal.Why.CONFLICT, entry=entry)


def _stop(notice: Notice) -> None:
    """Its clocks run no more, and its digests are off the list for good (I23), also when it is contested."""
    clocks.end(notice.clocks.all(), Clock.State.VOID)
    hashlist.withdraw(notice.hash_entries.all())
    cases.touch(notice.case)
