"""Consent, cases and decisions, and what the log says about them (`ledger.reconciliation`)."""

import json
import uuid
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.consents import bases, consent
from policy.desk import roster
from policy.models import (
    Action,
    Case,
    Consent,
    ConsentEvent,
    Decision,
    DeclaredConflict,
    Depiction,
    Flag,
    MediaView,
    Notice,
    ProcessingBasis,
    Recusal,
    ReviewerProfile,
    SecondReview,
    Signal,
    StatementOfReasons,
)

_CASE = {
    EventType.CASE_OPENED: Case.State.OPEN,
    EventType.DECISION_MADE: Case.State.DECIDED,
    EventType.DECISION_PROPOSED: Case.State.PROPOSED,
    EventType.DECISION_RETURNED: Case.State.IN_REVIEW,
    EventType.DECISION_WITHDRAWN: Case.State.IN_REVIEW,
    EventType.CASE_CLOSED: Case.State.CLOSED,
    EventType.CASE_REOPENED: Case.State.REOPENED,
}
_HANDS = {
    "taken": Case.State.IN_REVIEW,
    "released": Case.State.OPEN,
    "taken_back": Case.State.OPEN,
    "asked": Case.State.AWAITING_INFO,
    "answered": Case.State.IN_REVIEW,
    "lapsed": Case.State.IN_REVIEW,
}


def answers() -> Iterator[str]:
    """Every answer about consent has its entry, and the state of a consent, and what stands of it, follow from its
    answers. Every signal and every other basis has its entry.
    """
    yield from compare(Depiction.objects.all(), lambda row: Said(EventType.CONSENT_REQUESTED, f"asset:{row.asset_id}"))
    yield from compare(ConsentEvent.objects.select_related("consent__depiction"), _answered)
    for row in Consent.objects.prefetch_related("events").order_by("pk").iterator(1000):
        folded = consent.fold(row.purposes, ((event.kind, event.purposes) for event in row.events.all()))
        if (folded.state, list(folded.granted)) != (row.state, row.granted):
            yield f"consent {row.pk} is “{row.state}” for {row.granted}, which does not follow from its answers"
    yield from compare(Signal.objects.all(), lambda row: Said(EventType.SIGNAL_SEEN, None, {"value": row.value}))
    yield from compare(ProcessingBasis.objects.all(), _based)
    withdrawn = {leaf["facts"]["basis"]: "withdrawn" for leaf in leaves(EventType.BASIS_WITHDRAWN)}
    recorded: Any = ProcessingBasis.objects.order_by("pk").values_list("pk", "withdrawn_at").iterator()
    rows = ((str(pk), "withdrawn" if at else "recorded") for pk, at in recorded)
    yield from states("the state of basis", rows, withdrawn, "recorded")


def _answered(event: ConsentEvent) -> Said:
    facts: dict[str, Any] = {"signed_sha256": event.signed_sha256, "manifest_sha256": event.manifest_sha256}
    if event.purposes:  # none in rows older than the field
        facts["purposes"] = event.purposes
    return Said(consent.EVENTS[event.kind], f"asset:{event.consent.depiction.asset_id}", facts)


def _based(row: ProcessingBasis) -> Said:
    return Said(EventType.BASIS_RECORDED, facts=bases.facts_of(row))


def cases() -> Iterator[str]:
    """Every case, notice and flag has its entry, and is in the state that the log left it in."""
    opened = Case.objects.all()
    yield from compare(opened, _opened)
    yield from compare(Notice.objects.all(), _filed)
    yield from compare(Flag.objects.all(), _raised)
    yield from compare(MediaView.objects.all(), _viewed)
    rows = Case.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of", ((f"case:{pk}", state) for pk, state in rows), _case_states())
    settled = {ref: leaf["facts"]["state"] for leaf in leaves(EventType.FLAG_SETTLED) for ref in leaf["refs"][:1]}
    flags = Flag.objects.order_by("pk").values_list("entry__leaf_hash", "state").iterator()
    yield from states("the flag of entry", ((bytes(h or b"").hex(), state) for h, state in flags), settled, "raised")


def _opened(case: Case) -> Said:
    about = {"category": case.category, "asset": str(case.asset_id or "")}
    return Said(EventType.CASE_OPENED, case.object, sealed={"about": about})


def _filed(notice: Notice) -> Said:
    about = {"category": notice.category, "jurisdiction": notice.jurisdiction}
    sealed = {"about": about, "answers": {"exemptions": notice.exemptions}}
    return Said(EventType.NOTICE_FILED, facts={"notice": str(notice.pk)}, sealed=sealed)


def _viewed(view: MediaView) -> Said:
    # Rows older than the steps count nothing, and their entries say nothing of it.
    facts = {"step": view.step, "points": view.points} if view.points else {}
    return Said(EventType.MEDIA_VIEWED, f"case:{view.case_id}", facts)


def _raised(flag: Flag) -> Said:
    return _of_work(EventType.FLAG_RAISED, flag, flag.asset_id, {}, {"origin": flag.origin})


def _of_work(
    kind: EventType,
    row: Flag | Action,
    asset: uuid.UUID | None,
    facts: dict[str, Any],
    about: Mapping[str, Any] = MappingProxyType({}),
) -> Said:
    """Which work an entry is about is sealed, and `about` with it; in older ones they were its object and facts."""
    if row.entry is not None and b'"about":' not in bytes(row.entry.leaf):
        return Said(kind, f"asset:{asset}" if asset else None, {**facts, **about})
    return Said(kind, None, facts, {"about": {"asset": str(asset or ""), **about}})


def _case_states() -> dict[str, str]:
    last: dict[str, str] = {}
    for leaf in leaves(*_CASE, EventType.CASE_ASSIGNED, EventType.CASE_WAITING, EventType.CASE_RECUSED):
        kind, facts = EventType(leaf["type"]), leaf["facts"]
        if kind == EventType.CASE_RECUSED:
            last |= {leaf["object"]: Case.State.OPEN} if facts["held"] else {}
        elif not facts.get("interim"):  # a measure leaves the case in review
            last[leaf["object"]] = _CASE[kind] if kind in _CASE else _HANDS[facts["how"]]
    return last


def desk() -> Iterator[str]:
    """Every profile, conflict, case given back and second answer has its entry, and says what the newest one says."""
    profiles = ReviewerProfile.objects.all()
    yield from compare(profiles, lambda row: Said(EventType.REVIEWER_CHANGED, f"reviewer:{row.pk}"))
    newest = {leaf["object"]: _entered(leaf["facts"]) for leaf in leaves(EventType.REVIEWER_CHANGED)}
    yield from states(
        "the roster's", ((f"reviewer:{row.pk}", _entered(roster.facts_of(row))) for row in profiles), newest
    )
    yield from compare(
        DeclaredConflict.objects.all(), lambda row: Said(EventType.CONFLICT_DECLARED, f"conflict:{row.pk}")
    )
    yield from compare(Recusal.objects.all(), lambda row: Said(EventType.CASE_RECUSED, f"case:{row.case_id}"))
    answers = {
        leaf["facts"]["decision"]: leaf["facts"]["outcome"]
        for leaf in leaves(EventType.DECISION_REVIEWED_AGAIN)
        if leaf["facts"]["how"] == "answered"
    }
    again = SecondReview.objects.order_by("pk").values_list("decision_id", "outcome").iterator()
    yield from states("the second answer to", ((str(pk), outcome) for pk, outcome in again), answers, "")


def _entered(facts: Any) -> str:
    return json.dumps({name: value for name, value in facts.items() if name != "actor"}, sort_keys=True)


def decisions() -> Iterator[str]:
    """Every decision, and what it did and why, has its entry and says the same."""
    yield from compare(Decision.objects.all(), _decided)
    yield from compare(StatementOfReasons.objects.all(), _explained)
    yield from compare(Action.objects.select_related("decision__case"), _executed)
    undone = {(leaf["facts"]["decision"], leaf["facts"]["kind"]) for leaf in leaves(EventType.ACTION_REVERSED)}
    for pk, decision, kind, state in Action.objects.values_list("pk", "decision_id", "kind", "state").iterator():
        if ((str(decision), kind) in undone) != (state == Action.State.REVERSED):
            yield f"action {pk} is “{state}”, and the log says otherwise"


def _decided(decision: Decision) -> Said:
    facts = {
        "decision": str(decision.pk),
        "outcome": decision.outcome,
        "automated_detection": decision.automated_detection,
        # What is empty is not in the entries of decisions older than these fields.
        **{name: value for name in ("also", "interim") if (value := getattr(decision, name))},
    }
    proposed = decision.state in (Decision.State.HELD, Decision.State.RETURNED, Decision.State.WITHDRAWN)
    kind = EventType.DECISION_PROPOSED if proposed else EventType.DECISION_MADE
    about = {"ground": decision.ground, "rules": [rule["id"] for rule in decision.rule_refs]}
    about |= {"territory": decision.territory} if decision.territory else {}
    if decision.entry is not None and b'"ground":' in bytes(decision.entry.leaf):  # older: in the open
        return Said(kind, f"case:{decision.case_id}", {**facts, **about})
    return Said(kind, f"case:{decision.case_id}", facts, {"about": about})


def _explained(statement: StatementOfReasons) -> Said:
    kind = EventType.STATEMENT_CORRECTED if statement.corrects_id else EventType.DECISION_MADE
    return Said(kind, facts={"decision": str(statement.decision_id)})


def _executed(action: Action) -> Said:
    facts = {"kind": action.kind, "inverse": action.inverse, "decision": str(action.decision_id)}
    kind = EventType.ACTION_PLANNED if action.planned_for else EventType.ACTION_EXECUTED
    return _of_work(kind, action, action.decision.case.asset_id, facts)
