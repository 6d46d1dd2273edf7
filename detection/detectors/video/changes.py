"""What changes from frame to frame, in numbers: the input of the temporal net.

Blocks of 16 x 16 pixels are looked for in the next frame (full search, +-REACH pixels). Cameras and their lenses move
things smoothly and keep their texture; a generator lets texture boil, edges swim and details come and go. Each number
is of one change between two frames of a stretch (`detection.clips.Clip`); none depends on the size of the file, as the
stretch has one size already.
"""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from detection.clips import Pixels

Array = npt.NDArray[np.float32]

BLOCK = 16
REACH = 5  # pixels
NAMES = (
    "motion", "motion_spread", "swerve", "left_over", "left_over_worst", "left_over_still", "gained",
    "detail", "detail_change", "detail_change_spread", "light_change", "colour_change", "boiling", "left_over_detail",
)  # fmt: skip
CUT = 0.9  # of the texture is left over in the median block: another shot, not a change


def changes(squares: Pixels) -> Array:
    """(n, S, S, 3), 0…255 → (n - 1, len(NAMES)), one row for each change. n is at least 2."""
    rgb = squares.astype(np.float32)
    luma = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    colour = rgb.mean(axis=(1, 2)) - luma.mean(axis=(1, 2))[:, None]
    detail = np.stack([np.abs(ndimage.laplace(frame)) for frame in luma])
    rows, before, rest_before = [], None, None
    for index in range(len(luma) - 1):
        vectors, rest, best, still = _matched(luma[index], luma[index + 1])
        texture = _blocks(np.abs(luma[index] - _spread(_blocks(luma[index])))) + 1.0
        rows.append(
            [
                *_motion(vectors, before),
                *_left_over(best, still, texture),
                *_detail(detail[index], detail[index + 1]),
                float(abs(luma[index + 1].mean() - luma[index].mean())) / 10,
                float(np.abs(colour[index + 1] - colour[index]).mean()) / 3,
                _likeness(rest, rest_before),
                float(np.log((np.abs(ndimage.laplace(rest)).mean() + 0.1) / (np.abs(rest).mean() + 0.1))),
            ]
        )
        before, rest_before = vectors, rest
    return np.array(rows, dtype=np.float32)


def has_cut(rows: Array) -> bool:
    """Whether a stretch crosses from one shot to another, where nothing can be compared."""
    return bool((rows[:, NAMES.index("left_over")] > CUT).any())


def _matched(one: Array, other: Array) -> tuple[Array, Array, Array, Array]:
    """Vectors (2, b, b), what is left of `other` after moving `one` (S, S), its block means, and those unmoved."""
    padded = np.pad(one, REACH, mode="edge")
    size = one.shape[0]
    costs, shifts = [], []
    for dy in range(-REACH, REACH + 1):
        for dx in range(-REACH, REACH + 1):
            moved = padded[REACH + dy : REACH + dy + size, REACH + dx : REACH + dx + size]
            # A little dearer the farther: flat blocks stay where they are.
            costs.append(_blocks(np.abs(other - moved)) * (1 + 0.01 * (abs(dx) + abs(dy))) + 0.02 * (abs(dx) + abs(dy)))
            shifts.append((dy, dx))
    table = np.stack(costs)
    chosen = table.argmin(axis=0)
    vectors = np.array(shifts, dtype=np.float32)[chosen].transpose(2, 0, 1)
    moved = _moved(padded, vectors.astype(int), size)
    rest = other - moved
    return vectors, rest.astype(np.float32), _blocks(np.abs(rest)), table[len(shifts) // 2]


def _moved(padded: Array, vectors: npt.NDArray[np.int_], size: int) -> Array:
    rows, columns = np.indices((size, size))
    dy, dx = (np.repeat(np.repeat(one, BLOCK, 0), BLOCK, 1) for one in vectors)
    return np.asarray(padded[rows + REACH + dy, columns + REACH + dx])


def _blocks(values: Array) -> Array:
    """Mean of each block: (S, S) → (S / BLOCK, S / BLOCK)."""
    count = values.shape[0] // BLOCK
    return np.asarray(values.reshape(count, BLOCK, count, BLOCK).mean(axis=(1, 3)))


def _spread(blocks: Array) -> Array:
    return np.repeat(np.repeat(blocks, BLOCK, 0), BLOCK, 1)


def _motion(vectors: Array, before: Array | None) -> list[float]:
    lengths = np.hypot(*vectors)
    swerve = 0.0 if before is None else float(np.hypot(*(vectors - before)).mean() / (lengths.mean() + 0.5))
    return [float(lengths.mean()), float(np.hypot(*vectors.std(axis=(1, 2)))), swerve]


def _left_over(best: Array, still: Array, texture: Array) -> list[float]:
    share = best / texture
    gained = 1 - (best.mean() + 0.1) / (still.mean() + 0.1)
    return [float(np.median(share)), float(np.quantile(share, 0.9)), float(np.median(still / texture)), float(gained)]


def _detail(one: Array, other: Array) -> list[float]:
    ratio = np.log((_blocks(other) + 0.5) / (_blocks(one) + 0.5))
    return [float(np.log(one.mean() + 0.5)), float(abs(ratio.mean())), float(ratio.std())]


def _likeness(rest: Array, before: Array | None) -> float:
    """Correlation of what was left over now and one change ago."""
    if before is None:
        return 0.0
    a, b = rest - rest.mean(), before - before.mean()
    return float((a * b).mean() / (a.std() * b.std() + 1e-3))
