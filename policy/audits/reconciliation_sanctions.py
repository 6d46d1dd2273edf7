"""Blocked copies, suspensions, strikes and the states of decisions, and what the log says about them
(`ledger.reconciliation`).
"""

from collections.abc import Iterator
from typing import Any

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.deciding.outcomes import PURGE
from policy.models import Action, Decision, HashEntry, Strike, Suspension

_HASHES = (EventType.HASH_SUSPENDED, EventType.HASH_WITHDRAWN, EventType.HASH_PURGED)


def sanctions() -> Iterator[str]:
    """Every entry of the list of blocked copies, suspension and strike has its entry and the state it was left in;
    decisions that took effect after a second person agreed, or ran out, are on record; files went with an entry.
    """
    yield from _hashes()
    yield from compare(Suspension.objects.all(), lambda row: Said(EventType.ACCOUNT_SUSPENDED, f"suspension:{row.pk}"))
    ended = {leaf["object"]: leaf["facts"]["state"] for leaf in leaves(EventType.ACCOUNT_REINSTATED)}
    rows = Suspension.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the state of", ((f"suspension:{pk}", state) for pk, state in rows), ended, "active")
    yield from compare(Strike.objects.all(), lambda row: Said(EventType.STRIKE_GIVEN, f"strike:{row.pk}"))
    voided = {leaf["object"]: "void" for leaf in leaves(EventType.STRIKE_VOIDED)}
    strikes: Any = Strike.objects.order_by("pk").values_list("pk", "voided_at").iterator()
    counted = ((f"strike:{pk}", "void" if at else "counts") for pk, at in strikes)
    yield from states("the state of", counted, voided, "counts")
    yield from _decisions()
    yield from _removals()


def _hashes() -> Iterator[str]:
    rows = HashEntry.objects.select_related("entry").order_by("pk")
    yield from compare(rows, lambda row: Said(EventType.HASH_BLOCKED))
    last = {pk: leaf["facts"]["state"] for leaf in leaves(*_HASHES) for pk in leaf["facts"]["entries"]}
    held = HashEntry.objects.order_by("pk").values_list("pk", "state").iterator()
    yield from states("the blocked copy", ((str(pk), state) for pk, state in held), last, "active")


def _decisions() -> Iterator[str]:
    approved = {leaf["facts"]["decision"] for leaf in leaves(EventType.DECISION_APPROVED)}
    expired = {leaf["facts"]["decision"] for leaf in leaves(EventType.DECISION_EXPIRED)}
    rows = Decision.objects.order_by("pk").values_list("pk", "state", "approved_at").iterator()
    for pk, state, approved_at in rows:
        if (str(pk) in approved) != (approved_at is not None):
            yield f"decision {pk} and the log differ on whether a second person approved it"
        ran_out = state == Decision.State.EXPIRED
        if ran_out != (str(pk) in expired) and (ran_out or state not in Decision.MOVES[Decision.State.EXPIRED]):
            yield f"decision {pk} is “{state}”, and the log differs on whether it ran out"


def _removals() -> Iterator[str]:
    done = {leaf["facts"]["decision"] for leaf in leaves(EventType.ACTION_EXECUTED) if leaf["facts"]["kind"] == PURGE}
    rows = Action.objects.filter(kind=PURGE).order_by("pk").values_list("decision_id", "state").iterator()
    for decision, state in rows:
        if (str(decision) in done) != (state in (Action.State.EXECUTED, Action.State.FAILED)):
            yield f"the files of decision {decision} are “{state}”, and the log says otherwise"
