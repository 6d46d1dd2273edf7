"""The network that looks at one face: traces of every 8 x 8 pixels (`localiser.Traces`), each compared with the rest
of the face, then summed up. 96 x 96 luma in, one logit out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detection.training.localiser import CONTENT, TRACES, Plan, Traces


class Judge(nn.Module):
    """(N, TRACES + CONTENT, h, w) to logits (N, 1)."""

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.scale = nn.BatchNorm2d(TRACES + CONTENT)
        self.describe = nn.Sequential(
            nn.Conv2d(2 * TRACES + CONTENT, 64, 1), nn.ReLU(), nn.Dropout2d(0.2), nn.Conv2d(64, width, 1), nn.ReLU()
        )
        self.around = nn.Sequential(nn.Conv2d(width, width, 3), nn.ReLU())
        self.sum_up = nn.Sequential(nn.Dropout(0.3), nn.Linear(3 * width, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, traces: Tensor) -> Tensor:
        scaled = self.scale(traces)
        own = scaled[:, :TRACES]
        apart = own - own.mean((2, 3), keepdim=True)
        places = self.around(self.describe(torch.cat([scaled, apart], dim=1)))
        mean, most = places.mean((2, 3)), places.amax((2, 3))
        spread = (places.square().mean((2, 3)) - mean.square()).clamp(min=1e-6).sqrt()
        logit: Tensor = self.sum_up(torch.cat([mean, most, spread], dim=1))
        return logit


class FaceNet(nn.Module):
    """(N, 1, SIDE, SIDE) luma 0…255 to logits (N, 1)."""

    def __init__(self, judge: Judge | None = None) -> None:
        super().__init__()
        self.traces, self.judge = Traces(), judge or Judge()

    def forward(self, x: Tensor) -> Tensor:
        logit: Tensor = self.judge(self.traces(x))
        return logit


@dataclass(frozen=True)
class Examples:
    """Faces, measured once. traces: (n, TRACES + CONTENT, h, w). labels: (n,), 1 = not as a camera took it. weights:
    (n,)."""

    traces: Tensor
    labels: Tensor
    weights: Tensor


@torch.no_grad()
def measured(luma: npt.NDArray[np.float32]) -> Tensor:
    """(n, SIDE, SIDE) to traces."""
    return torch.cat([Traces()(torch.from_numpy(luma[at : at + 64])[:, None]) for at in range(0, len(luma), 64)])


def train(examples: Examples, plan: Plan, told: Callable[[int, float], None]) -> FaceNet:
    """told: called after each epoch with its mean loss."""
    torch.manual_seed(plan.seed)
    rng = np.random.default_rng(plan.seed)
    network = Judge()
    optimiser = torch.optim.AdamW(network.parameters(), lr=plan.rate, weight_decay=1e-2)
    steps = max(len(examples.labels) // plan.batch, 1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, plan.rate, total_steps=steps * plan.epochs, pct_start=0.2)
    for epoch in range(plan.epochs):
        losses = []
        for at in rng.permutation(len(examples.labels))[: steps * plan.batch].reshape(steps, -1):
            here = torch.as_tensor(at)
            logit = network(examples.traces[here])[:, 0]
            loss = F.binary_cross_entropy_with_logits(logit, examples.labels[here], examples.weights[here])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(float(loss.detach()))
        told(epoch + 1, float(np.mean(losses)))
    return FaceNet(network).eval()
