"""Whether a heat map points at what the score rests on: deletion and insertion against a random map.

Pairs of pictures are needed, one altered (or generated) and its true original of the same size. *Deletion* puts the
original's own pixels back, the map's strongest places first: the score of a faithful map falls fast. *Insertion* puts
the altered pixels into the original in the same order: it rises fast. Nothing is blurred or greyed, which would be a
trace itself (detection-methods.md 3b). The random map is the same map with its places shuffled, so that it has the
same values and only the places are wrong. Areas are of the sigmoid of the score less that of the original, per pair in
units of altered less original: 1 is the altered picture, 0 the original.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.explanation import Array, cell_boxes

Rgb = npt.NDArray[np.uint8]
Score = Callable[[Rgb], float]  # one picture (H, W, 3) → logit
Explain = Callable[[Rgb], Array]  # one picture → its map, any size
CELLS = 8  # a side
STEPS = 16
SHUFFLES = 3
LEAST = 0.02  # of altered less original: where the detector sees no difference, there is nothing to explain


@dataclass(frozen=True)
class Pair:
    """altered, original: (H, W, 3). mask: (H, W), where they differ by design; None where everywhere."""

    altered: Rgb
    original: Rgb
    mask: npt.NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        if self.altered.shape != self.original.shape:
            raise ValueError("an altered picture and its original have one size")


@dataclass(frozen=True)
class Faithfulness:
    """Means over pairs, with 95 % bootstrap intervals (value, low, high). deletion: area under the falling curve, lower
    is better; insertion: under the rising one, higher is better; both beside a shuffled map's. deletion_gain: shuffled
    by ours; insertion_gain: ours by shuffled. pointing: share of pairs whose peak lies in the mask, beside its area
    (None without masks). left_out: pairs between which the detector sees no difference.
    """

    pairs: int
    left_out: int
    deletion: tuple[float, float, float]
    deletion_random: float
    insertion: tuple[float, float, float]
    insertion_random: float
    deletion_gain: tuple[float, float, float]
    insertion_gain: tuple[float, float, float]
    pointing: float | None
    pointing_by_chance: float | None

    @property
    def beats_random(self) -> bool:
        """By both measures, the intervals' lower ends included."""
        return self.deletion_gain[1] > 1 and self.insertion_gain[1] > 1

    def as_dict(self) -> dict[str, object]:
        return {**asdict(self), "beats_random": self.beats_random}


def note(told: Mapping[str, Any], *, of: str = "pairs", otherwise: str = "not surely better") -> str:
    """One line for the card. told: `Faithfulness.as_dict`; of: what the pairs are; otherwise: where it does not beat
    the shuffled map.
    """
    better = "better" if told["beats_random"] else otherwise
    return (
        f"Map against a shuffled one, {told['pairs']} {of} ({told['left_out']} left out, the detector saw no"
        f" difference): {better}. Deletion {told['deletion'][0]:.2f} beside {told['deletion_random']:.2f} (lower is"
        f" better), insertion {told['insertion'][0]:.2f} beside {told['insertion_random']:.2f} (higher is better)."
    )


def measured(
    score: Score, explain: Explain, pairs: Iterable[Pair], *, seed: int = 0, steps: int = STEPS,
    shuffles: int = SHUFFLES,
) -> Faithfulness:  # fmt: skip
    """Measure one detector's maps. Raises ValueError where it sees a difference in no pair.

    Costs one map and 2 x steps x (1 + shuffles) + 2 scores a pair.
    """
    rng = np.random.default_rng(seed)
    rows, hits, chances, left_out = [], [], [], 0
    for pair in pairs:
        top, bottom = _sigmoid(score(pair.altered)), _sigmoid(score(pair.original))
        if top - bottom < LEAST:
            left_out += 1
            continue
        heat = _grid(explain(pair.altered))
        areas = [_areas(score, pair, order, (top, bottom), steps) for order in _orders(heat, rng, shuffles)]
        shuffled = np.mean(areas[1:], axis=0)
        rows.append((*areas[0], *shuffled))
        if pair.mask is not None:
            hits.append(_hit(heat, pair.mask))
            chances.append(float(pair.mask.mean()))
    if not rows:
        raise ValueError("the detector sees a difference in no pair")
    return _summary(np.array(rows), left_out, hits, chances, rng)


def _orders(heat: Array, rng: np.random.Generator, shuffles: int) -> list[npt.NDArray[np.int_]]:
    """Places, strongest first: by the map, then by some shuffled ones. Equal places come in random order."""
    jitter = rng.permutation(heat.size)
    return [np.lexsort((jitter, -heat.ravel())), *(rng.permutation(heat.size) for _ in range(shuffles))]


def _areas(
    score: Score, pair: Pair, order: npt.NDArray[np.int_], ends: tuple[float, float], steps: int
) -> tuple[float, float]:
    """Under the falling and under the rising curve. ends: probability of the altered picture and of the original."""
    top, bottom = ends
    deletion = _curve(score, pair.altered, pair.original, order, steps)
    insertion = _curve(score, pair.original, pair.altered, order, steps)
    return tuple(
        float(np.trapezoid((curve - bottom) / (top - bottom), dx=1 / steps)) for curve in (deletion, insertion)
    )  # type: ignore[return-value]


def _curve(score: Score, begin: Rgb, end: Rgb, order: npt.NDArray[np.int_], steps: int) -> npt.NDArray[np.float64]:
    """Probabilities from `begin` to `end`, places exchanged in `order`: (steps + 1,)."""
    boxes = cell_boxes(begin.shape[:2], CELLS)
    mixed, told = begin.copy(), [_sigmoid(score(begin))]
    for part in np.array_split(order, steps):
        for index in part:
            mixed[boxes[index]] = end[boxes[index]]
        told.append(_sigmoid(score(mixed)))
    return np.array(told)


def _grid(heat: Array) -> Array:
    image = Image.fromarray(np.asarray(heat, dtype=np.float32))
    return np.asarray(image.resize((CELLS, CELLS), Image.Resampling.BOX), dtype=np.float32)


def _hit(heat: Array, mask: npt.NDArray[np.bool_]) -> bool:
    """Whether more than half of the strongest place is masked."""
    box = cell_boxes(mask.shape, CELLS)[int(heat.argmax())]
    return bool(mask[box].mean() > 0.5)


def _summary(
    rows: npt.NDArray[np.float64],
    left_out: int,
    hits: Sequence[bool],
    chances: Sequence[float],
    rng: np.random.Generator,
) -> Faithfulness:
    deletion, insertion, by_chance, up_by_chance = rows.T
    drawn = rng.integers(0, len(rows), (1000, len(rows)))
    return Faithfulness(
        pairs=len(rows),
        left_out=left_out,
        deletion=_with_interval(deletion.mean(), deletion[drawn].mean(axis=1)),
        deletion_random=float(by_chance.mean()),
        insertion=_with_interval(insertion.mean(), insertion[drawn].mean(axis=1)),
        insertion_random=float(up_by_chance.mean()),
        deletion_gain=_gain(by_chance, deletion, drawn),
        insertion_gain=_gain(insertion, up_by_chance, drawn),
        pointing=float(np.mean(hits)) if hits else None,
        pointing_by_chance=float(np.mean(chances)) if chances else None,
    )


def _gain(
    above: npt.NDArray[np.float64], below: npt.NDArray[np.float64], drawn: npt.NDArray[np.int_]
) -> tuple[float, float, float]:
    """The ratio of two mean areas; a map that deletes at once has an area of 0, which counts as 0.01."""
    ratios = above[drawn].mean(axis=1).clip(0.01) / below[drawn].mean(axis=1).clip(0.01)
    return _with_interval(max(above.mean(), 0.01) / max(below.mean(), 0.01), ratios)


def _with_interval(value: float, draws: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    return float(value), float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def _sigmoid(value: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(value, -50, 50))))
