"""What JPEG leaves behind: quantisation tables, an earlier save on the same grid, and other grids. Nothing is trained.

An earlier save is tested as two models of this file's own coefficients: “quantised once, by the table of the file”
against “quantised by an earlier table, then by that of the file”. What the coefficients looked like before any of it
is taken from the picture shifted by half a block, where no grid fits (Fridrich, “Feature-based steganalysis for JPEG
images”, 2004, calls it calibration; Lukáš & Fridrich, “Estimation of primary quantization matrix in double compressed
JPEG images”, 2003, compare histograms so). The statistic is the log-likelihood ratio of the two models, in nats, for
the best earlier table: it names the quality of the earlier save, and so can be checked by saving again.

A grid shows in how many coefficients of the blocks that start there are nearly zero (Nikoukhah et al., “ZERO: a local
JPEG grid origin detector based on the number of DCT zeros”, IPOL 2021). In a JPEG file its own grid hides another one;
but its traces are the same at mirrored offsets, so that what is left after subtracting the mirror images is another
grid's.

Shapes: luma (H, W) float32 in 0…255; n = blocks of 8 x 8.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ImageFile

from detection.detectors import Region
from detection.pictures import opened

Floats: TypeAlias = npt.NDArray[np.float64]
Luma: TypeAlias = npt.NDArray[np.float32]
Table: TypeAlias = npt.NDArray[np.int64]  # (8, 8)

FULL_SIDE = 4096  # pixels; of a larger picture the middle is examined, never a reduced one
MOST_BLOCKS = 40_000  # whose coefficients are compared
GRID_BLOCKS = 2_000  # looked at for each of 64 offsets
REACH = 60  # bins each side of a histogram
FLAT = 8.0  # levels: blocks with less contrast say nothing about a grid
# The first nine AC coefficients in zig-zag order: (vertical, horizontal) frequency.
ZIGZAG = ((0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
# Of an earlier save, as libjpeg counts; where two fit equally, the higher.
QUALITIES = range(98, 39, -1)
STEPS = np.arange(2, 81)  # earlier steps that are tried where no IJG table fits
# Rounding to whole levels moves a coefficient by 1/√12; a change of colour space in between by a little more.
ROUNDED, CONVERTED = 0.29, 0.45
MIXED = 0.2  # of the model “once” in the model “twice”: parts of a picture may be clipped, text or pasted
MIN_COUNTED = 300  # coefficients other than zero; with fewer there is nothing to compare

# Recommendation ITU-T T.81 (1992), annex K.1, table K.1: the luminance table that libjpeg scales.
ANNEX_K = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)


@dataclass(frozen=True)
class Stored:
    """A picture as stored. luma: full size, or the middle of it. table: (8, 8) luma quantisation, None if not JPEG.
    origin: (top, left) of luma in the file, multiples of 8."""

    luma: Luma
    table: Table | None
    width: int
    height: int
    origin: tuple[int, int]


@dataclass(frozen=True)
class Earlier:
    """gain: nats by which “saved before” explains the coefficients better. quality: of the earlier save on libjpeg's
    scale; None: by a table that is not libjpeg's. counted: coefficients that were compared."""

    gain: float
    quality: int | None
    counted: int


@dataclass(frozen=True)
class Grid:
    """offset: (top, left) 0…7 of the strongest grid. margin: how far it stands out, in spreads."""

    offset: tuple[int, int]
    margin: float


def read_stored(path: Path, region: Region | None = None) -> Stored:
    """Decode the luma of a picture without a detour over RGB. Raises Problem: unreadable, too small, too large."""
    with opened(path) as image:
        if image.format == "JPEG":
            image.draft("L", image.size)
        table = table_of(image)
        box = _box(*image.size, region)
        luma = np.asarray(image.convert("L").crop(box), dtype=np.float32)
        return Stored(luma, table, *image.size, (box[1], box[0]))


def table_of(image: ImageFile.ImageFile) -> Table | None:
    values = getattr(image, "quantization", {}).get(0, ())
    return np.array(values, dtype=np.int64).reshape(8, 8) if len(values) == 64 else None


def _box(width: int, height: int, region: Region | None) -> tuple[int, int, int, int]:
    """Left, top, right, bottom: of the region, at most FULL_SIDE a side, on whole blocks of the file."""
    part = region or Region(0, 0, 1, 1)
    left, top = part.x * width, part.y * height
    right, bottom = min(width, left + part.width * width), min(height, top + part.height * height)
    left, top = max(left, (left + right - FULL_SIDE) / 2), max(top, (top + bottom - FULL_SIDE) / 2)
    start = int(left) // 8 * 8, int(top) // 8 * 8
    return *start, int(min(right, start[0] + FULL_SIDE)), int(min(bottom, start[1] + FULL_SIDE))


def ijg_table(quality: int) -> Table:
    """libjpeg's luminance table at `quality` 1…100 (jcparam.c, jpeg_quality_scaling; baseline)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((ANNEX_K * scale + 50) // 100).clip(1, 255)


def ijg_quality(table: Table) -> int | None:
    """The quality at which libjpeg writes exactly this luminance table, None if it never does."""
    return next((quality for quality in range(100, 0, -1) if np.array_equal(ijg_table(quality), table)), None)


# --- An earlier save on the same grid ----------------------------------------------------------------------------


def coefficients(luma: Luma, offset: tuple[int, int] = (0, 0)) -> Floats:
    """The ZIGZAG coefficients of blocks from `offset` on: (n, 9), n at most MOST_BLOCKS spread evenly."""
    blocks = _blocks(luma, offset, MOST_BLOCKS).astype(np.float64) - 128
    basis = _basis()
    whole = basis @ blocks @ basis.T
    return np.stack([whole[:, u, v] for u, v in ZIGZAG], axis=1)


def earlier_save(luma: Luma, table: Table | None, offset: tuple[int, int] = (0, 0)) -> Earlier:
    """Whether the blocks from `offset` on were quantised before the quantisation by `table` (None: by none)."""
    steps = [int(table[at]) if table is not None else 1 for at in ZIGZAG]
    seen = coefficients(luma, offset)
    before = coefficients(luma, ((offset[0] + 4) % 8, (offset[1] + 4) % 8))
    gains, counted = np.zeros((len(ZIGZAG), len(STEPS))), 0
    for index, step in enumerate(steps):
        gains[index], count = _gains(seen[:, index], before[:, index], step)
        counted += count
    fitting = [sum(gains[i, column] for i, column in enumerate(columns) if column >= 0) for columns in _ijg_columns()]
    best = int(np.argmax(fitting))
    # Free steps for every coefficient fit something by chance: they count half.
    free = float(gains.max(axis=1).clip(min=0).sum()) / 2
    if free > 2 * max(fitting[best], 0.0):
        return Earlier(free, None, counted)
    return Earlier(max(0.0, float(fitting[best])), QUALITIES[best], counted)


def _gains(seen: Floats, before: Floats, step: int) -> tuple[Floats, int]:
    """For each earlier step in STEPS the gain in nats of “twice” over “once”; and how many values were counted."""
    noise = _noise(len(before))
    counts = _histogram(seen / step) * _inner()
    once = _model((before + ROUNDED * noise) / step)
    gains = np.zeros(len(STEPS))
    for index, first in enumerate(STEPS):
        if first == step:
            continue
        twice = _model((np.round(before / first) * first + CONVERTED * noise) / step)
        gains[index] = counts @ np.log((1 - MIXED) * twice / once + MIXED)
    return gains, int(counts.sum())


def _model(values: Floats) -> Floats:
    """Probability of each bin but the middle and the outermost, symmetric about zero, never zero."""
    counts = _histogram(values)
    smooth = ((counts + counts[::-1]) / 2 + 0.1) * _inner()
    model: Floats = np.where(_inner() > 0, smooth / smooth.sum(), 1.0)
    return model


def _histogram(values: Floats) -> Floats:
    whole = np.round(values).clip(-REACH, REACH).astype(np.int64) + REACH
    return np.bincount(whole, minlength=2 * REACH + 1).astype(np.float64)


@lru_cache(maxsize=1)
def _inner() -> Floats:
    """1 for the bins that count. The zero bin says nothing and outweighs all others; the last ones hold the rest."""
    inner = np.ones(2 * REACH + 1)
    inner[[0, REACH, -1]] = 0
    return inner


@lru_cache(maxsize=4)
def _noise(count: int) -> Floats:
    """Always the same: the same file gives the same figure."""
    return np.random.default_rng(0).normal(size=count)


@lru_cache(maxsize=1)
def _ijg_columns() -> tuple[tuple[int, ...], ...]:
    """For each of QUALITIES the column in STEPS of each coefficient's step, -1 where it is 1."""
    tables = [ijg_table(quality) for quality in QUALITIES]
    return tuple(tuple(min(int(table[at]), int(STEPS[-1])) - int(STEPS[0]) for at in ZIGZAG) for table in tables)


# --- Grids -------------------------------------------------------------------------------------------------------


def grid(luma: Luma) -> Grid | None:
    """The strongest grid of a picture that is not stored as JPEG; None where too little of it has contrast."""
    shares = _zero_shares(luma, np.full((8, 8), 0.5))
    if shares is None:
        return None
    return _strongest(shares - np.median(shares))


def second_grid(luma: Luma, table: Table) -> Grid | None:
    """The strongest grid beside the file's own. It must lie off the file's rows and columns to be seen."""
    shares = _zero_shares(luma, np.maximum(0.5, 0.35 * table))
    if shares is None:
        return None
    across, down = shares[:, _mirror()], shares[_mirror()]
    left = shares - (across + down + shares[_mirror()][:, _mirror()]) / 3
    left[0, :] = left[:, 0] = left[4, 4] = 0.0
    # At 4 a row or column is its own mirror image, and one of the three is the value itself.
    left[4, :] *= 1.5
    left[:, 4] *= 1.5
    return _strongest(left)


def _strongest(excess: Floats) -> Grid:
    """Where most coefficients are zero, and by how many spreads more than at the second best offset."""
    spread = 1.4826 * float(np.median(np.abs(excess[excess != 0]))) + 1e-4 if excess.any() else 1.0
    top, left = divmod(int(excess.argmax()), 8)
    ordered = np.sort(excess.ravel())
    return Grid((top, left), float(ordered[-1] - ordered[-2]) / spread)


def _zero_shares(luma: Luma, limits: Floats) -> Floats | None:
    """Share of AC coefficients below `limits` (8, 8) in blocks that start at each of 64 offsets: (8, 8)."""
    shares = np.zeros((8, 8))
    transform = np.kron(_basis(), _basis()).astype(np.float32)[1:]
    bounds = limits.reshape(-1)[1:].astype(np.float32)
    for top in range(8):
        for left in range(8):
            blocks = _blocks(luma, (top, left), GRID_BLOCKS).reshape(-1, 64)
            blocks = blocks[blocks.max(axis=1) - blocks.min(axis=1) > FLAT]
            if len(blocks) < 32:
                return None
            shares[top, left] = (np.abs(blocks @ transform.T) < bounds).mean()
    return shares


def _blocks(luma: Luma, offset: tuple[int, int], most: int) -> Luma:
    """(n, 8, 8), n at most `most`, spread evenly over the picture."""
    top, left = offset
    h, w = (luma.shape[0] - top) // 8, (luma.shape[1] - left) // 8
    tiles = luma[top : top + 8 * h, left : left + 8 * w].reshape(h, 8, w, 8).transpose(0, 2, 1, 3)
    chosen = np.unique(np.linspace(0, h * w - 1, min(most, h * w)).astype(np.int64))
    found: Luma = tiles[chosen // w, chosen % w]
    return found


@lru_cache(maxsize=1)
def _mirror() -> npt.NDArray[np.int64]:
    return (-np.arange(8)) % 8


@lru_cache(maxsize=1)
def _basis() -> Floats:
    """The orthonormal DCT-II of eight samples."""
    k = np.arange(8)
    basis = np.cos((2 * k[None, :] + 1) * k[:, None] * np.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    return np.asarray(basis)
