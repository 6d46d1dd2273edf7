"""The network that looks for a part of a picture that does not fit the rest, and how it is trained.

A fixed part measures every cell of 8 x 8 pixels, three ways. *Traces*: level, shape and correlation of high-pass
residuals (of the spatial rich model: Fridrich & Kodovsky, IEEE TIFS 2012; of neighbouring pixels: Tan et al., CVPR
2024) and the place of the JPEG grid. *Colour*: the same of chroma, which a part from elsewhere rarely shares. *Sight*:
what the first blocks of a network see that learned to name objects (EfficientNet-Lite0, ImageNet): where an outline
runs, and whether a cell is sky, skin or out of focus, so that what differs by nature is not taken for an edit. None of
it is learned here, so that a few hundred photographs teach the rest enough. The learned part compares each cell with
all of the picture: what counts is how far it is from the picture's own mean, in units of the picture's own spread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detection.training import sight
from detection.training.sight import Sight

STRIDE = 8  # pixels of the picture for one of the map
SHARPNESS = 4.0  # of the soft maximum that makes the picture's logit of the map
_KV = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
_SQUARE = [[0] * 5, [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], [0] * 5]
_LINE = [[0] * 5, [0] * 5, [0, 1, -2, 1, 0], [0] * 5, [0] * 5]
_STEP = [[0] * 5, [0] * 5, [0, 0, -1, 1, 0], [0] * 5, [0] * 5]
TRACES, CONTENT, COLOUR = 45, 5, 10
CELLS, FAR = TRACES + CONTENT + COLOUR + 2 * sight.FINE + sight.MIDDLE, sight.FAR
# Luma and chroma as JPEG has them (ITU-T T.871, clause 7), chroma around 0.
_PLANES = [[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]]
Half = npt.NDArray[np.float16]
Index = Sequence[int] | npt.NDArray[np.int64]


def _kernels() -> Tensor:
    def turned(rows: list[list[int]]) -> list[list[int]]:
        return [list(row) for row in zip(*rows, strict=True)]

    rows = [_KV, _SQUARE, _LINE, turned(_LINE), _STEP, turned(_STEP)]
    kernels = torch.tensor(rows, dtype=torch.float32).unsqueeze(1)
    return kernels / kernels.abs().amax((1, 2, 3), keepdim=True)


def _phases() -> Tensor:
    """(16, 1, 8, 8): in a cell, each column and each row by itself."""
    one = torch.eye(8) / 8
    return torch.cat([one[:, None, None, :].expand(8, 1, 8, 8), one[:, None, :, None].expand(8, 1, 8, 8)])


class Traces(nn.Module):
    """(N, 1, H, W) luma 0…255, sides a multiple of 16, to (N, TRACES + CONTENT, H/8, W/8). Nothing here is learned."""

    kernels: Tensor
    phases: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernels", _kernels(), persistent=False)
        self.register_buffer("phases", _phases(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        fine = F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), self.kernels)
        near = x - F.interpolate(F.avg_pool2d(x, 2), scale_factor=2.0, mode="nearest")
        half = F.avg_pool2d(x, 2)
        coarse = F.conv2d(F.pad(half, (2, 2, 2, 2), mode="replicate"), self.kernels[:2])
        rest = torch.cat([fine, near, F.interpolate(coarse, scale_factor=2.0, mode="nearest")], dim=1)
        return torch.cat([_statistics(rest), _correlations(fine[:, :1]), self._grid(fine), _content(x)], dim=1)

    def _grid(self, fine: Tensor) -> Tensor:
        """Where in the cell steps between columns (8) and rows (8) are strong: the grid of an earlier JPEG."""
        across = F.conv2d(fine[:, 2:3].abs().clamp(max=12), self.phases[:8], stride=8)
        down = F.conv2d(fine[:, 3:4].abs().clamp(max=12), self.phases[8:], stride=8)
        return torch.cat([_relative(_wide(across)), _relative(_wide(down))], dim=1)


def _cells(x: Tensor) -> Tensor:
    """Means over 16 x 16 pixels around each cell."""
    return F.avg_pool2d(F.pad(x, (4, 4, 4, 4), mode="replicate"), 16, stride=8)


def _wide(cells: Tensor) -> Tensor:
    """Means over 5 x 5 cells: a grid is seen in many cells or not at all."""
    return F.avg_pool2d(F.pad(cells, (2, 2, 2, 2), mode="replicate"), 5, stride=1)


def _relative(phases: Tensor) -> Tensor:
    return phases / (phases.mean(1, keepdim=True) + 0.05) - 1


def _statistics(rest: Tensor) -> Tensor:
    """Of nine residuals: log level, log of how heavy the tails are, share of the smallest: 27."""
    size = rest.abs()
    level = _cells(size) + 0.03
    power = _cells(rest.square()) + 0.002
    small = _cells((1 - size).clamp(0, 1))
    return torch.cat([torch.log(level), torch.log(power) - 2 * torch.log(level), small], dim=1)


def _correlations(kv: Tensor) -> Tensor:
    """Of the residual with its right and its lower neighbour: 2."""
    power = _cells(kv.square()) + 0.01
    right = _cells(kv * torch.roll(kv, -1, dims=3))
    below = _cells(kv * torch.roll(kv, -1, dims=2))
    return torch.cat([right / power, below / power], dim=1)


def _content(x: Tensor) -> Tensor:
    """What the cell shows anyway: brightness, its square, nearness to clipping, coarse and fine contrast: 5."""
    mean = _cells(x) / 255
    smooth = F.avg_pool2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    coarse = torch.log((_cells(smooth.square()) - _cells(smooth).square()).clamp(min=0) + 0.5)
    fine = torch.log((_cells(x.square()) - _cells(x).square()).clamp(min=0) + 0.5)
    return torch.cat([mean, mean.square(), torch.minimum(mean, 1 - mean).clamp(max=0.1) * 10, coarse, fine], dim=1)


class Colour(nn.Module):
    """(N, 3, H, W) luma and chroma to (N, COLOUR, H/8, W/8): of both chroma planes, log level of two residuals, how far
    the first goes with luma's, mean and contrast."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _kernels()[:1], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        luma, *chroma = (self._residual(plane) for plane in torch.split(x, 1, dim=1))
        near = x[:, 1:] - F.interpolate(F.avg_pool2d(x[:, 1:], 2), scale_factor=2.0, mode="nearest")
        power = _cells(luma.square())
        told = [torch.log(_cells(near.abs()) + 0.02)]
        for plane, rest in zip(torch.split(x[:, 1:], 1, dim=1), chroma, strict=True):
            mean = _cells(plane)
            spread = torch.log((_cells(plane.square()) - mean.square()).clamp(min=0) + 0.5)
            along = _cells(luma * rest) / (power * _cells(rest.square()) + 1e-3).sqrt()
            told += [torch.log(_cells(rest.abs()) + 0.02), along, mean / 40, spread]
        return torch.cat(told, dim=1)

    def _residual(self, plane: Tensor) -> Tensor:
        return F.conv2d(F.pad(plane, (2, 2, 2, 2), mode="replicate"), self.kernel)


class Measures(nn.Module):
    """(N, 3, H, W) RGB 0…255, sides a multiple of 16, to (N, CELLS, H/8, W/8) and (N, FAR, H/16, W/16). Nothing here is
    learned."""

    planes: Tensor

    def __init__(self, sight: Sight | None = None) -> None:
        super().__init__()
        self.traces, self.colour, self.sight = Traces(), Colour(), sight or Sight()
        self.register_buffer("planes", torch.tensor(_PLANES).reshape(3, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        planes = F.conv2d(x, self.planes)
        fine, middle, far = self.sight((x - 127) / 128)
        mean = F.avg_pool2d(fine, 2)
        spread = ((F.avg_pool2d(fine.square(), 2) - mean.square()).clamp(min=0) + 1e-4).sqrt()
        traces = self.traces(torch.round(planes[:, :1]))
        return torch.cat([traces, self.colour(planes), mean, spread, middle], dim=1), far


class Compare(nn.Module):
    """What `Measures` gives to the map (N, 1, h, w)."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        inside = CELLS + FAR
        self.scale = nn.BatchNorm2d(inside)
        self.describe = nn.Sequential(nn.Conv2d(2 * inside, 64, 1), nn.ReLU(), nn.Conv2d(64, width, 1), nn.ReLU())
        self.around = nn.Sequential(_near(width, width), nn.ReLU())
        self.judge = nn.Sequential(
            nn.Conv2d(2 * width, width, 1), nn.ReLU(), _near(width, width), nn.ReLU(), _near(width, width), nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )  # fmt: skip

    def forward(self, cells: Tensor, far: Tensor) -> Tensor:
        wide = F.interpolate(far, scale_factor=2.0, mode="bilinear", align_corners=False)
        scaled = self.scale(torch.cat([cells, wide], dim=1)).clamp(-6, 6)
        places = self.around(self.describe(torch.cat([scaled, _apart(scaled)], dim=1)))
        heat: Tensor = self.judge(torch.cat([places, _apart(places)], dim=1))
        return heat


def _near(inside: int, outside: int) -> nn.Conv2d:
    # The border's own cells go on past it: zeros there would tell the network where the border is.
    return nn.Conv2d(inside, outside, 3, padding=1, padding_mode="replicate")


def _apart(x: Tensor) -> Tensor:
    """How far each place is from the picture's mean, in units of the picture's spread."""
    centred = x - x.mean((2, 3), keepdim=True)
    return centred / ((centred.square().mean((2, 3), keepdim=True)) + 1e-2).sqrt()


class Localiser(nn.Module):
    """(N, 3, H, W) RGB 0…255, sides a multiple of 16, to the map of logits (N, 1, H/8, W/8)."""

    def __init__(self, measures: Measures | None = None, compare: Compare | None = None) -> None:
        super().__init__()
        self.measures, self.compare = measures or Measures(), compare or Compare()

    def forward(self, x: Tensor) -> Tensor:
        heat: Tensor = self.compare(*self.measures(x))
        return heat


def peak(heat: Tensor) -> Tensor:
    """A soft maximum of the map over 3 x 3 places, the picture's logit: (N, 1)."""
    flat = F.avg_pool2d(heat, 3, stride=1).flatten(1)
    count = torch.log(torch.ones_like(flat).sum(1, keepdim=True))
    return (torch.logsumexp(SHARPNESS * flat, dim=1, keepdim=True) - count) / SHARPNESS


@dataclass(frozen=True)
class Bank:
    """Training crops, measured once: float16 cells (n, CELLS, h, w) and far (n, FAR, h/2, w/2), and how much of each
    place is new, float32 (n, h, w)."""

    cells: Half
    far: Half
    wanted: npt.NDArray[np.float32]

    def chosen(self, index: Index) -> "Bank":
        at = np.sort(index)
        return Bank(self.cells[at], self.far[at], self.wanted[at])

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return (
            torch.from_numpy(np.asarray(self.cells, np.float32)),
            torch.from_numpy(np.asarray(self.far, np.float32)),
            torch.from_numpy(np.asarray(self.wanted, np.float32))[:, None],
        )


@torch.no_grad()
def measured(measures: Measures, pixels: npt.NDArray[np.uint8], wanted: npt.NDArray[np.float32]) -> Bank:
    """pixels: (n, H, W, 3). wanted: (n, H/8, W/8)."""
    cells, far = measures(torch.from_numpy(pixels).permute(0, 3, 1, 2).float())
    return Bank(cells.numpy().astype(np.float16), far.numpy().astype(np.float16), wanted)


@dataclass(frozen=True)
class Plan:
    """How to train. epochs: passes over the bank."""

    epochs: int = 6
    batch: int = 32
    rate: float = 3e-3
    seed: int = 0


def train(bank: Bank, chosen: Index, plan: Plan, told: Callable[[int, float], None]) -> Compare:
    """The learned part, trained on the chosen crops of a bank, half of the batches mirrored. told: called after each
    epoch with its mean loss."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = Compare()
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-3)
    steps = max(len(chosen) // plan.batch, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps * plan.epochs, pct_start=0.2)
    for epoch in range(plan.epochs):
        order = rng.permutation(chosen)[: steps * plan.batch].reshape(steps, -1)
        losses = []
        for at in order:
            mirrored = rng.random() < 0.5
            loss = loss_of(network, *(one.flip(3) if mirrored else one for one in bank.chosen(at).tensors()))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        told(epoch + 1, float(np.mean(losses)))
    return network.eval()


def loss_of(network: Compare, cells: Tensor, far: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of the map (edited places weigh four times) and of the picture."""
    heat = network(cells, far)
    places = F.binary_cross_entropy_with_logits(heat, wanted, 1 + 3 * wanted)
    is_edited = (wanted.amax((1, 2, 3)) > 0.1).float()[:, None]
    return places + 0.5 * F.binary_cross_entropy_with_logits(peak(heat), is_edited)


@dataclass(frozen=True)
class InTorch:
    """A module with the interface of `detection.network.Network`."""

    module: nn.Module

    @torch.no_grad()
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(self.module(torch.from_numpy(batch)).numpy(), np.float32)
