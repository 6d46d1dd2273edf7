"""The network of the `voice` detector and how it is trained. Torch; one thread; the same weights for the same seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from detection.training.voice_examples import AS_IS, TRAINING, Example, Seen
from detection.voice_features import BANDS, WINDOW, Speech

Array = npt.NDArray[np.float32]

STEPS = 400
BATCH = 32
RATE = 2e-3
SMOOTHING = 0.05
WITHOUT_NOISE = 0.25  # share of windows
NOISE, NOISE_TILT = (-2.5, 0.3), 0.7  # powers of ten of a band's mean energy
MASKED_BANDS, MASKED_FRAMES = 10, 30  # widest mask of SpecAugment (Park et al., 2019)


class VoiceNet(nn.Module):
    """(n, 1, BANDS, WINDOW) → logit (n,), high for synthesis. 33 k weights; mean and spread over time, so that a voice
    which is too even over time can be told as well as a trace in single frames."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(1, 16, 5, (2, 2)),
            *_layer(16, 32, 3, (2, 2)),
            *_layer(32, 32, 3, (2, 1)),
            *_layer(32, 48, 3, (1, 2)),
        )
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(2 * 48 * 8, 1)

    def forward(self, bands: Tensor) -> Tensor:
        x = self.layers(bands).flatten(1, 2)
        mean = x.mean(dim=2, keepdim=True)
        spread = ((x - mean) ** 2).mean(dim=2).add(1e-5).sqrt()
        told: Tensor = self.head(self.drop(torch.cat([mean[:, :, 0], spread], dim=1)))
        return told[:, 0]


def _layer(inside: int, outside: int, size: int, stride: tuple[int, int]) -> list[nn.Module]:
    return [
        nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(),
    ]


@dataclass(frozen=True)
class Pool:
    """What a fold trains on. cells: for each class, for each source, for each voice, its examples' indices."""

    cells: tuple[list[list[list[int]]], list[list[list[int]]]]
    seen: Sequence[Mapping[str, Seen]]

    @classmethod
    def of(cls, made: Sequence[Example], seen: Sequence[Mapping[str, Seen]], train: Sequence[int]) -> "Pool":
        nested: tuple[dict[str, dict[str, list[int]]], dict[str, dict[str, list[int]]]] = ({}, {})
        for index in train:
            one = made[index]
            if not seen[index][AS_IS].refused:
                nested[one.synthetic].setdefault(one.source, {}).setdefault(one.person, []).append(index)
        return cls((_lists(nested[0]), _lists(nested[1])), seen)

    def batch(self, random: np.random.Generator) -> tuple[Array, Array]:
        """BATCH windows, half of each class; every source, and within it every voice, as often as any other."""
        labels = np.arange(BATCH) % 2
        return np.stack([self._window(int(label), random) for label in labels])[:, None], labels.astype(np.float32)

    def _window(self, label: int, random: np.random.Generator) -> Array:
        voices = self.cells[label][int(random.integers(len(self.cells[label])))]
        voice = voices[int(random.integers(len(voices)))]
        variants = self.seen[voice[int(random.integers(len(voice)))]]
        name = (AS_IS, *TRAINING)[int(random.integers(1 + len(TRAINING)))]
        bands = variants[name if not variants[name].refused else AS_IS].bands
        start = int(random.integers(max(1, bands.shape[1] - WINDOW + 1)))
        window = bands[:, np.arange(start, start + WINDOW) % bands.shape[1]].astype(np.float32)
        return _masked(_noisier(window, random), random)


def _lists(nested: Mapping[str, Mapping[str, list[int]]]) -> list[list[list[int]]]:
    return [[voices[name] for name in sorted(voices)] for _, voices in sorted(nested.items())]


def _noisier(window: Array, random: np.random.Generator) -> Array:
    """With a steady noise of drawn level and tilt added to the energies: how quiet a recording is must tell nothing."""
    if random.random() < WITHOUT_NOISE:
        return window
    tilt = np.linspace(-1, 1, BANDS)[:, None] * random.uniform(-NOISE_TILT, NOISE_TILT)
    noisy = np.log10(10**window + 10 ** (random.uniform(*NOISE) + tilt))
    return np.asarray(noisy - noisy.mean(axis=1, keepdims=True), dtype=np.float32)


def _masked(window: Array, random: np.random.Generator) -> Array:
    """With a few neighbouring bands and frames set to their mean."""
    for axis, most in ((0, MASKED_BANDS), (1, MASKED_FRAMES)):
        width = int(random.integers(most + 1))
        start = int(random.integers(window.shape[axis] - width + 1))
        window[(slice(None),) * axis + (slice(start, start + width),)] = 0.0
    return window


def fitted(pool: Pool, *, seed: int = 0, steps: int = STEPS) -> VoiceNet:
    """A net trained on the pool."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random, net = np.random.default_rng(seed), VoiceNet().train()
    optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.15)
    for _ in range(steps):
        bands, labels = pool.batch(random)
        wanted = torch.from_numpy(labels * (1 - 2 * SMOOTHING) + SMOOTHING)
        loss = nn.functional.binary_cross_entropy_with_logits(net(torch.from_numpy(bands)), wanted)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return net.eval()


def logit(net: VoiceNet, one: Seen) -> float:
    """Of a whole clip: the mean of its windows, as the detector takes it."""
    frames = one.bands.shape[1]
    heard = Speech(one.bands.astype(np.float32), np.arange(frames) / 100, np.zeros(BANDS))
    with torch.no_grad():
        return float(net(torch.from_numpy(heard.windows()[0])).mean())
