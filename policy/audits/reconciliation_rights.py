"""Requests about one's own data, holds and breaches, and what the log says about them."""

from collections.abc import Iterator
from typing import Any

from ledger.events import EventType
from ledger.reconciliation import Said, compare, leaves, states
from policy.models import Breach, BreachParty, DataRequest, Hold

_REQUEST = {
    DataRequest.Kind.ACCESS: EventType.DATA_ACCESSED,
    DataRequest.Kind.ERASE: EventType.ERASURE_REQUESTED,
}
_BREACH = {"authority": Breach.State.TOLD, "nobody": Breach.State.NOT_TOLD}
# Before registry version 5 the end of these had no entry of its own.
_OLDER = tuple(_REQUEST)


def rights() -> Iterator[str]:
    """Every request, hold and breach has its entry, and is in the state that the log left it in."""
    yield from compare(DataRequest.objects.all(), _requested)
    yield from _request_states()
    yield from _proofs()
    yield from compare(
        Hold.objects.all(), lambda hold: Said(EventType.HOLD_PLACED, f"hold:{hold.pk}", {"basis": hold.basis})
    )
    yield from _hold_states()
    yield from compare(Breach.objects.all(), _breach)
    yield from _breach_states()
    yield from compare(BreachParty.objects.all(), lambda row: Said(EventType.BREACH_OPENED, f"breach:{row.breach_id}"))


def _requested(request: DataRequest) -> Said:
    event = _REQUEST.get(DataRequest.Kind(request.kind), EventType.DATA_REQUESTED)
    return Said(event, f"request:{request.pk}", {"kind": request.kind})


def _request_states() -> Iterator[str]:
    """An answer is on record; what happens before it, within the office, is a state of work."""
    ended = {leaf["object"]: leaf["facts"] for leaf in leaves(EventType.DATA_ANSWERED, EventType.DATA_REFUSED)}
    said = {name: facts.get("state", DataRequest.State.REFUSED) for name, facts in ended.items()}
    said = {name: DataRequest.State.DONE if state == "lifted" else state for name, state in said.items()}
    rows: list[tuple[str, str]] = []
    for pk, kind, state in DataRequest.objects.order_by("pk").values_list("pk", "kind", "state").iterator():
        name = f"request:{pk}"
        if name in said or kind not in _OLDER:
            rows.append((name, "open" if state in DataRequest.OPEN else state))
    yield from states("the state of", rows, said, "open")


def _proofs() -> Iterator[str]:
    """How who asked by letter proved who they are, as the log says it."""
    said = {leaf["object"]: leaf["facts"]["how"] for leaf in leaves(EventType.DATA_PROVED)}
    rows = ((f"request:{pk}", how) for pk, how in DataRequest.objects.order_by("pk").values_list("pk", "proved_how"))
    yield from states("the proof of", rows, said, "")


def _hold_states() -> Iterator[str]:
    released = {leaf["object"]: "released" for leaf in leaves(EventType.HOLD_RELEASED)}
    placed = leaves(EventType.HOLD_PLACED, EventType.HOLD_REVIEWED)
    reviews = {leaf["object"]: leaf["facts"]["review_date"] for leaf in placed}
    holds: list[Any] = list(Hold.objects.order_by("pk").values_list("pk", "released_at", "review_date"))
    rows = ((f"hold:{pk}", "released" if at else "held") for pk, at, _day in holds)
    yield from states("the state of", rows, released, "held")
    days = ((f"hold:{pk}", day.isoformat()) for pk, _at, day in holds)
    yield from states("the review date of", days, reviews)


def _breach(breach: Breach) -> Said:
    facts = {"kind": breach.kind, "aware_at": breach.aware_at.isoformat()}
    return Said(EventType.BREACH_OPENED, f"breach:{breach.pk}", facts)


def _breach_states() -> Iterator[str]:
    last: dict[str, str] = {}
    for leaf in leaves(EventType.BREACH_TOLD, EventType.BREACH_CLOSED):
        if leaf["type"] == EventType.BREACH_CLOSED:
            last[leaf["object"]] = Breach.State.CLOSED
        elif leaf["facts"]["whom"] in _BREACH:
            last[leaf["object"]] = _BREACH[leaf["facts"]["whom"]]
    rows = (
        (f"breach:{pk}", state) for pk, state in Breach.objects.order_by("pk").values_list("pk", "state").iterator()
    )
    yield from states("the state of", rows, last, Breach.State.OPEN)
