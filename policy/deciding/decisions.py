"""Deciding a case: one transaction holds the decision, its statements, its actions, clocks and log entries.

Where a rule asks for two people, the first transaction holds the proposal alone, and nothing happens until somebody
else approves it (`policy.deciding.approvals`, I18).
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core import beat, jobs
from core.clock import now
from core.problems import Conflict, Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from policy import authority
from policy.deciding import approvals, learning, outcomes, statements
from policy.deciding import decision_checks as checks
from policy.deciding.decision_checks import Asked, citable, facts_of
from policy.deciding.decision_entries import entries, ids, say
from policy.deciding.plain_texts import objections, said_so
from policy.desk import cases, interim, quality
from policy.desk.interim import Suggestion
from policy.desk.interim import suggest as suggest_interim
from policy.filing import flags, misuse, notice_answers
from policy.law import clocks, rule_packs, rules
from policy.models import Case, Clock, Decision, Flag, Misuse

__all__ = [
    "Suggestion",
    "approve",
    "citable",
    "decide",
    "draft",
    "expire",
    "facts_of",
    "in_effect",
    "replace",
    "reverse",
    "send_back",
    "suggest_interim",
    "unreversed",
    "withdraw_proposal",
]

# Flags that a program raised (I7): what the file declares about itself, and what looks the same.
MACHINE_ORIGINS = (Flag.Origin.DECLARED_SYNTHETIC, Flag.Origin.COPY_OF_HIDDEN, Flag.Origin.COPY_OF_LISTED)


def decide(
    case: Case,
    decider: User,
    *,
    outcome: str,
    ground: str,
    rule_ids: Sequence[str],
    facts_text: str,
    explanation: str,
    also: Sequence[str] = (),
    territory: Sequence[str] = (),
    ends_at: dt.datetime | None = None,
    exemptions: Sequence[str] = (),
    interim: bool = False,
    no_names: bool = False,
    version: int | None = None,
) -> Decision:
    """Decide a case in review, or propose what needs a second person: the state of what comes back says which.

    rule_ids: at least one, each as it was law when its own event happened (I1); for the ground “terms” one of our own.
    also: further outcomes. territory: where it holds, everywhere without. ends_at: when it runs out by itself.
    exemptions: those that were weighed, at least what a notice claims. interim: a measure until the case is decided,
    which leaves it in review and ends by itself (`interim.latest`). no_names: what may be a name in the texts is none,
    says the decider, and the log keeps that they said so. version: of the case as the decider saw it. A decision in a
    reopened case supersedes the earlier one and undoes what it did. Raises Forbidden, Conflict, Problem with `errors`
    for each wrong field.
    """
    decision = draft(
        case,
        decider,
        outcome=outcome,
        ground=ground,
        rule_ids=rule_ids,
        facts_text=facts_text,
        explanation=explanation,
        also=also,
        territory=territory,
        ends_at=ends_at,
        exemptions=exemptions,
        interim=interim,
        no_names=no_names,
    )
    with transaction.atomic():
        cases.check_version(case, version)
        if decision.held_for:
            _propose(decision, **said_so(no_names))
        else:
            _make(decision, **said_so(no_names))
    return decision


def draft(case: Case, decider: User, **asked: Any) -> Decision:
    """The decision as `decide` would make it, not saved: its statements can be read before. Raises as `decide` does.

    asked: the arguments of `decide` but `version`. `held_for` says for which rules a second person is needed.
    """
    authority.may_decide(case, decider)
    if case.state != Case.State.IN_REVIEW:
        raise Conflict(f"This case is {case.get_state_display()}, so nothing is decided in it now.", code="case.state")
    decision = _draft(case, decider, asked)
    decision.held_for = approvals.why_second(decision)
    return decision


def _draft(case: Case, decider: User, said: dict[str, Any]) -> Decision:
    texts = {name: said[name].strip() for name in ("facts_text", "explanation")}
    asked = Asked(**{**said, **texts})
    cited = checks.check(case, asked)
    return Decision(
        case=case,
        decider=decider,
        outcome=asked.outcome,
        also=sorted(set(asked.also)),
        interim=asked.interim,
        territory=sorted(set(asked.territory)),
        ends_at=asked.ends_at or (interim.latest(case, asked.outcome) if asked.interim else None),
        exemptions=sorted(set(asked.exemptions)),
        ground=asked.ground,
        rule_refs=[_reference(rule) for rule in cited],
        automated_detection=case.flags.filter(origin__in=MACHINE_ORIGINS).exists(),
        **texts,
    )


def _reference(rule: rules.Rule) -> dict[str, str]:
    return {
        "id": rule.id,
        "instrument": rule.instrument,
        "article": rule.article,
        "status": rule.legal_status,
        "pack": rule.pack,
    }


# --- Two people (I18) ----------------------------------------------------------------------------------------------


def _propose(decision: Decision, **more: Any) -> None:
    move(decision.case, Case.MOVES, Case.State.PROPOSED)
    decision.state = Decision.State.HELD
    decision.entry = say(EventType.DECISION_PROPOSED, decision, held_for=ids(decision.held_for), **more)
    rule_packs.keep(rules.pack())
    decision.save(force_insert=True)
    cases.touch(decision.case)


def approve(decision: Decision, by: User, *, version: int | None = None) -> Decision:
    """The second person agrees, and the decision takes effect now.

    version: of the case as they saw it; the API and the pages ask for it, so that nobody agrees to what they have not
    read. What came in since may ask for another second person than the proposal did. Raises Forbidden (I18), Conflict
    when it is not held any more or the case changed, Problem with `errors` when what came in must be weighed first.
    """
    authority.may_approve(decision, by)
    checks.recheck(decision)
    with transaction.atomic():
        cases.check_version(decision.case, version)
        decision.held_for = _held_for_now(decision)
        authority.may_approve(decision, by)
        at = now()
        said: dict[str, Any] = {"approver": by, "approved_at": at, "starts_at": at, "held_for": decision.held_for}
        move(decision, Decision.MOVES, Decision.State.IN_EFFECT, **said)
        approved = log.append(
            EventType.DECISION_APPROVED,
            actor=by.actor,
            role=reviewing_role(by),
            object=decision.case.object,
            refs=entries(decision),
            facts={"decision": str(decision.pk)},
            sealed={"about": Sealed({"held_for": ids(decision.held_for)}, decision.case.object)},
        )
        decision.entry = say(EventType.DECISION_MADE, decision, refs=[approved])
        decision.save(update_fields=["entry"])
        _effect(decision)
    return decision


def _held_for_now(decision: Decision) -> list[dict[str, str]]:
    """The rules it was held for, and those that what came in since adds."""
    known = {rule["id"] for rule in decision.held_for}
    return [*decision.held_for, *(rule for rule in approvals.why_second(decision) if rule["id"] not in known)]


def send_back(decision: Decision, by: User, reason: str, *, no_names: bool = False) -> Decision:
    """The second person does not agree: the case is with its proposer again, who reads the reason.

    Raises Forbidden (I18), Conflict when it is not held any more, Problem with `errors`.
    """
    authority.may_approve(decision, by)
    reason = reason.strip()
    checks.refuse(objections({"reason": reason}, decision.case, no_names=no_names))
    with transaction.atomic():
        move(decision, Decision.MOVES, Decision.State.RETURNED, approver=by)
        move(decision.case, Case.MOVES, Case.State.IN_REVIEW)
        log.append(
            EventType.DECISION_RETURNED,
            actor=by.actor,
            role=reviewing_role(by),
            object=decision.case.object,
            refs=entries(decision),
            facts={"decision": str(decision.pk), **said_so(no_names)},
            sealed={"reason": Sealed(reason, decision.case.object)},
        )
        Decision.objects.filter(pk=decision.pk).update(returned_because=reason)
        decision.returned_because = reason
        cases.leave_to_trained(decision.case)
        cases.touch(decision.case)
    return decision


def withdraw_proposal(decision: Decision, by: User) -> Decision:
    """Who proposed it takes it back before a second person answers, and has the case in hand again.

    Raises Forbidden for anybody else, Conflict when it is not held any more.
    """
    if decision.decider_id != by.pk:
        raise Forbidden("Only who proposed it takes it back.", code="decision.not_yours")
    with transaction.atomic():
        cases.drop_proposal(decision, by)
        move(decision.case, Case.MOVES, Case.State.IN_REVIEW)
        cases.leave_to_trained(decision.case)
        cases.touch(decision.case)
    return decision


# --- Taking effect -------------------------------------------------------------------------------------------------


def _make(decision: Decision, **more: Any) -> None:
    decision.starts_at = decision.created_at
    decision.entry = say(EventType.DECISION_MADE, decision, **more)
    decision.save(force_insert=True)
    _effect(decision)


def _effect(decision: Decision, *, case_stays: bool = False) -> None:
    """Statements before actions (I5). case_stays: the case was decided before and stays so."""
    case = decision.case
    if not decision.interim and not case_stays:
        move(case, Case.MOVES, Case.State.DECIDED)
    counted = _supersede(decision)
    statements.write(decision, _start_clocks(decision))
    outcomes.process(decision)
    if case.asset is not None:
        outcomes.show(case.asset)
    if not decision.interim:
        _settle(decision)
        _count(decision, again=counted)
        learning.from_decision(decision)
        quality.draw(decision)
    cases.touch(case)


def _supersede(decision: Decision) -> bool:
    """What was decided before makes way: by a decision everything, by an interim measure the measure before it.

    Returns whether something of it counted against who uploaded.
    """
    earlier = decision.case.decisions.filter(state__in=Decision.STANDING).exclude(pk=decision.pk)
    if decision.interim:
        earlier = earlier.filter(interim=True)
    for each in earlier:
        move(each, Decision.MOVES, Decision.State.SUPERSEDED)
        outcomes.reverse(each, refs=entries(decision), then_show=False)
        clocks.end(each.clocks.all(), Clock.State.VOID)
    return any(_struck(each) for each in earlier)


def _struck(decision: Decision) -> bool:
    return decision.actions.filter(kind=outcomes.STRIKE).exists()


def _count(decision: Decision, *, again: bool) -> None:
    """A decision that counts against who uploaded is counted; where it took the place of one that did, it is counted
    again whether enough is left.
    """
    asset = decision.case.asset
    if asset is None:
        return
    if _struck(decision):
        misuse.observe(asset.owner, Misuse.Kind.UPLOADS, decision)
    elif again:
        misuse.recount(asset.owner, Misuse.Kind.UPLOADS)


def _start_clocks(decision: Decision) -> list[Clock]:
    """The windows to appeal; and the duty to explain, met in the same transaction."""
    facts = facts_of(decision)
    on: dict[str, Any] = {"case": decision.case, "decision": decision, "entry": decision.entry}
    at = decision.starts_at or decision.created_at
    windows = clocks.start(Clock.Purpose.APPEAL, facts, clocks.DECISION, at=at, **on)
    clocks.start(Clock.Purpose.DUTY, facts, clocks.RESTRICTION, at=at, **on)
    clocks.end(decision.clocks.filter(purpose=Clock.Purpose.DUTY), Clock.State.MET)
    return windows


def _settle(decision: Decision) -> None:
    """Flags are confirmed or cleared, notices are answered, deadlines to decide are met."""
    case = decision.case
    no_action = decision.outcome == Decision.Outcome.NO_ACTION
    flags.settle(case, Flag.State.CLEARED if no_action else Flag.State.CONFIRMED, by=decision.decider)
    notice_answers.answered(case, decision)
    clocks.end(case.clocks.filter(purpose=Clock.Purpose.DECIDE), Clock.State.MET)
    clocks.end(case.clocks.filter(purpose=Clock.Purpose.ASK), Clock.State.VOID)


# --- Undoing (I4) --------------------------------------------------------------------------------------------------


def reverse(decision: Decision, *, by: User | None = None, refs: Iterable[Entry] = ()) -> None:
    """Undo everything that `decision` did: actions, blocked copies, strike, suspension, planned removal, flags, the
    answers to notices, what the register shows. In the caller's transaction, which records why (`refs`).

    by: None where the office itself does it, as after a counter-notice. One that ran out is undone too: it counted.
    Where the case is being looked at again, who does so answers flags and notices. Raises Conflict when there is
    nothing to undo.
    """
    case = decision.case
    move(decision, Decision.MOVES, Decision.State.REVERSED)
    outcomes.reverse(decision, refs=list(refs))
    clocks.end(decision.clocks.filter(purpose=Clock.Purpose.APPEAL), Clock.State.VOID)
    if not decision.interim and case.state not in Case.UNDECIDED:
        flags.settle(case, Flag.State.CLEARED, by=by)
        notice_answers.answered(case, decision)
    if case.asset is not None and _struck(decision):
        misuse.recount(case.asset.owner, Misuse.Kind.UPLOADS)
    cases.touch(case)
    clocks.close_if_quiet(case)


def unreversed(decision: Decision) -> list[str]:
    """What of the decision still stands, a sentence each. Once it was overturned, the case cannot be closed before
    this is empty (I4).
    """
    return outcomes.standing(decision)


def replace(decision: Decision, by: User, **asked: Any) -> Decision:
    """Another decision in the place of `decision`, by who decided the appeal against it: they are the second person.

    asked: the arguments of `decide` but `interim` and `version`. The old one is superseded and undone first. In the
    caller's transaction. Raises as `decide` does, but does not ask who has taken the case; Conflict while it is being
    looked at again, because then whoever has it decides.
    """
    case = Case.objects.select_for_update(of=("self",)).select_related("asset__owner", "entry").get(pk=decision.case_id)
    if decision.state != Decision.State.IN_EFFECT:
        raise Conflict(f"The decision is {decision.get_state_display()}.", code="decision.not_in_effect")
    if case.state in Case.UNDECIDED:
        raise Conflict("The case is being looked at again.", code="decision.looked_at_again")
    new = _draft(case, by, asked)
    new.starts_at = new.created_at
    new.entry = say(EventType.DECISION_MADE, new, refs=entries(decision), **said_so(asked.get("no_names", False)))
    new.save(force_insert=True)
    _effect(new, case_stays=True)
    return new


def expire() -> int:
    """Decisions whose end has come run out: what they did is undone; that they counted stays, and can be appealed as
    long as before. Returns how many. Run by beat.
    """
    over = Decision.objects.filter(state=Decision.State.IN_EFFECT, ends_at__lte=now()).order_by("ends_at")
    return beat.each(over.select_related("case__asset", "entry")[:100], _expire)


def _expire(decision: Decision) -> None:
    move(decision, Decision.MOVES, Decision.State.EXPIRED)
    entry = log.append(
        EventType.DECISION_EXPIRED,
        actor="system",
        role="system",
        object=decision.case.object,
        refs=entries(decision),
        facts={"decision": str(decision.pk)},
    )
    outcomes.reverse(decision, refs=[entry], but=(outcomes.STRIKE,))
    if decision.interim:
        cases.touch(decision.case)
        jobs.enqueue("policy.tell_measure_over", case=str(decision.case_id))


def in_effect(case: Case) -> Decision | None:
    """The decision that counts now."""
    return case.decisions.filter(state=Decision.State.IN_EFFECT).order_by("-pk").first()
