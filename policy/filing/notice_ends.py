"""How a notice ends before a decision: its filer withdraws it, or a reviewer calls it manifestly unfounded.

Unfounded is said with a reason from a list, told to the filer, and contested once, by one click: then the notice counts
again, and only somebody else may call it unfounded a second time.
"""

from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core import jobs
from core.clock import now
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.deciding import hashlist
from policy.desk import cases
from policy.filing import misuse, notices
from policy.filing.notice_checks import refuse_fields
from policy.law import clocks
from policy.models import Case, Clock, Misuse, Notice
from policy.rights import people


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

    why: of Notice.Unfounded. Raises Forbidden for who does not have the case, or said so before it was contested;
    Conflict, Problem with `errors`.
    """
    authority.may(by, authority.Act.JUDGE_NOTICE)
    authority.in_hand(notice.case, by)
    if why not in Notice.Unfounded.values or not why:
        refuse_fields({"why": "Choose from the list."})
    with transaction.atomic():
        _hold(notice)
        _refuse_same_judge(notice, by)
        move(notice, Notice.MOVES, Notice.State.UNFOUNDED, unfounded_for=why, unfounded_by=by)
        log.append(
            EventType.NOTICE_UNFOUNDED,
            actor=by.actor,
            role=reviewing_role(by),
            object=notice.case.object,
            refs=[notice.entry] if notice.entry else [],
            facts={"notice": str(notice.pk)},
            sealed={"about": Sealed({"why": why}, notice.case.object)},
        )
        _stop(notice)
        jobs.enqueue("policy.tell_notice", notice=str(notice.pk), about="unfounded")
        misuse.observe(notice.account or notice.filer, Misuse.Kind.NOTICES)
    return notice


def _hold(notice: Notice) -> None:
    """As it is now, kept so until the transaction ends: whoever judged or contested it a moment ago has been heard."""
    judged = ("state", "missing", "unfounded_by", "contested_at")
    notice.refresh_from_db(fields=judged, from_queryset=Notice.objects.select_for_update())


def _refuse_same_judge(notice: Notice, by: User) -> None:
    if notice.contested_at is not None and notice.unfounded_by_id == by.pk:
        raise Forbidden(
            "You called this notice unfounded and its filer contests it, so somebody else says whether it is.",
            code="notice.same_judge",
            next_step="Decide the case as it stands, or put it back.",
        )


def contest(notice: Notice, grounds: str) -> Notice:
    """The filer says, once, that the notice is not unfounded. It counts again at once, its clocks start anew (ours for
    asking where something is missing), and who called it unfounded does not do so again. The case stays with whoever
    works at it: one filer, perhaps without a name, must not take it from everybody.

    Raises Conflict the second time, and once the case is decided: then the decision is appealed.
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
        _hold(notice)
        _refuse_again(notice)
        state = Notice.State.INCOMPLETE if notice.missing else Notice.State.VALID
        move(notice, Notice.MOVES, state, unfounded_for=Notice.Unfounded.NONE, contested_at=now())
        notices.heard_again(notice, grounds)
        misuse.recount(notice.account or notice.filer, Misuse.Kind.NOTICES)
    return notice


def _refuse_again(notice: Notice) -> None:
    if notice.state == Notice.State.UNFOUNDED and notice.contested_at is not None:
        raise Conflict(
            "Two people found this notice unfounded, the second after you contested it.",
            code="notice.contested",
            next_step="If there is something new, file a new notice that says what.",
        )


def _stop(notice: Notice) -> None:
    """Its clocks run no more, and its digests are off the list for good (I23), also when it is contested."""
    clocks.end(notice.clocks.all(), Clock.State.VOID)
    hashlist.withdraw(notice.hash_entries.all())
    cases.touch(notice.case)
