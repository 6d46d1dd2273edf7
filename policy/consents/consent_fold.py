"""What stands of a consent: a pure fold over its events (I9), for its state and for each purpose.

Nothing in the past is deleted or changed; an event that was not possible in the state it met changes nothing.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from policy.models import Consent

State = Consent.State


class Happened(NamedTuple):
    """kind: of Consent.State. purposes: what it is about; none in rows older than the field, which were about all."""

    kind: str
    purposes: Collection[str] = ()


class Folded(NamedTuple):
    """granted: the purposes that stand, in order."""

    state: str
    granted: tuple[str, ...] = ()


def fold(asked: Collection[str], events: Iterable[tuple[str, Collection[str]]]) -> Folded:
    """What these events (`Happened`), in order, leave of a consent to the purposes that were asked for.

    `Consent.state` and `Consent.granted` must always equal it.
    """
    folded = Folded(State.REQUESTED)
    for kind, purposes in events:
        folded = after(folded, kind, purposes or asked)
    return folded


def after(folded: Folded, kind: str, purposes: Collection[str]) -> Folded:
    """One event later. Withdrawing some purposes leaves the others as they stand."""
    if kind not in Consent.MOVES.get(folded.state, ()):
        return folded
    if kind == State.WITHDRAWN:
        left = tuple(one for one in folded.granted if one not in purposes)
        return Folded(folded.state if left else kind, left)
    return Folded(kind, tuple(sorted(purposes)) if kind in Consent.STANDS else ())
