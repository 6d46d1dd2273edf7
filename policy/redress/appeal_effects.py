"""What the outcome of an appeal does: undo everything, open the case again, or put another decision in its place."""

from collections.abc import Mapping
from typing import Any, Final

from accounts.models import Role, User
from accounts.people import leading_role
from core import jobs
from core.canonical import Json
from core.problems import Conflict
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.models import Entry
from policy.deciding import approvals, decisions
from policy.deciding.decision_checks import facts_of
from policy.desk import cases
from policy.filing import flags
from policy.law import clocks
from policy.models import Affected, Appeal, Case, Clock, Decision, Flag, Notice
from policy.redress import appeal_limits

REOPENED: Final = frozenset({"case_reopened"})
_NEVER: Final = "An appeal never makes it worse for who appeals"
# Under which the ledger records who had a case opened again.
_ROLES: Final = (Role.LEAD_REVIEWER, Role.REVIEWER, Role.LEGAL)


def overturn(appeal: Appeal, user: User, because: Entry) -> None:
    """Carry out that the appellant is right. What was undone or superseded while the appeal waited stays as it is; what
    ran out is undone as well, because it still counts.

    because: the entry that says so. Run inside the verb's transaction.
    """
    decision = appeal.decision
    if appeal.role != Affected.UPLOADER:
        if decision.state in (*Decision.STANDING, Decision.State.REVERSED):
            _look_again(decision.case, user, because)
    elif decision.state in Decision.STANDING:
        decisions.reverse(decision, by=user, refs=[because])
        _tell_the_others(decision, because)


def _tell_the_others(decision: Decision, because: Entry) -> None:
    """Who reported, and who is shown, learn that it was undone, and may appeal that: they were not heard.

    Their window does not keep the case open (it names no case): what they say opens it again.
    """
    others = decision.statements.filter(user=None, corrected_by=None)
    for statement in others:
        jobs.enqueue("policy.deliver_undone", statement=str(statement.pk))
    if others:
        clocks.start(Clock.Purpose.APPEAL, facts_of(decision), clocks.DECISION, decision=decision, entry=because)


# --- Another decision instead --------------------------------------------------------------------------------------


def objection_to(appeal: Appeal, outcome: str, replacement: Mapping[str, Any] | None) -> str:
    """Why the decision cannot be changed like this; empty when it can, or when nothing is to be changed."""
    if outcome != Appeal.Outcome.MODIFY:
        return "Only a changed decision has another one in its place." if replacement else ""
    if replacement is None:
        return "Say what is decided instead."
    return _no_change(appeal.decision, replacement) or _worse(appeal, replacement)


def _no_change(decision: Decision, replacement: Mapping[str, Any]) -> str:
    if decision.state != Decision.State.IN_EFFECT:
        return f"The decision is {decision.get_state_display()}; nothing is left to change."
    if decision.interim:
        return "This was a measure until the case is decided: uphold or overturn it."
    if decision.case.state in Case.UNDECIDED:
        return "The case is being looked at again, and whoever has it decides: uphold or overturn this decision."
    if _shape(replacement) == (decision.outcome, sorted(decision.also), sorted(decision.territory)):
        return "" if replacement.get("ends_at") != decision.ends_at else "This is the decision as it stands: uphold it."
    return ""


def _shape(said: Mapping[str, Any]) -> tuple[str, list[str], list[str]]:
    return said.get("outcome", ""), sorted(said.get("also", ())), sorted(said.get("territory", ()))


def _worse(appeal: Appeal, replacement: Mapping[str, Any]) -> str:
    """An appeal never makes it worse for who appeals: the other side has an appeal of its own."""
    old, new = appeal_limits.of_decision(appeal.decision), appeal_limits.of_replacement(replacement)
    if new is None:
        return ""
    if appeal.role != Affected.UPLOADER:
        return "" if old.within(new) else f"{_NEVER}: choose something stronger, in no fewer places and no shorter."
    if Decision.Outcome.NO_ACTION in new.outcomes:
        return "That is overturning the decision: choose “overturn”."
    if not new.within(old):
        return f"{_NEVER}: choose something weaker, in no other places and no longer."
    return appeal_limits.begins_anew(appeal.decision, new)


def replace(appeal: Appeal, user: User, replacement: Mapping[str, Any]) -> None:
    """The new decision takes the place of the old, which is undone first; everybody affected gets a new statement."""
    new, old = decisions.replace(appeal.decision, user, **replacement), appeal_limits.of_decision(appeal.decision)
    if not appeal_limits.of_decision(new).within(old) and approvals.why_second(new):
        raise Conflict(
            "Two people are needed for what you want to decide.",
            code="appeal.second_person",
            next_step="Overturn instead: a third person then proposes it, and a second one approves.",
        )
    appeal.replacement = new
    appeal.save(update_fields=["replacement"])


# --- The case opens again ------------------------------------------------------------------------------------------


def _look_again(case: Case, user: User, because: Entry) -> None:
    """Too little was done: the case is open again for a third person; what was done stays until they decide.

    If a newer notice has opened a case about the same issue meanwhile, it is looked at there.
    """
    if case.state not in (Case.State.DECIDED, Case.State.CLOSED):
        return
    newer = cases.undecided(case.asset, case.category) if case.asset else None
    moved: dict[str, Json] = {}
    if newer is None:
        _reopen(case, user, because)
    else:
        moved = _join(case, newer)
        _start(newer, because)
    flags.settle(newer or case, Flag.State.RAISED, by=user)
    _hear_again(newer or case, user, because, moved)


def _join(case: Case, newer: Case) -> dict[str, Json]:
    """What the newer case takes over, as facts. A flag of an origin that is raised there already stays behind."""
    there = list(newer.flags.filter(notice=None, state=Flag.State.RAISED).values_list("origin", flat=True))
    moving = case.flags.exclude(notice=None, origin__in=there)
    moved: dict[str, Json] = {
        "from": str(case.pk),
        "notices": [str(pk) for pk in case.notices.order_by("pk").values_list("pk", flat=True)],
        "flags": [str(pk) for pk in moving.order_by("pk").values_list("pk", flat=True)],
    }
    moving.update(case=newer)
    case.notices.update(case=newer)
    cases.widen(newer, case.jurisdictions, vulnerable=case.vulnerable, minor=case.minor)
    return moved


def _hear_again(case: Case, user: User, because: Entry, moved: dict[str, Json]) -> None:
    """Notices that were answered wait for another answer; what was moved here for it is on record beside them."""
    again = list(case.notices.filter(state=Notice.State.ANSWERED).order_by("pk"))
    for notice in again:
        move(notice, Notice.MOVES, Notice.State.VALID, outcome=Notice.Outcome.NONE)
    if again or moved:
        log.append(
            EventType.NOTICE_REOPENED,
            actor=user.actor,
            role=leading_role(user, *_ROLES),
            object=case.object,
            refs=[because],
            facts={"reopened": [str(notice.pk) for notice in again], **moved},
        )


def _reopen(case: Case, user: User, because: Entry) -> None:
    move(case, Case.MOVES, Case.State.REOPENED, assigned_to=None, closed_at=None)
    entry = log.append(
        EventType.CASE_REOPENED,
        actor=user.actor,
        role=leading_role(user, *_ROLES),
        object=case.object,
        refs=[*([case.entry] if case.entry else []), because],
    )
    cases.touch(case)
    _start(case, entry)


def _start(case: Case, entry: Entry) -> None:
    facts = {"category": case.category, "jurisdictions": case.jurisdictions, "channel": "appeal"}
    clocks.start(Clock.Purpose.DECIDE, facts, REOPENED, case=case, entry=entry)
