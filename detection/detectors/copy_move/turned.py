"""Parts that occur twice, one of them turned, resized or mirrored: similarities between gradient histograms.

1. Around each corner, turned to its own strongest direction and at three sizes, gradients are counted by place and
direction (Lowe, “Distinctive Image Features from Scale-Invariant Keypoints”, IJCV 2004, section 6).
2. Pairs that are alike as no third one is each propose one similarity: how far turned, resized, moved, mirrored or not.
What TWINS or more of them agree on is fitted and proposed as a copy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

SPACING = 1.5  # pixels between samples
PLACES, DIRECTIONS = 4, 8  # places a side and directions of a histogram
SAMPLES = 4 * PLACES  # a side
SIZES = (0.82, 0.9, 1.0, 1.11, 1.22)  # of the second one beside the first
ANGLES = 36  # directions from which the strongest is chosen
RATIO = 0.8  # of the distances to the best and the second best
ALIKE = 0.75  # cosine of two descriptors
TWINS = 5  # pairs on one similarity, at least
NEAR = 3.0  # pixels by which a pair may miss
MOST_PAIRS = 600
LIMITS = (0.7, 1.45)  # of the size
Array = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Similarity:
    """A point (row, column) of the first place is at matrix @ point + offset in the second. pairs: (n, 2) points of the
    first place that were matched."""

    matrix: Points
    offset: Points
    pairs: Points

    @property
    def scale(self) -> float:
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))

    @property
    def mirrored(self) -> bool:
        return bool(np.linalg.det(self.matrix) < 0)

    @property
    def degrees(self) -> float:
        return float(np.degrees(np.arctan2(self.matrix[0, 1], self.matrix[1, 1])))

    @property
    def only_moves(self) -> bool:
        return not self.mirrored and abs(self.degrees) < 2 and abs(self.scale - 1) < 0.02


@dataclass(frozen=True)
class Described:
    """points: (n, 2) row, column. angles: (n,) radians. vectors: (n, …) unit."""

    points: Points
    angles: Points
    vectors: Array


def similarities(luma: Array, points: npt.NDArray[np.int64], apart: int) -> Iterator[Similarity]:
    """Those that TWINS or more pairs share, most shared first. points: corners, row and column. apart: pixels at least
    between the two places."""
    if len(points) < TWINS:
        return
    down, across = np.gradient(ndimage.gaussian_filter(luma, 1.0))
    angles = _strongest(down, across, points)
    others = [_described(down, across, points, angles, size) for size in SIZES]
    plain = others[SIZES.index(1.0)]
    rows, columns = (np.abs(line[:, None] - line[None]) for line in points.T)
    away = np.maximum(rows, columns)
    for mirrored in (False, True):
        yield from _agreed(*_pairs(plain, others, mirrored, away, apart), mirrored)


def _strongest(down: Array, across: Array, points: npt.NDArray[np.int64]) -> Points:
    """The direction of most gradient around each point, radians."""
    reach = int(SAMPLES * SPACING / 2)
    offsets = np.arange(-reach, reach + 1, 2)
    rows = (points[:, 0, None, None] + offsets[None, :, None]).clip(0, down.shape[0] - 1)
    columns = (points[:, 1, None, None] + offsets[None, None, :]).clip(0, down.shape[1] - 1)
    vertical, horizontal = down[rows, columns], across[rows, columns]
    near = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * (reach / 2) ** 2))
    weight = np.hypot(vertical, horizontal) * near
    bins = np.floor(np.arctan2(vertical, horizontal) % (2 * np.pi) / (2 * np.pi) * ANGLES).astype(int) % ANGLES
    index = np.arange(len(points))[:, None, None] * ANGLES + bins
    counts = np.bincount(index.ravel(), weight.ravel(), len(points) * ANGLES).reshape(-1, ANGLES)
    smooth = ndimage.gaussian_filter1d(counts, 1.5, axis=1, mode="wrap")
    best = smooth.argmax(axis=1)
    left, middle, right = (smooth[np.arange(len(points)), (best + step) % ANGLES] for step in (-1, 0, 1))
    finer = 0.5 * (left - right) / np.minimum(left - 2 * middle + right, -1e-9)
    return np.asarray((best + 0.5 + finer) * 2 * np.pi / ANGLES, np.float64)


def _described(down: Array, across: Array, points: npt.NDArray[np.int64], angles: Points, size: float) -> Described:
    at = (np.arange(SAMPLES) - (SAMPLES - 1) / 2) * SPACING * size
    cosine, sine = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    along, beside = at[None, None, :], at[None, :, None]
    rows = points[:, 0, None, None] + along * sine + beside * cosine
    columns = points[:, 1, None, None] + along * cosine - beside * sine
    inside = (
        rows.round().astype(int).clip(0, down.shape[0] - 1),
        columns.round().astype(int).clip(0, down.shape[1] - 1),
    )
    vertical, horizontal = down[inside], across[inside]
    near = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * (at[-1] * 0.9) ** 2))
    turned = (np.arctan2(vertical, horizontal) - angles[:, None, None]) % (2 * np.pi) / (2 * np.pi) * DIRECTIONS
    return Described(points.astype(np.float64), angles, _histograms(np.hypot(vertical, horizontal) * near, turned))


def _histograms(weight: Array, direction: Array) -> Array:
    """(n, SAMPLES, SAMPLES) weights and directions 0…DIRECTIONS to unit vectors (n, PLACES, PLACES, DIRECTIONS)."""
    count = len(weight)
    low = np.floor(direction).astype(int)
    share = direction - low
    place = np.arange(SAMPLES) // (SAMPLES // PLACES)
    cell = (np.arange(count)[:, None, None] * PLACES + place[:, None]) * PLACES + place[None, :]
    told = np.zeros(count * PLACES * PLACES * DIRECTIONS)
    for step, part in ((0, 1 - share), (1, share)):
        index = cell * DIRECTIONS + (low + step) % DIRECTIONS
        told += np.bincount(index.ravel(), (weight * part).ravel(), told.size)
    counts = ndimage.convolve1d(told.reshape(count, PLACES, PLACES, DIRECTIONS), [0.2, 0.6, 0.2], axis=1)
    counts = ndimage.convolve1d(counts, [0.2, 0.6, 0.2], axis=2).reshape(count, -1)
    for _ in range(2):  # no single edge decides (Lowe, section 6.1)
        counts = counts / (np.linalg.norm(counts, axis=1, keepdims=True) + 1e-9)
        counts = counts.clip(0, 0.2)
    return np.asarray(counts / (np.linalg.norm(counts, axis=1, keepdims=True) + 1e-9), np.float32)


def _mirrored(vectors: Array) -> Array:
    """What the descriptors would be if the picture were mirrored along their own direction."""
    shaped = vectors.reshape(-1, PLACES, PLACES, DIRECTIONS)[:, ::-1]
    return np.ascontiguousarray(np.roll(shaped[..., ::-1], 1, axis=-1)).reshape(len(vectors), -1)


def _pairs(
    plain: Described, others: Sequence[Described], mirrored: bool, away: npt.NDArray[np.int64], apart: int
) -> tuple[Points, Points, Points, Points]:
    """First points, second points, angles between them and sizes of the pairs that are alike as no third one is."""
    likeness, sizes = _likeness(_mirrored(plain.vectors) if mirrored else plain.vectors, others)
    likeness[away < apart] = -1
    index = np.arange(len(likeness))
    partner = likeness.argmax(axis=1)
    best, size = likeness[index, partner], np.asarray(SIZES)[sizes[index, partner]]
    likeness[away[partner] < apart / 2] = -1  # the neighbours of the twin are no third ones
    distance, third = (np.sqrt(np.maximum(2 - 2 * one, 0)) for one in (best, likeness.max(axis=1)))
    good = np.flatnonzero((best > ALIKE) & (distance < RATIO * third))
    good = good[np.argsort(-best[good], kind="stable")[:MOST_PAIRS]]
    turns = plain.angles[partner[good]] - (-1.0 if mirrored else 1.0) * plain.angles[good]
    return _one_way(plain.points[good], plain.points[partner[good]], turns, size[good], mirrored)


def _one_way(
    first: Points, second: Points, turns: Points, sizes: Points, mirrored: bool
) -> tuple[Points, Points, Points, Points]:
    """The same pairs with the upper point first, so that a copy and its original propose one similarity and not two."""
    swap = first[:, 0] > second[:, 0]
    upper, lower = (np.where(swap[:, None], *pair) for pair in ((second, first), (first, second)))
    back = turns if mirrored else -turns
    return upper, lower, np.where(swap, back, turns), np.where(swap, 1 / sizes, sizes)


def _likeness(vectors: Array, others: Sequence[Described]) -> tuple[Array, npt.NDArray[np.int8]]:
    """(n, n): how alike each is to each other at the size that fits best, and the number of that size."""
    best = vectors @ others[0].vectors.T
    sizes = np.zeros(best.shape, np.int8)
    for number, other in enumerate(others[1:], 1):
        found = vectors @ other.vectors.T
        np.copyto(sizes, np.int8(number), where=found > best)
        np.maximum(best, found, out=best)
    return best, sizes


def _agreed(first: Points, second: Points, turns: Points, sizes: Points, mirrored: bool) -> Iterator[Similarity]:
    """The similarities that most pairs agree on, each pair in one."""
    while len(first) >= TWINS:
        matrices = _matrices(turns, sizes, mirrored)
        offsets = second - np.einsum("nij,nj->ni", matrices, first)
        told = np.einsum("nij,mj->nmi", matrices, first) + offsets[:, None]
        # A pair's own angle and size are rough, so that more is allowed the further away a point is.
        allowed = NEAR + 0.12 * np.linalg.norm(first[:, None] - first[None], axis=2)
        votes = np.linalg.norm(told - second[None], axis=2) < allowed
        chosen = votes[int(votes.sum(axis=1).argmax())]
        found = _refined(first, second, chosen, mirrored)
        if found is None:
            return
        similarity, kept = found
        if similarity is not None:
            yield similarity
        first, second, turns, sizes = first[~kept], second[~kept], turns[~kept], sizes[~kept]


def _refined(
    first: Points, second: Points, chosen: npt.NDArray[np.bool_], mirrored: bool
) -> tuple[Similarity | None, npt.NDArray[np.bool_]] | None:
    """Fitted to those chosen and again to those that then fit; None where too few agree from the start. Without a
    similarity, those that were tried."""
    if len(np.unique(first[chosen], axis=0)) < TWINS:
        return None
    tried = chosen
    for _ in range(4):
        matrix, offset = _fitted(first[chosen], second[chosen], mirrored)
        chosen = np.linalg.norm(first @ matrix.T + offset - second, axis=1) < NEAR
        if len(np.unique(first[chosen], axis=0)) < TWINS or len(np.unique(second[chosen], axis=0)) < TWINS:
            return None, tried
    found = Similarity(matrix, offset, np.unique(first[chosen], axis=0))
    return (found if LIMITS[0] < found.scale < LIMITS[1] else None), chosen | tried


def _matrices(turns: Points, sizes: Points, mirrored: bool) -> Points:
    """(n, 2, 2) on (row, column): a direction of angle a goes to turn + a, or to turn - a where mirrored."""
    cosine, sine = np.cos(turns) * sizes, np.sin(turns) * sizes
    sign = -1.0 if mirrored else 1.0
    return np.stack([np.stack([cosine * sign, sine], -1), np.stack([-sine * sign, cosine], -1)], 1)


def _fitted(first: Points, second: Points, mirrored: bool) -> tuple[Points, Points]:
    """Least squares over similarities (Umeyama, IEEE TPAMI 1991)."""
    middle, there = first.mean(axis=0), second.mean(axis=0)
    a, b = first - middle, second - there
    u, spread, v = np.linalg.svd(b.T @ a)
    sign = np.sign(np.linalg.det(u @ v)) * (-1.0 if mirrored else 1.0)
    flip = np.array([1.0, sign])
    scale = float((spread * flip).sum() / max(float((a * a).sum()), 1e-9))
    matrix = scale * (u * flip) @ v
    return matrix, there - matrix @ middle
