"""Cases and the review desk's queue: what to look at next, and why this one."""

import datetime as dt
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import TruncHour

from accounts.models import REVIEWERS, User
from accounts.people import reviewing_role
from core.clock import now
from core.problems import Forbidden, NotFound, invalid
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import rules
from policy.models import SEVERITY, Case, Clock, MediaView
from provenance.models import Asset


@dataclass(frozen=True)
class Waiting:
    """A case in the queue. why: one plain sentence for “why this one next”."""

    case: Case
    why: str
    due_at: dt.datetime | None
    rule_id: str


def open_or_join(asset: Asset | None, *, category: str, jurisdictions: Collection[str] = ()) -> Case:
    """The undecided case about this asset and issue, or a new one. Run inside the verb's transaction."""
    places = rules.widen(jurisdictions)
    if asset is not None and (case := undecided(asset, category)):
        return _widen(case, places)
    try:
        with transaction.atomic():
            return _open(asset, category, places)
    except IntegrityError:
        # Somebody else opened it between our look and our insert: theirs is the case.
        assert asset is not None
        return _widen(Case.objects.get(asset=asset, category=category, state__in=Case.UNDECIDED), places)


def undecided(asset: Asset, category: str) -> Case | None:
    """The case about this work and issue that waits for a decision, locked until the caller's transaction ends.

    Without the lock (PostgreSQL), a notice could join a case whose decision commits first, and never be answered.
    """
    rows = Case.objects.select_for_update().filter(asset=asset, category=category, state__in=Case.UNDECIDED)
    return rows.first()


def _widen(case: Case, places: Collection[str]) -> Case:
    if not set(places) <= set(case.jurisdictions):
        case.jurisdictions = sorted({*case.jurisdictions, *places})
        case.save(update_fields=["jurisdictions"])
    return case


def _open(asset: Asset | None, category: str, places: list[str]) -> Case:
    case = Case(asset=asset, category=category, jurisdictions=places, severity=SEVERITY.get(category, 1))
    case.entry = log.append(
        EventType.CASE_OPENED,
        actor="system",
        role="system",
        object=case.object,
        facts={"category": category, "jurisdictions": places, "asset": str(asset.pk) if asset else ""},
    )
    case.save(force_insert=True)
    return case


# --- The queue -----------------------------------------------------------------------------------------------------


def queue(reviewer: User | None = None) -> list[Waiting]:
    """Undecided cases, what breaks a deadline first first, by the hour; then the more severe; then the older.

    reviewer: leaves out cases this person may not review, and those somebody else has taken.
    """
    running = Clock.objects.filter(
        case=OuterRef("pk"),
        purpose=Clock.Purpose.DECIDE,
        state__in=(Clock.State.RUNNING, Clock.State.BREACHED),
        due_at__isnull=False,
    ).order_by("due_at")
    waiting = Case.objects.filter(state__in=Case.UNDECIDED).select_related("asset", "assigned_to")
    if reviewer is not None:
        waiting = waiting.exclude(_conflicts(reviewer)).filter(Q(assigned_to=None) | Q(assigned_to=reviewer))
    rows = waiting.annotate(
        next_due=Subquery(running.values("due_at")[:1]), next_rule=Subquery(running.values("rule_id")[:1])
    ).order_by(TruncHour("next_due").asc(nulls_last=True), "-severity", "created_at")
    return [_explain(case, case.next_due, case.next_rule or "") for case in rows[:500]]


def _explain(case: Case, due_at: dt.datetime | None, rule_id: str) -> Waiting:
    if due_at is None:
        why = f"No deadline runs; severity {case.severity} of 3, open for {_span(now() - case.created_at)}."
    elif due_at < now():
        why = f"The deadline of {rule_id} passed {_span(now() - due_at)} ago (rule status: draft)."
    else:
        why = f"Due in {_span(due_at - now())} under {rule_id} (rule status: draft)."
    return Waiting(case, why, due_at, rule_id)


def _span(length: dt.timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours = divmod(minutes // 60, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes % 60} min"


# --- Who may review ------------------------------------------------------------------------------------------------


def _conflicts(user: User) -> Q:
    """Cases in which `user` is a party: owns the work, filed a notice, or decided here before."""
    decided = Q(decisions__decider=user) | Q(notices__statements__decision__decider=user)
    decided |= Q(decisions__appeals__decider=user)
    return Q(asset__owner=user) | Q(notices__account=user) | decided


def may_review(case: Case, user: User) -> None:
    """Raises Forbidden, with the reason in plain words, if `user` may not be this case's reviewer."""
    if not user.has_role(*REVIEWERS):
        raise Forbidden("Reviewing cases needs the role of a reviewer.", code="case.role")
    if case.asset is not None and case.asset.owner_id == user.pk:
        raise Forbidden("This work is yours: somebody else reviews it.", code="case.conflict")
    if case.notices.filter(account=user).exists():
        raise Forbidden("You filed a notice in this case: somebody else reviews it.", code="case.conflict")
    # A notice that was reopened into this case brings the decision about it along (`appeals._look_again`).
    reopened = case.notices.filter(statements__decision__decider=user)
    if case.decisions.filter(decider=user).exists() or reopened.exists():
        raise Forbidden("You decided this case before: somebody else looks at it now.", code="case.conflict")
    if case.decisions.filter(appeals__decider=user).exists():
        raise Forbidden("You decided an appeal in this case: a third person looks at it now.", code="case.conflict")


def visible_to(user: User) -> QuerySet[Case]:
    """The cases a reviewer may open: all but those in which they are a party as owner or notifier."""
    if not user.has_role(*REVIEWERS):
        return Case.objects.none()
    return Case.objects.exclude(Q(asset__owner=user) | Q(notices__account=user))


def case_for(user: User, pk: uuid.UUID | str) -> Case:
    """The case, if `user` may open it. Raises NotFound."""
    try:
        return visible_to(user).select_related("asset", "assigned_to").get(pk=pk)
    except (Case.DoesNotExist, ValueError) as error:
        raise NotFound("case") from error


def assign(case: Case, reviewer: User) -> Case:
    """`reviewer` takes the case. Of two who take it at once one gets it and the other a Conflict."""
    may_review(case, reviewer)
    with transaction.atomic():
        move(case, Case.MOVES, Case.State.IN_REVIEW, assigned_to=reviewer)
        _record_assignment(case, reviewer, "taken")
    return case


def release(case: Case, reviewer: User) -> Case:
    """Put a case back into the queue, without giving a reason: nobody must look at what they should not."""
    if case.assigned_to_id != reviewer.pk:
        raise Forbidden("Only the reviewer who has this case can put it back.", code="case.not_yours")
    with transaction.atomic():
        move(case, Case.MOVES, Case.State.OPEN, assigned_to=None)
        _record_assignment(case, reviewer, "released")
    return case


def _record_assignment(case: Case, reviewer: User, how: str) -> None:
    log.append(
        EventType.CASE_ASSIGNED,
        actor=reviewer.actor,
        role=reviewing_role(reviewer),
        object=case.object,
        facts={"how": how},
    )


def view_media(case: Case, reviewer: User, reason: str) -> MediaView:
    """Record that `reviewer` lifts the blur, and why (I20). The page shows the media only with this row."""
    may_see(case, reviewer)
    reason = reason.strip()
    if not 3 <= len(reason) <= 300:
        detail = "Say in a few words why you need to see it."
        raise invalid({"reason": ["Between 3 and 300 characters."]}, detail=detail)
    with transaction.atomic():
        view = MediaView(case=case, reviewer=reviewer, reason=reason)
        view.entry = log.append(
            EventType.MEDIA_VIEWED,
            actor=reviewer.actor,
            role=reviewing_role(reviewer),
            object=case.object,
            sealed={"reason": Sealed(reason, reviewer.actor)},
        )
        view.save(force_insert=True)
    return view


def may_see(case: Case, user: User) -> None:
    """Raises Forbidden unless `user` is a reviewer and no party to this case (owner, notifier)."""
    if not user.has_role(*REVIEWERS):
        raise Forbidden("The media of a case are for its reviewers.", code="case.role")
    if not visible_to(user).filter(pk=case.pk).exists():
        raise Forbidden("You are a party to this case.", code="case.conflict")
