"""Deciding a case: one transaction holds the decision, its statements, its actions, clocks and log entries."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from accounts.people import reviewing_role
from core.problems import Forbidden
from core.states import move
from ledger import log
from ledger.events import EventType
from ledger.log import Sealed
from policy import cases, clocks, flags, learning, outcomes, rules, statements
from policy.models import Case, Clock, Decision, Flag, Notice
from policy.notices import refuse_fields
from policy.plain_texts import objection

# Flags that a program raised (I7): what the file declares about itself.
MACHINE_ORIGINS = (Flag.Origin.DECLARED_SYNTHETIC, Flag.Origin.COPY_OF_HIDDEN)


def decide(
    case: Case,
    decider: User,
    *,
    outcome: str,
    ground: str,
    rule_ids: Sequence[str],
    facts_text: str,
    explanation: str,
) -> Decision:
    """Decide a case in review. Raises Forbidden, Conflict, or Problem with `errors` for each wrong field.

    rule_ids: at least one, in force on the day the case was opened (I1); for the ground "terms" one of our own.
    A decision on a reopened case supersedes the earlier one and undoes what it did first.
    """
    _may_decide(case, decider)
    texts = {"facts_text": facts_text.strip(), "explanation": explanation.strip()}
    cited = _check(case, outcome, ground, rule_ids, texts)
    outcomes.OUTCOMES[outcome].hold(case)
    with transaction.atomic():
        move(case, Case.MOVES, Case.State.DECIDED)
        for earlier in case.decisions.filter(state=Decision.State.IN_EFFECT):
            move(earlier, Decision.MOVES, Decision.State.SUPERSEDED)
            outcomes.reverse(earlier)
            clocks.end(earlier.clocks.all(), Clock.State.VOID)
        decision = _record(case, decider, outcome, ground, cited, texts)
        statements.write(decision, _start_clocks(decision))
        outcomes.OUTCOMES[outcome].process(decision)
        _settle(decision)
        learning.from_decision(decision)
    return decision


def draft(
    case: Case,
    decider: User,
    *,
    outcome: str,
    ground: str,
    rule_ids: Sequence[str],
    facts_text: str,
    explanation: str,
) -> Decision:
    """The decision as `decide` would make it, not saved: its statements can be read before. Raises as `decide` does."""
    _may_decide(case, decider)
    texts = {"facts_text": facts_text.strip(), "explanation": explanation.strip()}
    cited = _check(case, outcome, ground, rule_ids, texts)
    outcomes.OUTCOMES[outcome].hold(case)
    return _unsaved(case, decider, outcome, ground, cited, texts)


# --- What may be decided -------------------------------------------------------------------------------------------


def _may_decide(case: Case, decider: User) -> None:
    if case.assigned_to_id != decider.pk:
        raise Forbidden(
            "Take the case first: only its reviewer decides it.",
            code="case.not_yours",
            next_step="Assign it to yourself.",
        )
    cases.may_review(case, decider)


def _check(case: Case, outcome: str, ground: str, rule_ids: Sequence[str], texts: dict[str, str]) -> list[rules.Rule]:
    known = {rule.id: rule for rule in rules.citable(case.created_at.date())}
    cited = [known[rule_id] for rule_id in dict.fromkeys(rule_ids) if rule_id in known]
    wrong = {
        "outcome": outcome not in outcomes.OUTCOMES and "Choose one of the outcomes.",
        "ground": ground not in Decision.Ground.values and "A law, or the terms of this office.",
        "rule_ids": _bad_citation(ground, rule_ids, cited, known),
        **{field: objection(text, case) for field, text in texts.items()},
    }
    refuse_fields({field: message for field, message in wrong.items() if message})
    return cited


def _bad_citation(ground: str, rule_ids: Sequence[str], cited: list[rules.Rule], known: dict[str, rules.Rule]) -> str:
    if not rule_ids:
        return "Cite at least one rule."
    if unknown := [rule_id for rule_id in rule_ids if rule_id not in known]:
        return f"Not in force when this case was opened: {', '.join(unknown[:5])}."
    if ground == Decision.Ground.TERMS and not any(rule.is_terms for rule in cited):
        return "The ground is the office's terms: cite the clause."
    if ground == Decision.Ground.ILLEGAL and all(rule.is_terms for rule in cited):
        return "The ground is a law: cite its article."
    return ""


# --- Writing it down -----------------------------------------------------------------------------------------------


def _record(
    case: Case, decider: User, outcome: str, ground: str, cited: list[rules.Rule], texts: dict[str, str]
) -> Decision:
    decision = _unsaved(case, decider, outcome, ground, cited, texts)
    decision.entry = log.append(
        EventType.DECISION_MADE,
        actor=decider.actor,
        role=reviewing_role(decider),
        object=case.object,
        refs=[case.entry] if case.entry else [],
        facts={
            "decision": str(decision.pk),
            "category": case.category,
            "outcome": outcome,
            "ground": ground,
            "rules": [rule.id for rule in cited],
            "rule_pack": rules.pack().digest,
            "automated_detection": decision.automated_detection,
            "automated_decision": decision.automated_decision,
        },
        sealed={"reasons": Sealed(texts, case.object)},
    )
    decision.save(force_insert=True)
    return decision


def _unsaved(
    case: Case, decider: User, outcome: str, ground: str, cited: list[rules.Rule], texts: dict[str, str]
) -> Decision:
    return Decision(
        case=case,
        decider=decider,
        outcome=outcome,
        ground=ground,
        rule_refs=[_reference(rule) for rule in cited],
        automated_detection=case.flags.filter(origin__in=MACHINE_ORIGINS).exists(),
        **texts,
    )


def _reference(rule: rules.Rule) -> dict[str, str]:
    return {
        "id": rule.id,
        "instrument": rule.instrument,
        "article": rule.article,
        "status": rules.LEGAL_STATUS,
        "pack": rules.pack().digest,
    }


def facts_of(decision: Decision) -> dict[str, Any]:
    """The decision as facts for rules, in the words the law table uses for restrictions."""
    restriction = {Decision.Outcome.HIDE: "disable"}
    return {
        "category": decision.case.category,
        "jurisdictions": sorted({*decision.case.jurisdictions, *_served()}),
        "decision": restriction.get(Decision.Outcome(decision.outcome), decision.outcome),
    }


def _served() -> list[str]:
    """Where this office serves people: its duties to explain and to hear an appeal follow from that."""
    return rules.widen(settings.ASSAY_JURISDICTIONS)


def _start_clocks(decision: Decision) -> list[Clock]:
    """The windows to appeal; and the duty to explain, met in the same transaction."""
    facts = facts_of(decision)
    on: dict[str, Any] = {"case": decision.case, "decision": decision, "entry": decision.entry}
    at = decision.created_at
    windows = clocks.start(Clock.Purpose.APPEAL, facts, clocks.DECISION, at=at, **on)
    clocks.start(Clock.Purpose.DUTY, facts, clocks.RESTRICTION, at=at, **on)
    clocks.end(decision.clocks.filter(purpose=Clock.Purpose.DUTY), Clock.State.MET)
    return windows


def _settle(decision: Decision) -> None:
    """Notices are answered, deadlines to decide are met, flags are confirmed or cleared."""
    case = decision.case
    for notice in case.notices.exclude(state=Notice.State.ANSWERED):
        move(notice, Notice.MOVES, Notice.State.ANSWERED)
    clocks.end(case.clocks.filter(purpose=Clock.Purpose.DECIDE), Clock.State.MET)
    clocks.end(case.clocks.filter(purpose=Clock.Purpose.ASK), Clock.State.VOID)
    no_action = decision.outcome == Decision.Outcome.NO_ACTION
    flags.settle(case, Flag.State.CLEARED if no_action else Flag.State.CONFIRMED, by=decision.decider)


def in_effect(case: Case) -> Decision | None:
    """The decision that counts now."""
    return case.decisions.filter(state=Decision.State.IN_EFFECT).order_by("-pk").first()
