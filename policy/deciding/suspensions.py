"""Suspensions and strikes. Who is suspended can still log in, read, take their data along and appeal (DSA 23).

No program suspends anybody: a decision does, or a lead reviewer after a warning (`filing.misuse`). How long both last
is a row of the office's terms.
"""

import datetime as dt
from functools import partial
from typing import Final

from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core import beat
from core.clock import now
from core.problems import Conflict, Forbidden, Problem
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import authority, parties
from policy.law import rules
from policy.models import Decision, Strike, Suspension

SUSPENDED: Final = frozenset({"account_suspended"})
STRUCK: Final = frozenset({"strike_given"})


def until(decision: Decision, events: frozenset[str] = SUSPENDED) -> dt.datetime:
    """When what the office's terms start with this event ends. Raises Problem where no row of them says so."""
    at = decision.starts_at or now()
    facts = {"category": decision.case.category, "decision": decision.outcome}
    ends = [clock.due_at for clock in rules.due(facts, at, events=events) if clock.due_at]
    if not ends:
        raise Problem(
            "suspension.no_rule",
            "The office’s terms do not say how long",
            detail=f"No rule in force starts with “{', '.join(sorted(events))}” and gives a number.",
            next_step="Give the decision a day on which it ends, or ask the policy editor for such a rule.",
        )
    return max(ends)


def suspend(
    user: User, *, scope: str, until: dt.datetime, decision: Decision | None = None, by: User | None = None
) -> Suspension:
    """`user` may not do what `scope` names until then. In the transaction of the decision, or by a lead reviewer.

    Raises Forbidden without a decision by anybody but a lead reviewer who is no party; Conflict when they are suspended
    already.
    """
    if decision is None:
        if by is None:
            raise ValueError("a suspension has a decision, or a person who imposes it")
        authority.may(by, authority.Act.SUSPEND)
        parties.refuse_party(by, user)
        if current(user, scope) is not None:
            raise Conflict("This account is suspended already.", code="suspension.again")
    with transaction.atomic():
        row = Suspension(user=user, scope=scope, decision=decision, until=until)
        row.entry = log.append(
            EventType.ACCOUNT_SUSPENDED,
            actor=by.actor if by else "system",
            role=reviewing_role(by) if by else "system",
            object=f"suspension:{row.pk}",
            refs=[decision.entry] if decision and decision.entry else [],
            facts={"scope": scope, "until": until.isoformat(), **({"decision": str(decision.pk)} if decision else {})},
            sealed={"account": Sealed(user.actor, user.actor)},
        )
        row.save(force_insert=True)
    return row


def lift(row: Suspension, *, by: User | None) -> None:
    """End a suspension before its day. by: None when what it rested on is gone (`policy.filing.misuse`).

    Raises Forbidden for anybody but a lead reviewer who is no party, Conflict when it is over.
    """
    if by is not None:
        authority.may(by, authority.Act.SUSPEND)
        parties.refuse_party(by, row.user)
    with transaction.atomic():
        _end(row, Suspension.State.LIFTED, by)


def lift_for(decision: Decision) -> None:
    """The decision is undone, and with it its suspension. In the caller's transaction."""
    for row in decision.suspensions.filter(state=Suspension.State.ACTIVE).select_related("entry"):
        _end(row, Suspension.State.LIFTED, None)


def run_out() -> int:
    """Suspensions whose day has come end. Returns how many. Run by beat."""
    over = Suspension.objects.filter(state=Suspension.State.ACTIVE, until__lte=now()).select_related("entry")
    return beat.each(over.order_by("until")[:500], partial(_end, state=Suspension.State.ENDED, by=None))


def _end(row: Suspension, state: Suspension.State, by: User | None) -> None:
    move(row, Suspension.MOVES, state, ended_at=now())
    log.append(
        EventType.ACCOUNT_REINSTATED,
        actor=by.actor if by else "system",
        role=reviewing_role(by) if by else "system",
        object=f"suspension:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"scope": row.scope, "state": state.value},
    )


def current(user: User, scope: str) -> Suspension | None:
    """The suspension from `scope` that lasts longest now, None for who is not suspended."""
    rows = Suspension.objects.filter(user=user, scope=scope, state=Suspension.State.ACTIVE, until__gt=now())
    return rows.order_by("-until").first()


def refuse_suspended(user: User, scope: str) -> None:
    """Raises Forbidden, with the day on which it ends, while `user` is suspended from `scope`."""
    row = current(user, scope)
    if row is not None:
        # Without a decision it rests on single findings (`policy.filing.misuse`): each of them is contested, not this.
        way = "appeal the decision" if row.decision_id else "read and contest what it rests on,"
        raise Forbidden(
            f"Your account is suspended from {row.get_scope_display()} until {row.until:%Y-%m-%d %H:%M} UTC.",
            code="account.suspended",
            next_step=f"You can still log in, read, take your data along, and {way} on your desk.",
        )


def refuse_upload(owner: User) -> None:
    """For `provenance.restriction.register_upload_refusal`."""
    refuse_suspended(owner, Suspension.Scope.UPLOADS)


# --- Strikes -------------------------------------------------------------------------------------------------------


def give_strike(decision: Decision) -> Strike:
    """The decision counts against the owner until it expires. In the decision's transaction."""
    asset = decision.case.asset
    assert asset is not None
    row = Strike(user=asset.owner, decision=decision, expires_at=until(decision, STRUCK))
    row.entry = log.append(
        EventType.STRIKE_GIVEN,
        actor="system",
        role="system",
        object=f"strike:{row.pk}",
        refs=[decision.entry] if decision.entry else [],
        facts={"decision": str(decision.pk), "expires_at": row.expires_at.isoformat()},
        sealed={"account": Sealed(row.user.actor, row.user.actor)},
    )
    row.save(force_insert=True)
    return row


def void_strike(decision: Decision) -> None:
    """The decision is undone, and does not count. In the caller's transaction."""
    row = Strike.objects.filter(decision=decision, voided_at=None).select_related("entry").first()
    if row is None:
        return
    Strike.objects.filter(pk=row.pk).update(voided_at=now())
    log.append(
        EventType.STRIKE_VOIDED,
        actor="system",
        role="system",
        object=f"strike:{row.pk}",
        refs=[row.entry] if row.entry else [],
        facts={"decision": str(decision.pk)},
    )


def strikes(user: User) -> list[Strike]:
    """Those that count now, the newest first."""
    rows = Strike.objects.filter(user=user, voided_at=None, expires_at__gt=now())
    return list(rows.select_related("decision__case").order_by("-created_at"))
