"""Copy-move matching: does one part of the picture show the same as another part?

1. Corners are found, and each is described by the coarse shape of its surroundings.
2. Each is compared with every other; it has a twin if one is alike and no third one nearly so (Lowe's ratio test: it
   drops windows of one house front and leaves of one tree).
3. Twins that lie apart by the same shift are evidence of one copy; so are those that `turned` finds, which lie apart by
   the same turn and size. Each is then tested on every pixel: local normalised correlation of the picture with itself,
   moved so. What agrees over an area is a copy and its original.

Nothing is trained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage

from detection.detectors.copy_move import turned
from detection.detectors.copy_move.turned import Similarity
from detection.pictures import Luma

MOST_PIXELS = 1_500_000  # searched; above, reduced by a whole number
MOST_POINTS = 3000
PATCH, STEP = 24, 2  # pixels a side of what is described, and between samples
COEFFICIENTS = 8  # a side of the low-frequency corner that is kept
APART = 48  # pixels at least between a copy and its original: what is nearer is often one pattern going on
ALIKE = 0.94  # correlation of descriptors
RATIO = 0.6  # of the distances to the best and the second best
TWINS = 4  # pairs with one shift, at least
WINDOW = 11  # pixels a side for the dense test
AGREES = 0.93  # local correlation
MOST_TURNED = 1200  # corners that are also compared turned and resized
AGREES_TURNED, LEAST_TURNED = 0.9, 4  # the same, less exact after resampling, and pairs that an area must hold
PLAIN = 4.0  # grey levels; what varies less has nothing to compare
LEAST_AREA = 300  # pixels
SHIFTS = 4  # tested, strongest first
Array = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Copy:
    """One part that occurs twice. area, other: (H, W) of the searched picture, true on the one and on the other; the
    middle of the other lies `shift` (down, right) further, turned by `degrees`, `size` times as large, mirrored or not.
    twins: matched pairs inside. agreement: mean local correlation."""

    area: Bools
    other: Bools
    shift: tuple[int, int]
    twins: int
    agreement: float
    degrees: float = 0.0
    size: float = 1.0
    mirrored: bool = False

    @property
    def pixels(self) -> int:
        return int(self.area.sum())


@dataclass(frozen=True)
class Copies:
    """found: largest first. shifts: how many shifts and turns had twins enough; with many, the picture repeats
    itself by nature. reduced: by which factor the picture was before it was searched."""

    found: tuple[Copy, ...]
    shifts: int
    reduced: int

    @property
    def score(self) -> float:
        """Twins in the areas that agree, less what a picture that repeats itself by nature brings along."""
        return sum(copy.twins for copy in self.found) / max(self.shifts, 1)


def find_copies(luma: Luma) -> Copies:
    """luma: (H, W), 0…255. Deterministic."""
    factor = _factor(luma.shape)
    small = _reduced(luma, factor)
    points, described = _described(small)
    pairs = _twins(points, described)
    shifts = list(_shifts(pairs))
    found = [copy for shift in shifts[:SHIFTS] for copy in _areas(small, shift, pairs)]
    turns = list(turned.similarities(small, points[:MOST_TURNED], APART))
    for one in turns[: 2 * SHIFTS]:
        found += _turned_areas(small, one, tuple(found))
    ways = len(shifts) + sum(not one.only_moves for one in turns)
    return Copies(tuple(sorted(found, key=lambda copy: -copy.pixels)), ways, factor)


def _described(luma: Array) -> tuple[npt.NDArray[np.int64], Array]:
    """Points (n, 2) as row, column, and unit descriptors (n, COEFFICIENTS² - 1)."""
    smooth = ndimage.gaussian_filter(luma, 1.0)
    response = _cornerness(smooth)
    border = PATCH // 2 + 1
    peaks = (response == ndimage.maximum_filter(response, 7)) & (response > 1.0)
    peaks[:border], peaks[-border:], peaks[:, :border], peaks[:, -border:] = False, False, False, False
    points = np.argwhere(peaks)
    strongest = np.argsort(-response[tuple(points.T)], kind="stable")[:MOST_POINTS]
    points = points[strongest]
    offsets = np.arange(-PATCH // 2, PATCH // 2, STEP)
    rows = points[:, 0, None, None] + offsets[None, :, None]
    columns = points[:, 1, None, None] + offsets[None, None, :]
    coarse = fft.dctn(smooth[rows, columns], axes=(1, 2), norm="ortho")[:, :COEFFICIENTS, :COEFFICIENTS]
    described = coarse.reshape(len(points), COEFFICIENTS**2)[:, 1:]
    length = np.linalg.norm(described, axis=1)
    rich = length > PLAIN * len(offsets)
    return points[rich], np.asarray(described[rich] / length[rich, None], np.float32)


def _cornerness(smooth: Array) -> Array:
    """The smaller eigenvalue of the structure tensor (Shi & Tomasi, CVPR 1994): along a straight edge everything is
    alike and nothing is a corner."""
    down, across = ndimage.sobel(smooth, 0) / 8, ndimage.sobel(smooth, 1) / 8
    dd, ac, da = (ndimage.gaussian_filter(one, 2.0) for one in (down * down, across * across, down * across))
    return np.asarray((dd + ac) / 2 - np.sqrt(((dd - ac) / 2) ** 2 + da**2), np.float32)


def _twins(points: npt.NDArray[np.int64], described: Array) -> npt.NDArray[np.int64]:
    """Rows of (row, column, row, column): pairs that are alike as no third one is, the first point above the second."""
    if len(points) < 3:
        return np.zeros((0, 4), np.int64)
    likeness = described @ described.T
    near = np.abs(points[:, None] - points[None]).max(axis=2) < APART
    likeness[near] = -1
    best = likeness.argmax(axis=1)
    index = np.arange(len(points))
    first = likeness[index, best]
    likeness[near[best]] = -1  # the neighbours of the twin are no third ones
    likeness[index, best] = -1
    second = likeness.max(axis=1)
    good = (first > ALIKE) & (1 - first < RATIO * (1 - second))
    pairs = np.concatenate([points[good], points[best[good]]], axis=1)
    turned = (pairs[:, 0] > pairs[:, 2]) | ((pairs[:, 0] == pairs[:, 2]) & (pairs[:, 1] > pairs[:, 3]))
    pairs[turned] = pairs[turned][:, [2, 3, 0, 1]]
    return np.unique(pairs, axis=0)


def _shifts(pairs: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Shifts (down, right) that TWINS or more pairs share to within two pixels, most shared first."""
    shift = pairs[:, 2:] - pairs[:, :2]
    while len(shift) >= TWINS:
        near = np.abs(shift[:, None] - shift[None]).max(axis=2) <= 2
        votes = near.sum(axis=1)
        chosen = near[int(votes.argmax())]
        if votes.max() < TWINS:
            return
        down, right = np.round(np.median(shift[chosen], axis=0)).astype(int)
        yield int(down), int(right)
        shift = shift[np.abs(shift - (down, right)).max(axis=1) > 4]


def _areas(luma: Array, shift: tuple[int, int], pairs: npt.NDArray[np.int64]) -> Iterator[Copy]:
    """Connected areas that agree with what lies `shift` further and hold two twins or more."""
    agreement = _agreement(luma, shift)
    of_shift = np.abs(pairs[:, 2:] - pairs[:, :2] - shift).max(axis=1) <= 2
    for area, twins in _connected(agreement > AGREES, pairs[of_shift, :2], 2):
        rows, columns = np.nonzero(area)
        other = np.zeros_like(area)
        other[rows + shift[0], columns + shift[1]] = True
        yield Copy(area, other, shift, twins, float(agreement[area].mean()))


def _turned_areas(luma: Array, found: Similarity, known: Sequence[Copy]) -> Iterator[Copy]:
    """Connected areas that agree with what the similarity takes them to, and that no copy in `known` covers."""
    smooth = ndimage.gaussian_filter(luma, 1.0)
    grid = np.stack(np.meshgrid(*(np.arange(side) for side in luma.shape), indexing="ij"), axis=-1)
    places = grid @ found.matrix.T + found.offset
    there = ndimage.map_coordinates(smooth, np.moveaxis(places, -1, 0), order=1, cval=np.nan)
    seen = np.isfinite(there)
    agreement = np.where(seen, _correlation(smooth, np.where(seen, there, 0.0)), 0)
    agreement[np.abs(places - grid).max(axis=-1) < APART] = 0
    for area, twins in _connected(agreement > AGREES_TURNED, found.pairs.round().astype(np.int64), LEAST_TURNED):
        if any((area & (one.area | one.other)).sum() > 0.3 * area.sum() for one in known):
            continue
        target = places[area].round().astype(np.int64)
        other = np.zeros_like(area)
        other[tuple(np.clip(target, 0, np.asarray(luma.shape) - 1).T)] = True
        down, right = (round(float(one)) for one in (places[area] - grid[area]).mean(axis=0))
        mean = float(agreement[area].mean())
        closed = ndimage.binary_closing(other) | other
        yield Copy(area, closed, (down, right), twins, mean, found.degrees, found.scale, found.mirrored)


def _connected(agrees: Bools, points: npt.NDArray[np.int64], least: int) -> Iterator[tuple[Bools, int]]:
    """Connected areas of LEAST_AREA pixels or more that hold `least` of the points or more, and how many."""
    labels, count = ndimage.label(ndimage.binary_opening(agrees, iterations=2))
    members = np.bincount(labels[tuple(points.T)], minlength=count + 1)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    for label in range(1, count + 1):
        if sizes[label] >= LEAST_AREA and members[label] >= least:
            yield labels == label, int(members[label])


def _agreement(luma: Array, shift: tuple[int, int]) -> Array:
    """Local normalised correlation of the picture with itself `shift` further: (H, W), 0 where it is plain or
    outside."""
    height, width = luma.shape
    down, right = shift
    here = luma[: height - down, max(-right, 0) : width - max(right, 0)]
    there = luma[down:, max(right, 0) : width - max(-right, 0)]
    out = np.zeros(luma.shape, np.float32)
    out[: height - down, max(-right, 0) : width - max(right, 0)] = _correlation(here, there)
    return out


def _correlation(here: Array, there: Array) -> npt.NDArray[np.float64]:
    """Of the windows around each pixel, 0 where one of them is plain."""
    mean_a, mean_b = _window(here), _window(there)
    var_a, var_b = _window(here * here) - mean_a**2, _window(there * there) - mean_b**2
    both = _window(here * there) - mean_a * mean_b
    rich = np.minimum(var_a, var_b) > PLAIN**2
    return np.asarray(np.where(rich, both / np.sqrt(np.maximum(var_a * var_b, 1e-3)), 0))


def _window(values: Array) -> npt.NDArray[np.float64]:
    return np.asarray(ndimage.uniform_filter(values.astype(np.float64), WINDOW, mode="nearest"))


def _factor(shape: tuple[int, ...]) -> int:
    factor = 1
    while (shape[0] // factor) * (shape[1] // factor) > MOST_PIXELS:
        factor += 1
    return factor


def _reduced(luma: Luma, factor: int) -> Array:
    height, width = (side // factor * factor for side in luma.shape)
    blocks = luma[:height, :width].reshape(height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(1, 3)), np.float32)
