"""Cases: opened or joined, taken and given back, waiting for an answer, and their sealed media looked at.

Who may do what is in `policy.authority`; the order in which cases are worked in `policy.desk.queue`.
"""

import uuid
from collections.abc import Collection
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef

from accounts.models import User
from accounts.people import reviewing_role
from core import beat
from core.canonical import Json
from core.problems import Conflict, Forbidden, NotFound, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority
from policy.desk import case_file, exposure, reviewers
from policy.desk.exposure import Step
from policy.law import rules
from policy.models import SEVERITY, Case, Category, Clock, Decision, MediaView, Notice, Recusal
from policy.rights import people
from provenance.models import Asset

# What these are about hurts somebody who cannot easily defend themselves, whoever reports it.
VULNERABLE: Final = frozenset({Category.CHILD_SAFETY, Category.NCII, Category.NCII_DEEPFAKE})


def open_or_join(
    asset: Asset | None,
    *,
    category: str,
    jurisdictions: Collection[str] = (),
    language: str = "en",
    vulnerable: int = 0,
    minor: bool = False,
) -> Case:
    """The undecided case about this asset and issue, or a new one. Run inside the verb's transaction.

    vulnerable: 1 when the person shown files. minor: a child is concerned (I24), as always in the category
    child_safety. language: of the notice that opens the case.
    """
    places = rules.widen(jurisdictions)
    minor = minor or category == Category.CHILD_SAFETY
    vulnerable = max(vulnerable, int(minor or category in VULNERABLE))
    if asset is not None and (case := undecided(asset, category)):
        return widen(case, places, vulnerable=vulnerable, minor=minor)
    new = Case(asset=asset, category=category, language=language, vulnerable=vulnerable, minor=minor)
    try:
        with transaction.atomic():
            return _open(new, places)
    except IntegrityError:
        # Somebody else opened it between our look and our insert: theirs is the case.
        assert asset is not None
        case = Case.objects.get(asset=asset, category=category, state__in=Case.UNDECIDED)
        return widen(case, places, vulnerable=vulnerable, minor=minor)


def undecided(asset: Asset, category: str) -> Case | None:
    """The case about this work and issue that waits for a decision, locked until the caller's transaction ends.

    Without the lock (PostgreSQL), a notice could join a case whose decision commits first, and never be answered.
    """
    rows = Case.objects.select_for_update().filter(asset=asset, category=category, state__in=Case.UNDECIDED)
    return rows.first()


def widen(case: Case, places: Collection[str], *, vulnerable: int = 0, minor: bool = False) -> Case:
    """Somebody has joined: the case touches their places too, and whoever is deciding it must look again. Run inside
    the verb's transaction.
    """
    case.jurisdictions = sorted({*case.jurisdictions, *places})
    case.vulnerable = max(case.vulnerable, vulnerable)
    case.minor = case.minor or minor
    case.save(update_fields=["jurisdictions", "vulnerable", "minor"])
    if case.state != Case.State.PROPOSED:  # a proposal waits on, for somebody trained: one tick undoes no work
        leave_to_trained(case)
    return touch(case)


def leave_to_trained(case: Case) -> None:
    """Who was not trained for children does not keep a case that turned out to be about one. In the caller's
    transaction.
    """
    reviewer = case.assigned_to if case.minor and case.state in Case.IN_HANDS else None
    if reviewer is not None and case.training not in reviewers.categories(reviewer):
        _out_of_hands(case, None)


def _open(case: Case, places: list[str]) -> Case:
    case.jurisdictions, case.severity = places, SEVERITY.get(case.category, 1)
    case.entry = log.append(
        EventType.CASE_OPENED,
        actor="system",
        role="system",
        object=case.object,
        # Under seal: what somebody is said to have done stands beside nobody's work for all to read (R22, I8).
        sealed={"about": Sealed(about(case), case.object)},
    )
    case.save(force_insert=True)
    return case


def about(case: Case) -> dict[str, Json]:
    """What the entry of a new case says under seal. Its places grow later, and are not compared with the row."""
    return {"category": case.category, "jurisdictions": case.jurisdictions, "asset": str(case.asset_id or "")}


def touch(case: Case) -> Case:
    """Something changed that whoever decides must have seen. Run inside the verb's transaction, beside its entry."""
    Case.objects.filter(pk=case.pk).update(version=F("version") + 1)
    case.version += 1
    return case


def check_version(case: Case, version: int | None) -> None:
    """Raises Conflict, saying what is new, when the case is not as it was at `version`. None: nothing is asked.

    Run inside the verb's transaction: the row is held until it ends, so nothing changes in between either.
    """
    if version is None:
        return
    current = Case.objects.select_for_update().values_list("version", flat=True).get(pk=case.pk)
    if current == version:
        return
    raise Conflict(
        f"This case changed since you opened it: {case_file.newest(case, max(1, current - version))}.",
        code="case.changed",
        next_step="Read what is new, then send your answer again: what you wrote is still in the form.",
    )


def case_for(user: User, pk: uuid.UUID | str) -> Case:
    """The case, if `user` may open it. Raises NotFound."""
    try:
        return authority.visible_cases(user).select_related("asset", "assigned_to").get(pk=pk)
    except (Case.DoesNotExist, ValueError) as error:
        raise NotFound("case") from error


# --- In whose hands ------------------------------------------------------------------------------------------------


def assign(case: Case, reviewer: User) -> Case:
    """`reviewer` takes the case. Of two who take it at once one gets it and the other a Conflict.

    Raises Forbidden for parties, the untrained, the paused, and who has looked at enough for today (I19).
    """
    authority.may_review(case, reviewer)
    if case.state not in Case.WAITING:  # what waits for an answer, or for a second person, is in somebody's hands
        raise Conflict(f"This case is “{case.get_state_display()}” and cannot become yours.", code="state.move")
    with transaction.atomic():
        move(case, Case.MOVES, Case.State.IN_REVIEW, assigned_to=reviewer)
        _record(EventType.CASE_ASSIGNED, case, reviewer, "taken")
    return case


def release(case: Case, reviewer: User) -> Case:
    """Put a case back into the queue; it may come again. Raises Conflict while a second person has the proposal."""
    authority.in_hand(case, reviewer)
    if case.state == Case.State.PROPOSED:
        raise Conflict(
            "A second person has what you proposed.",
            code="case.proposed",
            next_step="Take the proposal back first, or wait for their answer.",
        )
    with transaction.atomic():
        move(case, Case.MOVES, Case.State.OPEN, assigned_to=None)
        _record(EventType.CASE_ASSIGNED, case, reviewer, "released")
    return case


def recuse(case: Case, reviewer: User, why: str = "") -> Case:
    """“I should not review this”: the case goes back if they have it, and never comes to them again.

    Nobody must say why; what they say is sealed under their own key, and counted nowhere. Raises Problem with
    `errors`, Conflict for a case that is decided.
    """
    authority.may(reviewer, authority.Act.REVIEW)
    if why not in Recusal.Why.values:
        raise invalid({"why": ["Choose from the list, or leave it."]})
    if case.state not in Case.UNDECIDED or case.state == Case.State.PROPOSED:
        raise Conflict("This case is decided, or with a second person: there is nothing to give back.")
    try:
        with transaction.atomic():
            _recuse(Recusal(case=case, reviewer=reviewer, why=why))
    except IntegrityError as error:
        raise Conflict("You have said so already; this case does not come to you.", code="case.recused") from error
    return case


def _recuse(recusal: Recusal) -> None:
    case, reviewer = recusal.case, recusal.reviewer
    held = case.assigned_to_id == reviewer.pk
    if held:
        move(case, Case.MOVES, Case.State.OPEN, assigned_to=None)
    recusal.entry = log.append(
        EventType.CASE_RECUSED,
        actor=reviewer.actor,
        role=reviewing_role(reviewer),
        object=case.object,
        refs=[case.entry] if case.entry else [],
        facts={"held": held},
        sealed={"why": Sealed(recusal.why, reviewer.actor)},
    )
    recusal.save(force_insert=True)


def take_back(case: Case, lead: User, why: str) -> Case:
    """A lead reviewer puts back into the queue what somebody else has and does not go on with; what they proposed is
    not decided any more. The reason is sealed under the lead's own key.

    Raises Forbidden, Conflict when nobody has the case, Problem with `errors`.
    """
    authority.may(lead, authority.Act.TAKE_BACK)
    authority.may_open(case, lead)
    why = checked_reason(why, "Say in a few words why the case goes back.")
    if case.state not in Case.IN_HANDS:
        raise Conflict("Nobody has this case: there is nothing to take back.", code="case.nobody")
    with transaction.atomic():
        _out_of_hands(case, lead, why)
        touch(case)
    return case


def put_all_back(reviewer: User) -> None:
    """Every case that `reviewer`, whose account is closed, has in hand. In the caller's transaction."""
    for case in Case.objects.filter(assigned_to=reviewer, state__in=Case.IN_HANDS):
        _out_of_hands(case, None)
        touch(case)


def _out_of_hands(case: Case, by: User | None, why: str = "") -> None:
    for proposal in case.decisions.filter(state=Decision.State.HELD).select_related("entry"):
        drop_proposal(proposal, by)
    move(case, Case.MOVES, Case.State.OPEN, assigned_to=None)
    _record(EventType.CASE_ASSIGNED, case, by, "taken_back", why=why)


def drop_proposal(proposal: Decision, by: User | None) -> None:
    """What waited for a second person waits no more, and never takes effect. In the caller's transaction, which moves
    the case. by: None where the office itself does it.
    """
    move(proposal, Decision.MOVES, Decision.State.WITHDRAWN)
    log.append(
        EventType.DECISION_WITHDRAWN,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=f"case:{proposal.case_id}",
        refs=[proposal.entry] if proposal.entry else [],
        facts={"decision": str(proposal.pk)},
    )


def _record(
    type: EventType,
    case: Case,
    reviewer: User | None,
    how: str,
    *,
    why: str = "",
    asked: list[str] | None = None,
    **more: Any,
) -> None:
    sealed: dict[str, Sealed] = {"why": Sealed(why, reviewer.actor)} if reviewer and why else {}
    if asked:  # what is asked says what the case is about
        sealed["about"] = Sealed({"asked": asked}, case.object)
    log.append(
        type,
        actor=reviewer.actor if reviewer else "system",
        role=reviewing_role(reviewer) if reviewer else "system",
        object=case.object,
        facts={"how": how, **more},
        sealed=sealed,
    )


# --- Waiting for the filer -----------------------------------------------------------------------------------------


def wait(case: Case, reviewer: User, notice: Notice, fields: Collection[str]) -> None:
    """The reviewer has asked who filed `notice` for `fields`. Run in the transaction that asks (`filing.asking`)."""
    authority.in_hand(case, reviewer)
    move(case, Case.MOVES, Case.State.AWAITING_INFO)
    _record(EventType.CASE_WAITING, case, reviewer, "asked", asked=sorted(set(fields)), notice=str(notice.pk))


def answered(case: Case) -> None:
    """A notice of the case says more than before: whoever has the case goes on, having to look again.

    Run inside the transaction that records the answer.
    """
    touch(case)
    _go_on(case, "answered")


def _go_on(case: Case, how: str) -> bool:
    """Out of waiting, by a conditional update; False when it waits for nothing (any more)."""
    rows = Case.objects.filter(pk=case.pk, state=Case.State.AWAITING_INFO)
    if not rows.update(state=Case.State.IN_REVIEW):
        return False
    case.state = Case.State.IN_REVIEW
    _record(EventType.CASE_WAITING, case, None, how)
    return True


def stop_waiting() -> int:
    """Nobody answered in time: the reviewer decides on what there is. Run by beat; returns how many cases go on."""
    asked = Clock.objects.filter(
        case=OuterRef("pk"), purpose=Clock.Purpose.ASK, state__in=(Clock.State.RUNNING, Clock.State.PAUSED)
    )
    silent = Case.objects.filter(~Exists(asked), state=Case.State.AWAITING_INFO)
    return beat.each(silent[:500], _lapse)


def _lapse(case: Case) -> bool:
    return _go_on(case, "lapsed")


# --- What is sensitive (I20) ---------------------------------------------------------------------------------------


def view_media(case: Case, reviewer: User, reason: str, step: str = "") -> MediaView:
    """Record that `reviewer` lifts the seal by one step, why, and what it counts. The page shows no more than that.

    step: "" for the next one. Raises Forbidden for who may not look (now), and above what the office or they
    themselves allow; NotFound without a file; Problem with `errors`.
    """
    authority.may_see_media(case, reviewer)
    if why := reviewers.why_not(reviewer, case.training):
        raise Forbidden(why, code="media.not_now")
    step = _checked_step(case, reviewer, step)
    view = MediaView(case=case, reviewer=reviewer, step=step, points=exposure.points(step, case.severity))
    view.reason = checked_reason(reason)
    with transaction.atomic():
        view.entry = log.append(
            EventType.MEDIA_VIEWED,
            actor=reviewer.actor,
            role=reviewing_role(reviewer),
            object=case.object,
            facts={"step": view.step, "points": view.points},
            sealed={"reason": Sealed(view.reason, reviewer.actor)},
        )
        view.save(force_insert=True)
    return view


def _checked_step(case: Case, reviewer: User, step: str) -> Step:
    """The step, if it is the next one or one that was open already, and not above what may be shown to them."""
    if case.asset is None:
        raise NotFound("file in this case")
    reached = exposure.unlocked(case, reviewer)
    following = exposure.next_step(case.asset, reached)
    wanted = step or following or reached
    if wanted not in exposure.steps_of(case.asset):
        raise invalid({"step": ["There is no such step for this work."]})
    wanted = Step(wanted)
    if exposure.is_above(wanted, exposure.highest(reviewers.profile_of(reviewer))):
        raise Forbidden(
            "You, or this office, chose not to show you more than this.",
            code="media.floor",
            next_step="Change it under “My exposure”, or say that you should not review this case.",
        )
    if wanted != following and exposure.is_above(wanted, reached):
        raise invalid({"step": ["One step at a time, each with its reason."]})
    return wanted


def checked_reason(text: str, detail: str = "Say in a few words why you need to see it.") -> str:
    """The reason without spaces around it. Raises Problem with `errors`, and `detail`, for none or a long one."""
    text = text.strip()
    if not 3 <= len(text) <= 300:
        raise invalid({"reason": ["Between 3 and 300 characters."]}, detail=detail)
    return text


def show_filer(notice: Notice, reviewer: User, reason: str) -> tuple[str, str]:
    """(name, contact) of who filed, for the reviewer who has the case; that they were read is recorded, with the
    reason (R25). Empty strings once they were erased.
    """
    authority.may_review(notice.case, reviewer)
    authority.in_hand(notice.case, reviewer)
    reason = checked_reason(reason)
    with transaction.atomic():
        log.append(
            EventType.ACCESS_AUDITED,
            actor=reviewer.actor,
            role=reviewing_role(reviewer),
            object=notice.case.object,
            refs=[notice.entry] if notice.entry else [],
            facts={"read": "filer"},
            sealed={"purpose": Sealed(reason, reviewer.actor)},
        )
    return people.name_and_contact(notice.filer)
