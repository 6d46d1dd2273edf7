"""Consent, cases, decisions, appeals and rights, and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator
from typing import Any

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy import consent
from policy.models import (
    Action,
    Appeal,
    Case,
    Consent,
    ConsentEvent,
    DataRequest,
    Decision,
    Depiction,
    Export,
    Flag,
    Hold,
    MediaView,
    Notice,
    StatementOfReasons,
)

_ASKED_OR_ANSWERED = {
    Consent.State.REQUESTED: EventType.CONSENT_REQUESTED,
    Consent.State.GIVEN: EventType.CONSENT_GIVEN,
    Consent.State.REFUSED: EventType.CONSENT_REFUSED,
    Consent.State.WITHDRAWN: EventType.CONSENT_WITHDRAWN,
}
_DATA_REQUEST = {
    DataRequest.Kind.ACCESS: EventType.DATA_ACCESSED,
    DataRequest.Kind.ERASE: EventType.ERASURE_REQUESTED,
}
_CASE = {
    EventType.CASE_OPENED: Case.State.OPEN,
    EventType.DECISION_MADE: Case.State.DECIDED,
    EventType.CASE_CLOSED: Case.State.CLOSED,
    EventType.CASE_REOPENED: Case.State.REOPENED,
}
_ASSIGNED = {"taken": Case.State.IN_REVIEW, "released": Case.State.OPEN}


def answers() -> Iterator[str]:
    """Every answer about consent has its entry, and the state of a consent follows from its answers."""
    yield from compare(Depiction.objects.all(), lambda row: Said(EventType.CONSENT_REQUESTED, f"asset:{row.asset_id}"))
    yield from compare(ConsentEvent.objects.select_related("consent__depiction"), _answered)
    for row in Consent.objects.prefetch_related("events").order_by("pk").iterator(1000):
        if consent.fold(event.kind for event in row.events.all()) != row.state:
            yield f"consent {row.pk} is “{row.state}”, which does not follow from its answers"


def _answered(event: ConsentEvent) -> Said:
    facts = {"signed_sha256": event.signed_sha256, "manifest_sha256": event.manifest_sha256}
    kind = _ASKED_OR_ANSWERED[Consent.State(event.kind)]
    return Said(kind, f"asset:{event.consent.depiction.asset_id}", facts)


def cases() -> Iterator[str]:
    """Every case, notice and flag has its entry, and is in the state that the log left it in."""
    opened = Case.objects.all()
    yield from compare(opened, lambda row: Said(EventType.CASE_OPENED, row.object, {"category": row.category}))
    yield from compare(Notice.objects.all(), _filed)
    yield from compare(Flag.objects.all(), _raised)
    yield from compare(MediaView.objects.all(), lambda row: Said(EventType.MEDIA_VIEWED, f"case:{row.case_id}"))
    rows = Case.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of", ((f"case:{pk}", state) for pk, state in rows), _case_states())
    settled = {ref: leaf["facts"]["state"] for leaf in leaves(EventType.FLAG_SETTLED) for ref in leaf["refs"][:1]}
    flags = Flag.objects.order_by("pk").values_list("entry__leaf_hash", "state").iterator()
    yield from states("the flag of entry", ((bytes(h or b"").hex(), state) for h, state in flags), settled, "raised")


def _filed(notice: Notice) -> Said:
    names = ("category", "jurisdiction", "exemptions")
    facts = {"notice": str(notice.pk), **{name: getattr(notice, name) for name in names}}
    return Said(EventType.NOTICE_FILED, facts=facts)


def _raised(flag: Flag) -> Said:
    return Said(EventType.FLAG_RAISED, f"asset:{flag.asset_id}", {"origin": flag.origin})


def _case_states() -> dict[str, str]:
    last: dict[str, str] = {}
    for leaf in leaves(*_CASE, EventType.CASE_ASSIGNED):
        kind = EventType(leaf["type"])
        last[leaf["object"]] = _CASE[kind] if kind in _CASE else _ASSIGNED[leaf["facts"]["how"]]
    return last


def decisions() -> Iterator[str]:
    """Every decision, what it did and why, and every appeal has its entry and says the same."""
    yield from compare(Decision.objects.all(), _decided)
    yield from compare(StatementOfReasons.objects.all(), _explained)
    yield from compare(Action.objects.select_related("decision__case"), _executed)
    yield from compare(Appeal.objects.all(), _appealed)
    outcomes = {leaf["facts"]["appeal"]: leaf["facts"]["outcome"] for leaf in leaves(EventType.APPEAL_DECIDED)}
    rows = Appeal.objects.order_by("pk").values_list("pk", "outcome").iterator()
    yield from states("the outcome of appeal", ((str(pk), outcome) for pk, outcome in rows), outcomes, "")
    undone = {(leaf["facts"]["decision"], leaf["facts"]["kind"]) for leaf in leaves(EventType.ACTION_REVERSED)}
    for pk, decision, kind, state in Action.objects.values_list("pk", "decision_id", "kind", "state").iterator():
        if ((str(decision), kind) in undone) != (state == Action.State.REVERSED):
            yield f"action {pk} is “{state}”, and the log says otherwise"


def _decided(decision: Decision) -> Said:
    facts = {
        "decision": str(decision.pk),
        "outcome": decision.outcome,
        "ground": decision.ground,
        "rules": [rule["id"] for rule in decision.rule_refs],
        "automated_detection": decision.automated_detection,
    }
    return Said(EventType.DECISION_MADE, f"case:{decision.case_id}", facts)


def _explained(statement: StatementOfReasons) -> Said:
    return Said(EventType.DECISION_MADE, facts={"decision": str(statement.decision_id)})


def _executed(action: Action) -> Said:
    facts = {"kind": action.kind, "inverse": action.inverse, "decision": str(action.decision_id)}
    return Said(EventType.ACTION_EXECUTED, f"asset:{action.decision.case.asset_id}", facts)


def _appealed(appeal: Appeal) -> Said:
    facts = {"decision": str(appeal.decision_id), "appeal": str(appeal.pk), "by": appeal.role}
    return Said(EventType.APPEAL_FILED, facts=facts)


def rights() -> Iterator[str]:
    """Every request about one's own data, hold and export has its entry."""
    yield from compare(DataRequest.objects.all(), _requested)
    yield from compare(Hold.objects.all(), _held)
    yield from compare(Export.objects.all(), _exported)
    released = {leaf["object"]: "released" for leaf in leaves(EventType.HOLD_RELEASED)}
    holds: Any = Hold.objects.order_by("pk").values_list("pk", "released_at").iterator()
    rows = ((f"hold:{pk}", "released" if at else "held") for pk, at in holds)
    yield from states("the state of", rows, released, "held")


def _requested(request: DataRequest) -> Said:
    return Said(_DATA_REQUEST[DataRequest.Kind(request.kind)])


def _held(hold: Hold) -> Said:
    facts = {"basis": hold.basis, "review_date": hold.review_date.isoformat()}
    return Said(EventType.HOLD_PLACED, f"hold:{hold.pk}", facts)


def _exported(export: Export) -> Said:
    facts = {"sha256": export.sha256, "entries": export.entries, "size": export.tree_size, "types": export.types}
    return Said(EventType.EXPORT_MADE, f"export:{export.pk}", facts)
