"""Running a detector over a suite: every item under every condition, its raw score and nothing else.

A score is the network's logit (higher: more consistent with “synthetic”), before any calibration; what can't be scored
is NaN and counted, not dropped. The loader and the score are given, so the same loop measures pictures and sound, our
detectors and others'.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from core.problems import Problem
from detection.evaluation.suite import Item

T = TypeVar("T")
Scores = npt.NDArray[np.float64]
AS_IS = "as_is"


@dataclass(frozen=True)
class Scored:
    """score: of the item under the condition, NaN where there is none. held_out: the source or generator that the
    network had not seen when it gave the score; "" where nothing of this kind was ever trained on.
    """

    item: Item
    condition: str
    score: float
    held_out: str = ""


def run(
    items: Iterable[Item],
    *,
    load: Callable[[Item], T],
    score: Callable[[T], float],
    conditions: Mapping[str, Callable[[T], T]],
    held_out: str = "",
    progress: Callable[[Item], None] = lambda item: None,
) -> list[Scored]:
    """Every item is loaded once and scored under each condition. A Problem (too small, unreadable) scores NaN."""
    scored = []
    for item in items:
        progress(item)
        for name, value in _under(item, load, conditions):
            scored.append(Scored(item, name, _score(score, value), held_out))
    return scored


def _under(
    item: Item, load: Callable[[Item], T], conditions: Mapping[str, Callable[[T], T]]
) -> Iterable[tuple[str, T | None]]:
    try:
        loaded = load(item)
    except Problem:
        yield from ((name, None) for name in conditions)
        return
    yield from ((name, happens(loaded)) for name, happens in conditions.items())


def _score(score: Callable[[T], float], value: T | None) -> float:
    if value is None:
        return float("nan")
    try:
        return float(score(value))
    except Problem:
        return float("nan")


def of(scored: Iterable[Scored], *, condition: str = AS_IS, synthetic: bool | None = None) -> list[Scored]:
    """Those under a condition, of one class or both, that have a score."""
    return [
        one
        for one in scored
        if one.condition == condition
        and np.isfinite(one.score)
        and (synthetic is None or one.item.synthetic == synthetic)
    ]


def values(scored: Sequence[Scored]) -> Scores:
    return np.asarray([one.score for one in scored], dtype=np.float64)
