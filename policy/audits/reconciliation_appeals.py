"""Appeals, their messages and bodies outside, and what the log says about them (`ledger.reconciliation`)."""

from collections.abc import Iterator
from typing import Any, Final

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.models import Appeal, AppealMessage, OutOfCourt

_STATE: Final = {
    EventType.APPEAL_FILED: Appeal.State.FILED,
    EventType.APPEAL_DECIDED: Appeal.State.DECIDED,
    EventType.APPEAL_WITHDRAWN: Appeal.State.WITHDRAWN,
    EventType.OUT_OF_COURT_OPENED: Appeal.State.OUT_OF_COURT,
    EventType.APPEAL_FINAL: Appeal.State.FINAL,
}


def appeals() -> Iterator[str]:
    """Every appeal, message and dispute has its entry, says the same, and is in the state that the log left it in."""
    yield from compare(Appeal.objects.all(), _filed)
    yield from compare(AppealMessage.objects.select_related("appeal__decision"), _messaged)
    yield from compare(OutOfCourt.objects.all(), _outside)
    held = Appeal.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of appeal", ((str(pk), state) for pk, state in held), _states())
    decided = {leaf["facts"]["appeal"]: _decided(leaf["facts"]) for leaf in leaves(EventType.APPEAL_DECIDED)}
    rows: Any = Appeal.objects.order_by("pk").values_list("pk", "outcome", "replacement_id").iterator()
    said = ((str(pk), _outcome(outcome, instead)) for pk, outcome, instead in rows)
    yield from states("the outcome of appeal", said, decided, "")
    closed = {leaf["facts"]["appeal"]: leaf["facts"]["outcome"] for leaf in leaves(EventType.OUT_OF_COURT_CLOSED)}
    outside = OutOfCourt.objects.order_by("pk").values_list("appeal_id", "outcome").iterator()
    yield from states("what a body said of appeal", ((str(pk), outcome) for pk, outcome in outside), closed, "")


def _filed(appeal: Appeal) -> Said:
    facts = {"decision": str(appeal.decision_id), "appeal": str(appeal.pk), "by": appeal.role}
    return Said(EventType.APPEAL_FILED, facts=facts)


def _messaged(message: AppealMessage) -> Said:
    by = "office" if message.by_id else message.appeal.role
    facts = {"appeal": str(message.appeal_id), "message": str(message.pk), "by": by}
    return Said(EventType.APPEAL_MESSAGED, f"case:{message.appeal.decision.case_id}", facts)


def _outside(dispute: OutOfCourt) -> Said:
    return Said(EventType.OUT_OF_COURT_OPENED, facts={"appeal": str(dispute.appeal_id), "body": dispute.body})


def _decided(facts: dict[str, Any]) -> str:
    return _outcome(facts["outcome"], facts.get("replacement"))


def _outcome(outcome: str, replacement: object) -> str:
    return f"{outcome}, {replacement}" if replacement else outcome


def _states() -> dict[str, str]:
    last: dict[str, str] = {}
    for leaf in leaves(*_STATE, EventType.APPEAL_ASSIGNED, EventType.APPEAL_MESSAGED):
        kind, facts = EventType(leaf["type"]), leaf["facts"]
        last[facts["appeal"]] = _STATE[kind] if kind in _STATE else _in_hand(kind, facts, last[facts["appeal"]])
    return last


def _in_hand(kind: EventType, facts: dict[str, Any], before: str) -> str:
    """A question waits; the answer to it, or none in time, gives the appeal back to its hearer."""
    if kind == EventType.APPEAL_ASSIGNED:
        return Appeal.State.FILED if facts["how"] in ("released", "taken_back") else Appeal.State.ASSIGNED
    if facts["by"] == "office":
        return Appeal.State.WAITING
    return Appeal.State.ASSIGNED if before == Appeal.State.WAITING else before
