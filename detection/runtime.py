"""PyTorch, and what the pixel detectors compute with it. The only module that imports torch.

It is imported in a nursery (`core.guard`), never in a web process: importing torch costs about 5 s and 300 MB, which
the nursery pays once; every guarded child is then a fork of it. One thread and deterministic kernels, so that the
same file gives the same map on the same machine.

Pictures come in as NumPy arrays and maps go out as NumPy arrays; tensors stay inside. Shapes: `H, W` pixels,
`h, w` = blocks. Luma is float32 in 0…255.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Array: TypeAlias = npt.NDArray[np.float32]

torch.set_num_threads(1)  # before any fork: a thread pool would not survive it
torch.use_deterministic_algorithms(True)

# Two high-pass kernels of the spatial rich model: the 5 x 5 “KV” and a second-order line
# (Fridrich & Kodovsky, “Rich Models for Steganalysis of Digital Images”, IEEE TIFS 2012, fig. 2).
KV = [
    [-1.0, 2.0, -2.0, 2.0, -1.0],
    [2.0, -6.0, 8.0, -6.0, 2.0],
    [-2.0, 8.0, -12.0, 8.0, -2.0],
    [2.0, -6.0, 8.0, -6.0, 2.0],
    [-1.0, 2.0, -2.0, 2.0, -1.0],
]
LINE = [[0.0] * 5, [0.0] * 5, [0.0, 0.5, -1.0, 0.5, 0.0], [0.0] * 5, [0.0] * 5]
EPSILON = 1e-3


def noise_features(luma: Array, block: int) -> tuple[Array, Array]:
    """What the fine noise of each block is like, and what the picture there shows anyway.

    luma: (H, W). Returns features (6, h, w) – log level of the KV residual, of the two line residuals and of the
    residual at half size, the residual's correlation with its right and lower neighbour – and content (5, h, w): log
    gradient of the smoothed picture, brightness, its square, distance to clipping, log of the coarse contrast.
    """
    x = _tensor(luma)
    kernels = torch.tensor([KV, LINE, [list(row) for row in zip(*LINE, strict=True)]]).unsqueeze(1)
    kernels[0] /= 12.0
    fine = F.conv2d(_padded(x, 2), kernels)
    half = F.avg_pool2d(x, 2, ceil_mode=True)
    coarse = F.conv2d(_padded(half, 2), kernels[:1])
    kv = fine[:, :1]
    right, below = _rolled(kv, 3), _rolled(kv, 2)
    power = _pool(kv * kv, block) + EPSILON
    levels = _log_level(fine, block)
    half_level = _fit(_log_level(coarse, block // 2), levels)
    features = torch.cat(
        [levels, half_level, _pool(kv * right, block) / power, _pool(kv * below, block) / power], dim=1
    )
    return _array(features[0]), _array(_content(x, block)[0])


def _content(x: Tensor, block: int) -> Tensor:
    smooth = F.avg_pool2d(_padded(x, 2), 5, stride=1)
    across, down = _rolled(smooth, 3) - smooth, _rolled(smooth, 2) - smooth
    gradient = torch.log(_pool((across**2 + down**2), block) + 0.05)
    mean = _pool(x, block)
    contrast = torch.log((_pool(smooth**2, block) - _pool(smooth, block) ** 2).clamp(min=0) + 0.05)
    bright = mean / 255
    clipping = torch.minimum(bright, 1 - bright).clamp(max=0.1)
    return torch.cat([gradient, bright, bright**2, clipping, contrast], dim=1)


def _log_level(residual: Tensor, block: int) -> Tensor:
    """Log of the mean absolute residual: less moved by one edge than the variance."""
    return torch.log(_pool(residual.abs(), block) + 0.02)


def explained(features: Array, content: Array, rounds: int = 6) -> Array:
    """`features` minus what `content` predicts for this picture, by a robust regression on the picture itself.

    features: (d, h, w), content: (c, h, w). Returns (d, h, w), each layer centred on its median and divided by
    1.4826 x its median absolute deviation. Iteratively re-weighted least squares with Tukey's weights (c = 4.685),
    so that an edited region does not teach the regression that it is normal.
    """
    d, h, w = features.shape
    y = torch.from_numpy(features).double().reshape(d, -1)
    base = torch.from_numpy(content).double().reshape(content.shape[0], -1)
    base = (base - base.mean(1, keepdim=True)) / (base.std(1, keepdim=True) + EPSILON)
    design = torch.cat([torch.ones_like(base[:1]), base, base**2], dim=0)
    rest = y - y.median(dim=1, keepdim=True).values
    for _ in range(rounds):
        scale = _mad(rest)
        weight = ((1 - (rest / (4.685 * scale)) ** 2).clamp(min=0) ** 2).mean(0)
        weighted = design * weight
        gram = weighted @ design.T + torch.eye(len(design), dtype=torch.float64) * 1e-3 * h * w
        rest = y - (torch.linalg.solve(gram, weighted @ y.T)).T @ design
    rest = rest - rest.median(dim=1, keepdim=True).values
    return _array((rest / _mad(rest)).reshape(d, h, w))


def distance(layers: Array, limit: float = 8.0) -> Array:
    """Root mean square over standardised layers (d, h, w), each clipped to ±limit: (h, w)."""
    return _array(torch.from_numpy(layers).clamp(-limit, limit).pow(2).mean(0).sqrt())


def standardised(values: Array) -> Array:
    """`values` (h, w) minus its median, divided by 1.4826 x its median absolute deviation."""
    flat = torch.from_numpy(values).double().reshape(1, -1)
    flat = flat - flat.median(dim=1, keepdim=True).values
    return _array((flat / _mad(flat)).reshape(values.shape))


def window_means(layers: Array, size: int) -> Array:
    """Mean over a size x size window of blocks around each block, at the border over what is there: same shape."""
    x = torch.from_numpy(layers)
    stack = x.reshape(1, -1, *layers.shape[-2:])
    pad = size // 2
    sums = F.avg_pool2d(stack, size, stride=1, padding=pad, count_include_pad=False)
    return _array(sums[..., : layers.shape[-2], : layers.shape[-1]].reshape(layers.shape))


def ghosts(luma: Array, resaved: list[Array], block: int) -> Array:
    """JPEG ghosts (Farid, “Exposing Digital Forgeries from JPEG Ghosts”, IEEE TIFS 2009).

    resaved: the same picture saved again at rising qualities. Returns (q, h, w): log of the mean squared change of each
    block at each quality, less the block's own mean over the qualities (what depends on texture only).
    """
    x = _tensor(luma)
    changes = torch.cat([_pool((x - _tensor(other)) ** 2, block) for other in resaved], dim=1)
    curves = torch.log(changes + 0.05)
    return _array((curves - curves.mean(dim=1, keepdim=True))[0])


def dct_histograms(luma: Array, steps: list[int], reach: int = 60) -> Array:
    """Histograms of the first zig-zag AC coefficients in units of their quantisation step: (len(steps), 2 reach + 1).

    luma: (H, W) on the file's own 8 x 8 grid. steps: quantisation steps of the coefficients (0,1), (1,0), (2,0),
    (1,1), (0,2) …
    """
    h, w = (side // 8 * 8 for side in luma.shape)
    blocks = torch.from_numpy(luma[:h, :w] - 128.0).reshape(h // 8, 8, w // 8, 8).permute(0, 2, 1, 3).reshape(-1, 8, 8)
    basis = _dct_basis()
    coefficients = basis @ blocks @ basis.T
    rows = []
    for (u, v), step in zip(ZIGZAG, steps, strict=False):
        value = (coefficients[:, u, v] / step).round().clamp(-reach, reach).long() + reach
        rows.append(torch.bincount(value, minlength=2 * reach + 1).float())
    return _array(torch.stack(rows))


ZIGZAG = [(0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0)]


def _dct_basis() -> Tensor:
    k = torch.arange(8).float()
    basis = torch.cos((2 * k[None, :] + 1) * k[:, None] * torch.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    return basis


def _tensor(luma: Array) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(luma, dtype=np.float32))[None, None]


def _array(tensor: Tensor) -> Array:
    return np.asarray(tensor.float().numpy(), dtype=np.float32)


def _padded(x: Tensor, by: int) -> Tensor:
    return F.pad(x, (by, by, by, by), mode="replicate")


def _rolled(x: Tensor, axis: int, by: int = 1) -> Tensor:
    return torch.roll(x, -by, dims=axis)


def _pool(x: Tensor, block: int) -> Tensor:
    return F.avg_pool2d(x, block, ceil_mode=False)


def _fit(x: Tensor, like: Tensor) -> Tensor:
    """Same number of blocks as `like`: half-size pooling may round to one block more."""
    return x[..., : like.shape[-2], : like.shape[-1]]


def _mad(rows: Tensor) -> Tensor:
    return 1.4826 * rows.abs().median(dim=1, keepdim=True).values + 1e-6
