"""An appeal never makes it worse for who appeals: two decisions side by side, each dimension for itself.

What the public cannot see, which copies are kept out, whether an account is suspended; in which places; until when.
No line from mild to grave: a suspension is no stronger hiding, and the same for longer is more.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from policy.law import rules
from policy.models import Decision

_O = Decision.Outcome
# The public sees less and less; not shown in some places is hidden there.
_UNSEEN: Final = {_O.LABEL: 1, _O.AGE_RESTRICT: 2, _O.HIDE: 3, _O.REMOVE: 4}
_ELSEWHERE: Final = ""


@dataclass(frozen=True)
class Reach:
    """What a decision restricts. places: codes; none: everywhere. ends_at: None when it does not end by itself."""

    outcomes: frozenset[str]
    places: frozenset[str]
    ends_at: dt.datetime | None

    def within(self, other: "Reach") -> bool:
        """Whether this restricts nothing more than `other`, in no place more, and no longer."""
        places = {*self.places, *other.places, _ELSEWHERE}
        pairs = [(self._grip(place), other._grip(place)) for place in places]
        if any(mine > theirs for ours, others in pairs for mine, theirs in zip(ours, others, strict=True)):
            return False
        restricts = any(any(ours) for ours, _ in pairs)
        return not restricts or not self._outlasts(other)

    def _grip(self, place: str) -> tuple[int, int, int]:
        """(unseen, copies kept out, suspended) for somebody in that place."""
        here = not self.places or bool(self.places & set(rules.widen([place])))
        unseen = max(_UNSEEN.get(_O(outcome), 0) for outcome in self.outcomes)
        if here and _O.GEO_RESTRICT in self.outcomes:
            unseen = _UNSEEN[_O.HIDE]
        return unseen, int(here and _O.HASH_BLOCK in self.outcomes), int(_O.SUSPEND in self.outcomes)

    def _outlasts(self, other: "Reach") -> bool:
        if other.ends_at is None:
            return False
        return self.ends_at is None or self.ends_at > other.ends_at


def of_decision(decision: Decision) -> Reach:
    return Reach(frozenset((decision.outcome, *decision.also)), frozenset(decision.territory), decision.ends_at)


def of_replacement(said: Mapping[str, Any]) -> Reach | None:
    """None for what is no outcome or no moment at all: the decision's own checks say so."""
    outcomes, ends_at = frozenset((said.get("outcome", ""), *said.get("also", ()))), said.get("ends_at")
    if outcomes - set(_O.values) or (ends_at is not None and ends_at.tzinfo is None):
        return None
    return Reach(outcomes, frozenset(said.get("territory", ())), ends_at)


def begins_anew(decision: Decision, new: Reach) -> str:
    """Why a suspension that goes on must have an end: without one, or with a later one, it would last longer."""
    until = decision.suspensions.order_by("-until").values_list("until", flat=True).first()
    if until is None or _O.SUSPEND not in new.outcomes or (new.ends_at is not None and new.ends_at <= until):
        return ""
    return f"The suspension would last longer than before: give it an end, at the latest {until:%Y-%m-%d %H:%M} UTC."
