"""Appeals: whoever is affected may complain once, and somebody who had no part in the decision decides."""

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import REVIEWERS, User
from accounts.people import reviewing_role
from core import jobs
from core.clock import now
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log, vault
from ledger.events import EventType
from ledger.log import Sealed
from policy import cases, clocks, flags, learning, outcomes, people
from policy.decisions import facts_of
from policy.models import Affected, Appeal, Case, Clock, Decision, Flag, Notice
from policy.notices import refuse_fields
from policy.plain_texts import objection

GROUNDS = "policy.appeal.grounds"
DECIDERS = REVIEWERS


def may_appeal(decision: Decision, *, user: User | None = None, notice: Notice | None = None) -> Clock:
    """The one place that says who may appeal, and until when. Returns the window; raises Forbidden or Conflict.

    1. Affected is who got a statement of reasons: the uploader by account, a notifier by notice (number and PIN).
    2. The decision must still be in effect: what was reversed or superseded has nothing left to appeal.
    3. A notifier has nothing to gain above “hide”, the strongest outcome there is.
    4. Once each (a constraint holds this against races).
    5. The longest window counts: laws that give less time do not shorten what another gives (DSA 20(1): six months
       from the day the recipient was informed; our terms give the same everywhere).
    """
    if not _is_affected(decision, user, notice):
        raise Forbidden("Only who got the statement of reasons can appeal this decision.", code="appeal.not_affected")
    if decision.state != Decision.State.IN_EFFECT:
        raise Conflict(f"This decision is {decision.get_state_display()}.", code="appeal.not_in_effect")
    if notice is not None and decision.outcome == Decision.Outcome.HIDE:
        raise Conflict("The work is hidden already; there is no stronger outcome.", code="appeal.nothing_more")
    if decision.appeals.filter(user=user, notice=notice).exists():
        raise Conflict("You have appealed this decision already.", code="appeal.again")
    window = decision.clocks.filter(purpose=Clock.Purpose.APPEAL, due_at__isnull=False).order_by("-due_at").first()
    if window is None or window.due_at is None or window.due_at < now():
        raise Conflict("The time to appeal has run out.", code="appeal.late")
    return window


def _is_affected(decision: Decision, user: User | None, notice: Notice | None) -> bool:
    if (user is None) == (notice is None):
        return False
    return decision.statements.filter(user=user, notice=notice).exists()


def file_appeal(decision: Decision, *, user: User | None = None, notice: Notice | None = None, grounds: str) -> Appeal:
    """Appeal as the uploader (`user`) or with a notice's number and PIN (`notice`).

    Raises as `may_appeal` does, and Problem with `errors` when the grounds are too short or long.
    """
    may_appeal(decision, user=user, notice=notice)
    grounds = grounds.strip()
    if not 10 <= len(grounds) <= 5000:
        refuse_fields({"grounds": "Between 10 and 5,000 characters."})
    role = Affected.UPLOADER if user else Affected.NOTIFIER
    try:
        with transaction.atomic():
            return _file(Appeal(decision=decision, role=role, user=user, notice=notice), grounds)
    except IntegrityError as error:
        raise Conflict("You have appealed this decision already.", code="appeal.again") from error


def _file(appeal: Appeal, grounds: str) -> Appeal:
    decision, who = appeal.decision, appeal.appellant
    appeal.sealed_grounds = people.seal(who, {"grounds": grounds}, GROUNDS)
    appeal.entry = log.append(
        EventType.APPEAL_FILED,
        actor=who,
        role=appeal.role,
        object=decision.case.object,
        refs=[decision.entry] if decision.entry else [],
        facts={"decision": str(decision.pk), "appeal": str(appeal.pk), "by": appeal.role},
        sealed={"grounds": Sealed(grounds, who)},
    )
    appeal.save(force_insert=True)
    facts = {**facts_of(decision), "channel": "appeal"}
    on: dict[str, Any] = {"case": decision.case, "appeal": appeal, "entry": appeal.entry}
    clocks.start(Clock.Purpose.ANSWER_APPEAL, facts, clocks.APPEAL, at=appeal.created_at, **on)
    return appeal


def grounds_of(appeal: Appeal, known: vault.Keys | None = None) -> str:
    """What the appellant wrote; empty once they were erased. known: `vault.keys_of` when many are read at once."""
    value = people.unseal(appeal.appellant, appeal.sealed_grounds, GROUNDS, known)
    return value["grounds"] if value else ""


# --- Deciding ------------------------------------------------------------------------------------------------------


def waiting() -> QuerySet[Appeal]:
    """Appeals not decided yet, the oldest first."""
    return (
        Appeal.objects.filter(state=Appeal.State.FILED)
        .select_related("decision__case__asset", "user", "notice__filer")
        .prefetch_related(
            "clocks", "decision__case__decisions", "decision__case__notices", "decision__statements__notice"
        )
        .order_by("created_at")
    )


def may_decide(appeal: Appeal, user: User) -> None:
    """Raises Forbidden, with the reason in plain words, if `user` may not decide this appeal (I2).

    Nobody judges their own case: not who took the decision or any earlier one in the case, not who appeals, not the
    owner of the work, not who filed a notice about it.
    """
    decision, case = appeal.decision, appeal.decision.case
    if not user.has_role(*DECIDERS):
        raise Forbidden("Deciding appeals needs the role of a reviewer.", code="appeal.role")
    if any(each.decider_id == user.pk for each in case.decisions.all()):
        raise Forbidden(
            "You took the decision that is appealed, so another reviewer decides this appeal.", code="appeal.conflict"
        )
    if appeal.user_id == user.pk:
        raise Forbidden("This appeal is yours, so another reviewer decides it.", code="appeal.conflict")
    if case.asset is not None and case.asset.owner_id == user.pk:
        raise Forbidden("This work is yours, so another reviewer decides the appeal.", code="appeal.conflict")
    # A notice may have moved to a newer case since (`_look_again`); its statement of reasons stays with the decision.
    answered = [each.notice for each in decision.statements.all() if each.notice is not None]
    if any(notice.account_id == user.pk for notice in [*case.notices.all(), *answered]):
        raise Forbidden("You filed a notice in this case, so another reviewer decides.", code="appeal.conflict")


def decide_appeal(appeal: Appeal, user: User, *, outcome: str, reasons: str) -> Appeal:
    """Uphold or overturn. Overturning for the uploader undoes everything (I4); for a notifier it reopens the case.

    Raises Forbidden as `may_decide`, Conflict when it was decided a moment ago, Problem with `errors`.
    """
    may_decide(appeal, user)
    reasons = reasons.strip()
    wrong = {
        "outcome": outcome not in Appeal.Outcome.values and "Uphold or overturn.",
        "reasons": objection(reasons, appeal.decision.case),
    }
    refuse_fields({field: message for field, message in wrong.items() if message})
    try:
        _decide(appeal, user, outcome, reasons)
    except IntegrityError as error:
        # A notice opened a case about the same issue just as this one was reopened.
        raise Conflict("The case changed a moment ago.", code="state.race", next_step="Send it again.") from error
    return appeal


def _decide(appeal: Appeal, user: User, outcome: str, reasons: str) -> None:
    with transaction.atomic():
        move(
            appeal,
            Appeal.MOVES,
            Appeal.State.DECIDED,
            decider=user,
            outcome=outcome,
            reasons=reasons,
            decided_at=now(),
        )
        _record(appeal, user)
        clocks.end(appeal.clocks.all(), Clock.State.MET)
        if outcome == Appeal.Outcome.OVERTURN:
            _overturn(appeal, user)
            learning.from_appeal(appeal)
        else:
            clocks.close_if_quiet(appeal.decision.case)
        jobs.enqueue("policy.deliver_appeal", appeal=str(appeal.pk))


def _record(appeal: Appeal, user: User) -> None:
    log.append(
        EventType.APPEAL_DECIDED,
        actor=user.actor,
        role=reviewing_role(user),
        object=appeal.decision.case.object,
        refs=[appeal.entry] if appeal.entry else [],
        facts={"appeal": str(appeal.pk), "decision": str(appeal.decision_id), "outcome": appeal.outcome},
        sealed={"reasons": Sealed(appeal.reasons, appeal.decision.case.object)},
    )


def _overturn(appeal: Appeal, user: User) -> None:
    decision, case = appeal.decision, appeal.decision.case
    if decision.state != Decision.State.IN_EFFECT:
        clocks.close_if_quiet(case)  # undone or superseded while this appeal waited
    elif appeal.role == Affected.NOTIFIER:
        _look_again(case, user)
    else:
        _undo(decision, user)


def _undo(decision: Decision, user: User) -> None:
    """Everything the decision did goes back (I4); the case closes unless another appeal waits."""
    case = decision.case
    move(decision, Decision.MOVES, Decision.State.REVERSED)
    outcomes.reverse(decision)
    flags.settle(case, Flag.State.CLEARED, by=user)
    clocks.end(decision.clocks.filter(purpose=Clock.Purpose.APPEAL), Clock.State.VOID)
    clocks.close_if_quiet(case)


def _look_again(case: Case, user: User) -> None:
    """Too little was done: the case is open again for a third person; what was done stays until they decide.

    If a newer notice has opened a case about the same issue meanwhile, it is looked at there.
    """
    if case.state not in (Case.State.DECIDED, Case.State.CLOSED):
        return
    newer = cases.undecided(case.asset, case.category) if case.asset else None
    if newer is None:
        _reopen(case, user)
    else:
        case.flags.update(case=newer)
        case.notices.update(case=newer)
    flags.settle(newer or case, Flag.State.RAISED, by=user)
    for notice in (newer or case).notices.filter(state=Notice.State.ANSWERED):
        move(notice, Notice.MOVES, Notice.State.VALID)


def _reopen(case: Case, user: User) -> None:
    move(case, Case.MOVES, Case.State.REOPENED, assigned_to=None, closed_at=None)
    log.append(
        EventType.CASE_REOPENED,
        actor=user.actor,
        role=reviewing_role(user),
        object=case.object,
        refs=[case.entry] if case.entry else [],
    )
