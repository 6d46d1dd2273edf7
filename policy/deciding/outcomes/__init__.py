"""Outcomes of a decision as classes: hold, process, log, notify, reverse.

What the public sees of a work is always the strongest restriction that any action in force asks for. So undoing one
action restores exactly what it changed and never lifts what another decision still demands. What cannot be undone
(I3) is planned, not done: `policy.deciding.removals` does it when the time to appeal is over.
"""

from collections.abc import Collection, Iterable, Sequence

from core.clock import now
from core.states import move
from ledger.events import EventType
from ledger.models import Entry
from policy.deciding.outcomes.accounts import STRIKE, SUSPENDED, Suspend, strike
from policy.deciding.outcomes.base import Outcome, record
from policy.deciding.outcomes.blocking import HASH_BLOCKED, HashBlock
from policy.deciding.outcomes.visibility import (
    LABEL,
    LABELS,
    PURGE,
    AgeRestrict,
    GeoRestrict,
    Hide,
    Label,
    Remove,
    Restriction,
    at_once,
    show,
)
from policy.models import Action, Affected, Decision

__all__ = [
    "ALSO",
    "HASH_BLOCKED",
    "INTERIM",
    "LABEL",
    "LABELS",
    "OUTCOMES",
    "PURGE",
    "STRIKE",
    "SUSPENDED",
    "Outcome",
    "Restriction",
    "all_of",
    "at_once",
    "notify",
    "process",
    "reverse",
    "show",
    "standing",
]

OUTCOMES: dict[str, Outcome] = {
    each.name: each
    for each in (Outcome(), Label(), AgeRestrict(), GeoRestrict(), Hide(), Remove(), HashBlock(), Suspend())
}
# What may be done until the case is decided: all of it can be undone at once.
INTERIM = frozenset(
    {Decision.Outcome.LABEL, Decision.Outcome.AGE_RESTRICT, Decision.Outcome.GEO_RESTRICT, Decision.Outcome.HIDE}
)
# What may stand beside a main outcome in one decision.
ALSO = frozenset({Decision.Outcome.HASH_BLOCK, Decision.Outcome.SUSPEND})


def all_of(decision: Decision) -> list[Outcome]:
    """The outcomes of the decision, the main one first."""
    return [OUTCOMES[name] for name in dict.fromkeys((decision.outcome, *decision.also))]


def notify(decision: Decision) -> Sequence[Affected]:
    """In which roles people are affected and get a statement of reasons."""
    return list(dict.fromkeys(role for outcome in all_of(decision) for role in outcome.notify()))


def process(decision: Decision) -> list[Action]:
    """Do all of it, in the decision's transaction, whose caller then lets the public see it (`show`).

    Returns what was done and what is planned.
    """
    return [action for outcome in all_of(decision) for action in outcome.process(decision)] + strike(decision)


def reverse(
    decision: Decision, *, refs: Sequence[Entry] = (), but: Collection[str] = (), then_show: bool = True
) -> int:
    """Undo every action of the decision that stands, in its caller's transaction. Returns how many.

    refs: the entries for which it is undone. but: kinds of actions that stay. then_show: False where the caller
    changes the work's visibility next.
    """
    undone = list(decision.actions.exclude(state=Action.State.REVERSED).exclude(kind__in=but).order_by("-pk"))
    for action in undone:
        _undo(action, refs)
    if then_show:
        _show(undone)
    return len(undone)


def _undo(action: Action, refs: Sequence[Entry]) -> None:
    if action.state != Action.State.PLANNED and not action.inverse:
        return  # it is gone; `standing` goes on saying so (I3, I4)
    kind = _OF_KIND.get(action.kind)
    if kind is not None:
        kind.undo(action)
    move(action, Action.MOVES, Action.State.REVERSED, reversed_at=now())
    record(EventType.ACTION_REVERSED, action, refs=refs)


def _show(actions: Iterable[Action]) -> None:
    """Once for all of them, when all are written down."""
    seen = [action.decision.case.asset for action in actions if action.kind in _SHOWN]
    if seen and seen[0] is not None:
        show(seen[0])


def standing(decision: Decision) -> list[str]:
    """What of the decision is not undone, a sentence each; none once it is undone completely (I4)."""
    left = []
    for action in decision.actions.exclude(state=Action.State.REVERSED).order_by("pk"):
        if action.kind == PURGE and action.state != Action.State.PLANNED:
            left.append("The files are deleted and cannot be brought back.")
        else:
            left.append(f"The action “{action.kind}” is {action.get_state_display()}.")
    for outcome in (OUTCOMES[Decision.Outcome.HASH_BLOCK], OUTCOMES[Decision.Outcome.SUSPEND]):
        left += outcome.standing(decision)
    return left


_OF_KIND: dict[str, Outcome] = {
    HASH_BLOCKED: OUTCOMES[Decision.Outcome.HASH_BLOCK],
    SUSPENDED: OUTCOMES[Decision.Outcome.SUSPEND],
    STRIKE: OUTCOMES[Decision.Outcome.SUSPEND],
}
_SHOWN = frozenset({each.kind for each in OUTCOMES.values() if isinstance(each, Restriction)})
