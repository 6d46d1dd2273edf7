"""Pictures made over again by a machine: what a small decoder or an up-sampler leaves, on any photograph. NumPy and
Pillow.
A photograph is made small and brought back to its size in one of several ways. Nothing here imitates a particular
generator; `docs/federation.md` says what a head trained on it is worth, and what not.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

Luma = npt.NDArray[np.float64]
Random = np.random.Generator
_BLOCK: Final = 8


def nearest(luma: Luma, rng: Random) -> Luma:
    """Up-sampled by repetition, then smoothed by a random 3 x 3 kernel, as the first layer of many decoders does."""
    small = _small(luma, 2)
    kernel = _kernel(3, rng)
    return _filtered(small.repeat(2, axis=0).repeat(2, axis=1), kernel)


def transposed(luma: Luma, rng: Random) -> Luma:
    """Up-sampled by a transposed convolution of stride 2 whose kernel does not divide evenly: a checkerboard (Odena et
    al., Distill 2016)."""
    small = _small(luma, 2)
    spread = np.zeros((small.shape[0] * 2, small.shape[1] * 2))
    spread[::2, ::2] = small
    kernel = np.outer(*(np.array([0.5, 1.0, 0.5]) + rng.normal(0, 0.04, 3) for _ in range(2)))
    return _filtered(spread, kernel)


def interpolated(luma: Luma, rng: Random) -> Luma:
    """Up-sampled by a common filter, and sharpened a little."""
    factor = int(rng.choice([2, 3, 4]))
    kinds = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    small = Image.fromarray(_small(luma, factor).astype(np.float32))
    large = np.asarray(small.resize(luma.shape[::-1], kinds[int(rng.integers(3))]), dtype=np.float64)
    return large + rng.uniform(0.2, 0.8) * (large - _filtered(large, np.full((3, 3), 1 / 9)))


def coded(luma: Luma, rng: Random) -> Luma:
    """Through a linear autoencoder: overlapping blocks of 8 x 8, of which the strongest components of this very picture
    are kept (principal components, the optimum of a linear autoencoder: Baldi & Hornik 1989)."""
    step = _BLOCK // 2
    rows, columns = ((side - _BLOCK) // step + 1 for side in luma.shape)
    windows = np.lib.stride_tricks.sliding_window_view(luma, (_BLOCK, _BLOCK))[::step, ::step]
    blocks = windows.reshape(-1, _BLOCK * _BLOCK)
    mean = blocks.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov(blocks[:: max(1, len(blocks) // 4000)].T))
    kept = axes[:, -int(rng.integers(8, 20)) :]
    again = ((blocks - mean) @ kept @ kept.T + mean).reshape(rows, columns, _BLOCK, _BLOCK)
    total, weight = np.zeros_like(luma), np.zeros_like(luma)
    for i in range(_BLOCK):
        for j in range(_BLOCK):
            total[i : i + rows * step : step, j : j + columns * step : step] += again[:, :, i, j]
            weight[i : i + rows * step : step, j : j + columns * step : step] += 1
    return np.asarray(np.where(weight > 0, total / np.maximum(weight, 1), luma))


FAMILIES: Final[Mapping[str, Callable[[Luma, Random], Luma]]] = {
    "nearest": nearest,
    "transposed": transposed,
    "interpolated": interpolated,
    "coded": coded,
}


def made_again(luma: npt.ArrayLike, family: str, rng: Random) -> Luma:
    """luma: (H, W), 0…255, sides divisible by 12. Returns the same shape and range; some grain is put back on top.
    Raises KeyError for an unknown family."""
    before = np.asarray(luma, dtype=np.float64)
    after = FAMILIES[family](before, rng)
    mixed = after + (1 - rng.uniform(0.75, 1.0)) * (before - after)
    return np.asarray((mixed + rng.normal(0, rng.uniform(0.3, 2.0), before.shape)).clip(0, 255))


def _small(luma: Luma, factor: int) -> Luma:
    height, width = luma.shape
    return np.asarray(luma.reshape(height // factor, factor, width // factor, factor).mean(axis=(1, 3)))


def _kernel(side: int, rng: Random) -> Luma:
    flat = np.full((side, side), 0.6 / side**2)
    flat[side // 2, side // 2] += 0.4
    kernel = flat * (1 + rng.normal(0, 0.25, flat.shape))
    return np.asarray(kernel / kernel.sum())


def _filtered(luma: Luma, kernel: Luma) -> Luma:
    """Correlation with a small kernel, edges reflected."""
    reach = kernel.shape[0] // 2
    room = np.pad(luma, reach, mode="reflect")
    parts = (weight * room[i : i + luma.shape[0], j : j + luma.shape[1]] for (i, j), weight in np.ndenumerate(kernel))
    return np.asarray(sum(parts))
