"""What the `voice` detector weighs speech with, and how it is fitted: linear discriminants over statistics of speech.

One of Fisher's discriminants for each kind of statistics, with a ridge on the scatter within the classes: what differs
between collections, speakers and journeys lies in that scatter and is discounted. Their sum, each as wide as any other,
carries over to engines it never heard better than one discriminant over everything, and than the convolutional networks
that were tried on the same recordings: no kind can outvote the rest because it was right about the engines in training.
The same weights for the same recordings; PyTorch only exports it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detection.training.voice_examples import AS_IS, PIECES, TESTED_ONLY, TRAINING, Example, Seen
from detection.voice_statistics import KINDS

Floats = npt.NDArray[np.float64]

RIDGE = 0.3  # of the variance of a standardised statistic
FARTHEST = 4.0  # standard deviations; what is farther counts as this far


class VoiceNet(nn.Module):
    """(n, statistics) → logit (n,), high for synthesis."""

    mean: Tensor
    scale: Tensor
    weights: Tensor
    offset: Tensor

    def __init__(self, mean: Floats, scale: Floats, weights: Floats, offset: float) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("scale", scale), ("weights", weights), ("offset", np.array(offset))):
            self.register_buffer(name, torch.from_numpy(values.astype(np.float32)))

    def forward(self, rows: Tensor) -> Tensor:
        standard = ((rows - self.mean) / self.scale).clamp(-FARTHEST, FARTHEST)
        return standard @ self.weights + self.offset


@dataclass(frozen=True)
class Pool:
    """What a fold is fitted on. rows: (n, statistics). labels: (n,), 1 synthesis. weights: (n,), see `_shares`."""

    rows: Floats
    labels: npt.NDArray[np.int64]
    weights: Floats

    @classmethod
    def of(cls, made: Sequence[Example], seen: Sequence[Mapping[str, Seen]], train: Sequence[int]) -> "Pool":
        rows, labels, weights = [], [], []
        train = [index for index in train if made[index].engine not in TESTED_ONLY]
        for index, each in zip(train, _shares([made[index] for index in train]), strict=True):
            for one in _heard(seen[index]):
                rows.append(one.rows)
                labels += [int(made[index].synthetic)] * len(one.rows)
                weights += [each] * len(one.rows)
        return cls(np.concatenate(rows).astype(np.float64), np.array(labels), np.array(weights))


def _heard(variants: Mapping[str, Seen]) -> list[Seen]:
    """The variants that are trained on."""
    names = (AS_IS, *TRAINING, *((PIECES,) if PIECES in variants else ()))
    return [variants[name] for name in names if not variants[name].refused]


def _shares(made: Sequence[Example]) -> list[float]:
    """What each example counts for. Engines count alike, a collection as the root of how many people speak in it; the
    voices of one engine or collection count alike, and so do the clips of a voice."""
    voices: dict[tuple[bool, str], set[str]] = {}
    clips: dict[tuple[bool, str, str], int] = {}
    for one in made:
        voices.setdefault((one.synthetic, one.source), set()).add(one.person)
        key = (one.synthetic, one.source, one.person)
        clips[key] = clips.get(key, 0) + 1
    return [_share(one, len(voices[one.synthetic, one.source])) / clips[one.synthetic, one.source, one.person]
            for one in made]  # fmt: skip


def _share(one: Example, voices: int) -> float:
    return (1.0 if one.synthetic else voices**0.5) / voices


def fitted(pool: Pool, *, ridge: float = RIDGE, kinds: Sequence[int] = tuple(KINDS.values())) -> VoiceNet:
    """The discriminants of a pool, added. kinds: how many statistics belong together, in a row."""
    mean, scale = np.median(pool.rows, axis=0), pool.rows.std(axis=0) + 1e-6
    standard = np.clip((pool.rows - mean) / scale, -FARTHEST, FARTHEST)
    ends = np.cumsum(kinds)
    parts = [_discriminant(standard[:, end - size : end], pool, ridge) for size, end in zip(kinds, ends, strict=True)]
    return VoiceNet(mean, scale, np.concatenate([one for one, _ in parts]), sum(one for _, one in parts)).eval()


def _discriminant(standard: Floats, pool: Pool, ridge: float) -> tuple[Floats, float]:
    """(weights, offset) such that its answers have a standard deviation of one, and zero is half way."""
    sides = [(standard[pool.labels == label], pool.weights[pool.labels == label]) for label in (0, 1)]
    real, fake = (np.average(rows, axis=0, weights=weights) for rows, weights in sides)
    scatter = sum(_scatter(rows - centre, weights) for (rows, weights), centre in zip(sides, (real, fake), strict=True))
    weights = np.linalg.solve(scatter / 2 + ridge * np.eye(len(real)), fake - real)
    weights /= float((standard @ weights).std()) + 1e-9
    return weights, -float(weights @ (real + fake)) / 2


def _scatter(away: Floats, weights: Floats) -> Floats:
    return np.asarray((away * (weights / weights.sum())[:, None]).T @ away)


def logit(net: VoiceNet, one: Seen) -> float:
    """Of a whole clip: the mean of its windows, as the detector takes it."""
    with torch.no_grad():
        return float(net(torch.from_numpy(one.rows)).mean())
