"""What the pixel detectors compute: noise, ghosts and histograms of blocks, in NumPy and SciPy.

It is imported in a nursery (`core.guard`), never in a web process. One thread and no random numbers, so that the same
file gives the same map on the same machine.

Shapes: `H, W` pixels, `h, w` = blocks. Luma is float32 in 0…255.
"""

from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]
Real = TypeVar("Real", np.float32, np.float64)

# Two high-pass kernels of the spatial rich model: the 5 x 5 “KV” and a second-order line
# (Fridrich & Kodovsky, “Rich Models for Steganalysis of Digital Images”, IEEE TIFS 2012, fig. 2).
KV = (
    np.array(
        [
            [-1.0, 2.0, -2.0, 2.0, -1.0],
            [2.0, -6.0, 8.0, -6.0, 2.0],
            [-2.0, 8.0, -12.0, 8.0, -2.0],
            [2.0, -6.0, 8.0, -6.0, 2.0],
            [-1.0, 2.0, -2.0, 2.0, -1.0],
        ],
        dtype=np.float32,
    )
    / 12
)
LINE = np.array([0.5, -1.0, 0.5], dtype=np.float32)
EPSILON = 1e-3


def noise_features(luma: Array, block: int) -> tuple[Array, Array]:
    """What the fine noise of each block is like, and what the picture there shows anyway.

    luma: (H, W). Returns features (6, h, w) – log level of the KV residual, of the two line residuals and of the
    residual at half size, the residual's correlation with its right and lower neighbour – and content (5, h, w): log
    gradient of the smoothed picture, brightness, its square, distance to clipping, log of the coarse contrast.
    """
    x = np.ascontiguousarray(luma, dtype=np.float32)
    kv = ndimage.correlate(x, KV, mode="nearest")
    lines = [ndimage.correlate1d(x, LINE, axis=axis, mode="nearest") for axis in (1, 0)]
    power = pooled(kv * kv, block) + EPSILON
    levels = [_log_level(residual, block) for residual in (kv, *lines)]
    coarse = _log_level(ndimage.correlate(_halved(x), KV, mode="nearest"), block // 2)
    half = coarse[: levels[0].shape[0], : levels[0].shape[1]]  # half size may round to one block more
    neighbours = [pooled(kv * np.roll(kv, -1, axis), block) / power for axis in (1, 0)]
    return np.stack([*levels, half, *neighbours]), _content(x, block)


def _content(x: Array, block: int) -> Array:
    smooth = ndimage.uniform_filter(x, 5, mode="nearest")
    across, down = np.roll(smooth, -1, 1) - smooth, np.roll(smooth, -1, 0) - smooth
    gradient = np.log(pooled(across**2 + down**2, block) + 0.05)
    fine = smooth.astype(np.float64)  # in a flat area two nearly equal numbers are subtracted
    spread = (pooled(fine**2, block) - pooled(fine, block) ** 2).astype(np.float32)
    bright = pooled(x, block) / 255
    clipping = np.minimum(bright, 1 - bright).clip(max=0.1)
    return np.stack([gradient, bright, bright**2, clipping, np.log(spread.clip(min=0) + 0.05)])


def _log_level(residual: Array, block: int) -> Array:
    """Log of the mean absolute residual: less moved by one edge than the variance."""
    level: Array = np.log(pooled(np.abs(residual), block) + np.float32(0.02))
    return level


def explained(features: Array, content: Array, rounds: int = 6) -> Array:
    """`features` minus what `content` predicts for this picture, by a robust regression on the picture itself.

    features: (d, h, w), content: (c, h, w). Returns (d, h, w), each layer centred on its median and divided by
    1.4826 x its median absolute deviation. Iteratively re-weighted least squares with Tukey's weights (c = 4.685),
    so that an edited region does not teach the regression that it is normal.
    """
    d, h, w = features.shape
    y = features.reshape(d, -1).astype(np.float64)
    base = content.reshape(content.shape[0], -1).astype(np.float64)
    base = (base - base.mean(1, keepdims=True)) / (base.std(1, ddof=1, keepdims=True) + EPSILON)
    design = np.concatenate([np.ones_like(base[:1]), base, base**2])
    rest = y - _median(y)
    for _ in range(rounds):
        weight = ((1 - (rest / (4.685 * _mad(rest))) ** 2).clip(min=0) ** 2).mean(0)
        weighted = design * weight
        gram = weighted @ design.T + np.eye(len(design)) * 1e-3 * h * w
        rest = y - np.linalg.solve(gram, weighted @ y.T).T @ design
    rest = rest - _median(rest)
    return (rest / _mad(rest)).reshape(d, h, w).astype(np.float32)


def distance(layers: Array, limit: float = 8.0) -> Array:
    """Root mean square over standardised layers (d, h, w), each clipped to ±limit: (h, w)."""
    root: Array = np.sqrt((layers.clip(-limit, limit) ** 2).mean(0))
    return root


def standardised(values: Array) -> Array:
    """`values` (h, w) minus its median, divided by 1.4826 x its median absolute deviation."""
    flat = values.reshape(1, -1).astype(np.float64)
    flat = flat - _median(flat)
    return (flat / _mad(flat)).reshape(values.shape).astype(np.float32)


def window_means(layers: Array, size: int) -> Array:
    """Mean over size x size blocks (odd) around each block, at the border over what is there: same shape."""
    sizes = (1,) * (layers.ndim - 2) + (size, size)
    there = ndimage.uniform_filter(np.ones(layers.shape[-2:]), size, mode="constant")
    means: Floats = ndimage.uniform_filter(layers.astype(np.float64), sizes, mode="constant") / there
    return means.astype(np.float32)


def ghosts(luma: Array, resaved: list[Array], block: int) -> Array:
    """JPEG ghosts (Farid, “Exposing Digital Forgeries from JPEG Ghosts”, IEEE TIFS 2009).

    resaved: the same picture saved again at rising qualities. Returns (q, h, w): log of the mean squared change of each
    block at each quality, less the block's own mean over the qualities (what depends on texture only).
    """
    curves = np.log(np.stack([pooled((luma - other) ** 2, block) for other in resaved]) + np.float32(0.05))
    ghost: Array = curves - curves.mean(axis=0, keepdims=True)
    return ghost


def pooled(x: npt.NDArray[Real], block: int) -> npt.NDArray[Real]:
    """Mean of each whole block x block square: (H, W) to (H // block, W // block)."""
    h, w = x.shape[0] // block, x.shape[1] // block
    means: npt.NDArray[Real] = x[: h * block, : w * block].reshape(h, block, w, block).mean(axis=(1, 3))
    return means


def _halved(x: Array) -> Array:
    """Half the size by averaging; an odd last row or column is averaged with itself."""
    return pooled(np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2)), mode="edge"), 2)


def _median(rows: Floats) -> Floats:
    """The lower of the two middle values where there are two: one of the values themselves."""
    middle = (rows.shape[1] - 1) // 2
    value: Floats = np.partition(rows, middle, axis=1)[:, middle : middle + 1]
    return value


def _mad(rows: Floats) -> Floats:
    return 1.4826 * _median(np.abs(rows)) + 1e-6
