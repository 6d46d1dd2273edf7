"""The network that looks for a part of a picture that does not fit the rest, and how it is trained.

A fixed part measures traces in every cell of 8 x 8 pixels: level, shape and correlation of high-pass residuals (of the
spatial rich model: Fridrich & Kodovsky, IEEE TIFS 2012; of neighbouring pixels: Tan et al., CVPR 2024) and the place
of the JPEG grid. It has no weights, so that a few hundred photographs teach the rest enough. The learned part compares
each cell with all of the picture: what counts is how far its traces are from the picture's own mean, in units of the
picture's own spread.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 8  # pixels of the picture for one of the map
SHARPNESS = 4.0  # of the soft maximum that makes the picture's logit of the map
_KV = [[-1, 2, -2, 2, -1], [2, -6, 8, -6, 2], [-2, 8, -12, 8, -2], [2, -6, 8, -6, 2], [-1, 2, -2, 2, -1]]
_SQUARE = [[0] * 5, [0, -1, 2, -1, 0], [0, 2, -4, 2, 0], [0, -1, 2, -1, 0], [0] * 5]
_LINE = [[0] * 5, [0] * 5, [0, 1, -2, 1, 0], [0] * 5, [0] * 5]
_STEP = [[0] * 5, [0] * 5, [0, 0, -1, 1, 0], [0] * 5, [0] * 5]
TRACES, CONTENT = 45, 5


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


class Compare(nn.Module):
    """(N, TRACES + CONTENT, h, w) traces to the map (N, 1, h, w)."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(TRACES + CONTENT)
        self.describe = nn.Sequential(
            nn.Conv2d(2 * TRACES + CONTENT, 64, 1), nn.ReLU(), nn.Conv2d(64, width, 1), nn.ReLU()
        )
        self.around = nn.Sequential(_near(width, width), nn.ReLU())
        self.judge = nn.Sequential(
            nn.Conv2d(2 * width, width, 1), nn.ReLU(), _near(width, width), nn.ReLU(), nn.Conv2d(width, 1, 1)
        )

    def forward(self, traces: Tensor) -> Tensor:
        scaled = self.scale(traces)
        own = scaled[:, :TRACES]
        places = self.around(self.describe(torch.cat([scaled, _apart(own)], dim=1)))
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
    """(N, 1, H, W) luma 0…255, sides a multiple of 16, to the map of logits (N, 1, H/8, W/8)."""

    def __init__(self, compare: Compare | None = None) -> None:
        super().__init__()
        self.traces, self.compare = Traces(), compare or Compare()

    def forward(self, x: Tensor) -> Tensor:
        heat: Tensor = self.compare(self.traces(x))
        return heat


def peak(heat: Tensor) -> Tensor:
    """A soft maximum of the map over 3 x 3 places, the picture's logit: (N, 1)."""
    flat = F.avg_pool2d(heat, 3, stride=1).flatten(1)
    count = torch.log(torch.ones_like(flat).sum(1, keepdim=True))
    return (torch.logsumexp(SHARPNESS * flat, dim=1, keepdim=True) - count) / SHARPNESS


@dataclass(frozen=True)
class Bank:
    """Training crops, measured once: traces (n, TRACES + CONTENT, h, w) and how much of each place is new (n, 1, h,
    w)."""

    traces: Tensor
    wanted: Tensor

    def chosen(self, index: Sequence[int] | npt.NDArray[np.int64]) -> "Bank":
        at = torch.as_tensor(index)
        return Bank(self.traces[at], self.wanted[at])


@torch.no_grad()
def measured(luma: npt.NDArray[np.float32], mask: npt.NDArray[np.float32]) -> Bank:
    """luma, mask: (n, H, W)."""
    traces = Traces()(torch.from_numpy(luma)[:, None])
    return Bank(traces, F.avg_pool2d(torch.from_numpy(mask)[:, None], STRIDE))


def joined(banks: Sequence[Bank]) -> Bank:
    return Bank(torch.cat([one.traces for one in banks]), torch.cat([one.wanted for one in banks]))


@dataclass(frozen=True)
class Plan:
    """How to train. epochs: passes over the bank."""

    epochs: int = 6
    batch: int = 32
    rate: float = 3e-3
    seed: int = 0


def train(bank: Bank, plan: Plan, told: Callable[[int, float], None]) -> Localiser:
    """A network trained on a bank, every crop at times mirrored. told: called after each epoch with its mean loss."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = Compare()
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-3)
    steps = max(len(bank.traces) // plan.batch, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps * plan.epochs, pct_start=0.2)
    for epoch in range(plan.epochs):
        order = rng.permutation(len(bank.traces))[: steps * plan.batch].reshape(steps, -1)
        losses = []
        for at in order:
            loss = loss_of(network, bank.chosen(at))
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        told(epoch + 1, float(np.mean(losses)))
    return Localiser(network).eval()


def loss_of(network: Compare, bank: Bank) -> Tensor:
    """Cross-entropy of the map (edited places weigh four times) and of the picture."""
    heat = network(bank.traces)
    places = F.binary_cross_entropy_with_logits(heat, bank.wanted, 1 + 3 * bank.wanted)
    is_edited = (bank.wanted.amax((1, 2, 3)) > 0.1).float()[:, None]
    return places + 0.5 * F.binary_cross_entropy_with_logits(peak(heat), is_edited)


@dataclass(frozen=True)
class InTorch:
    """A module with the interface of `detection.network.Network`."""

    module: nn.Module

    @torch.no_grad()
    def run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(self.module(torch.from_numpy(batch)).numpy(), np.float32)
