"""Trains and measures the temporal net of the `video` detector: a small recurrent net over what changes between frames.

Every figure is of clips whose source, or whose generator, the net of that figure did not see. The net that ships is
trained on everything; its calibration is fitted on the logits that the held-out nets gave.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from detection import calibration, membership
from detection.calibration import Calibration, Domain, Rate
from detection.clips import FRAMES, MIN_SIDE
from detection.detectors.video.changes import NAMES
from detection.evaluation import conformal, tables
from detection.evaluation.harness import Scored, of
from detection.evaluation.suite import Item, generators, sources
from detection.network import write_manifest
from detection.training import video_clips, video_frames
from detection.training.data import manifest
from detection.training.export import to_onnx
from detection.training.splits import Split, leave_one_generator_out
from detection.training.video_clips import CONDITIONS, Windows

Array = npt.NDArray[np.float32]
Say = Callable[[str], None]
DETECTOR = Path(__file__).resolve().parent.parent / "detectors" / "video"
CALIBRATION, FRAMES_CALIBRATION = "calibration.json", "frames.calibration.json"
NETS = Path("features") / "video-nets"
SPLITS = ("leave_one_source_out", "leave_one_generator_out")
HIDDEN = 12
STEPS, BATCH, RATE = 600, 256, 1e-2
LIMIT = 4.0  # spreads


class Temporal(nn.Module):
    """(n, changes, features) → `logit` (n,) and `steps` (n, changes): how each change speaks, their mean the logit."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Array, scale: Array) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(mean))
        self.register_buffer("scale", torch.from_numpy(scale))
        self.cell = nn.GRUCell(len(mean), HIDDEN)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(HIDDEN, 1)

    def forward(self, changes: Tensor) -> tuple[Tensor, Tensor]:
        x = ((changes - self.mean) / self.scale).clamp(-LIMIT, LIMIT)
        state = x.new_zeros(1, HIDDEN).expand(x.shape[0], HIDDEN)
        told = []
        for index in range(x.shape[1]):
            state = self.cell(self.drop(x[:, index]), state)
            told.append(self.head(self.drop(state))[:, 0])
        steps = torch.stack(told, dim=1)
        return steps.mean(dim=1), steps


@dataclass(frozen=True)
class Data:
    """windows and the items they are of."""

    windows: Windows
    items: tuple[Item, ...]

    @property
    def labels(self) -> npt.NDArray[np.int_]:
        return np.array([int(self.items[index].synthetic) for index in self.windows.item])

    def of(self, items: Sequence[int]) -> npt.NDArray[np.bool_]:
        return np.isin(self.windows.item, np.asarray(items))


def fitted(data: Data, train: Sequence[int], *, seed: int = 0) -> Temporal:
    """A net trained on the windows of the items `train`; the same for the same data and seed."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    random, mask = np.random.default_rng(seed), data.of(train)
    x, y = data.windows.changes[mask], data.labels[mask].astype(np.float32)
    share = _balanced(data, mask).astype(np.float64)
    flat = x.reshape(-1, x.shape[-1])
    net = Temporal(np.median(flat, axis=0), (flat.std(axis=0) + 1e-3).astype(np.float32))
    optimiser = torch.optim.Adam(net.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    inputs, wanted = torch.from_numpy(x), torch.from_numpy(y * 0.9 + 0.05)
    net.train()
    for _ in range(STEPS):
        drawn = torch.from_numpy(random.choice(len(share), BATCH, p=share / share.sum()))
        chosen = inputs[drawn]
        told, _ = net(chosen + 0.1 * torch.randn_like(chosen) * net.scale)
        loss = nn.functional.binary_cross_entropy_with_logits(told, wanted[drawn])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return net.eval()


def kept(data: Data, train: Sequence[int], folder: Path, *, seed: int) -> Temporal:
    """As `fitted`, and kept in `folder`, so that what `train` fitted `evaluate` need not fit again."""
    told = hashlib.sha256(repr((seed, STEPS, BATCH, RATE, sorted(train))).encode())
    told.update(data.windows.changes.tobytes() + data.labels.tobytes())
    path = folder / f"{told.hexdigest()[:16]}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        save_file(fitted(data, train, seed=seed).state_dict(), path)
    width = data.windows.changes.shape[-1]
    net = Temporal(np.zeros(width, np.float32), np.ones(width, np.float32))
    net.load_state_dict(load_file(path))
    return net.eval()


def _balanced(data: Data, mask: npt.NDArray[np.bool_]) -> Array:
    """Weights that sum to one half for each class, alike for its sources or generators, and for the items of each."""
    keys = np.array([f"{one.synthetic}/{one.generator or one.source}" for one in data.items])[data.windows.item[mask]]
    items, labels = data.windows.item[mask], data.labels[mask]
    weight = np.zeros(len(items))
    for label in (0, 1):
        names = np.unique(keys[labels == label])
        for name in names:
            members = np.unique(items[keys == name])
            for item in members:
                chosen = items == item
                weight[chosen] = 0.5 / (len(names) * len(members) * chosen.sum())
    return weight.astype(np.float32)


def scored(net: Temporal, data: Data, items: Sequence[int], held_out: str) -> list[Scored]:
    """Each item at its own speed under each condition: the median logit of its stretches, as the detector takes it."""
    found = []
    for condition in CONDITIONS:
        chosen = data.of(items) & (data.windows.condition == condition) & (data.windows.speed == 1)
        with torch.no_grad():
            told = net(torch.from_numpy(data.windows.changes[chosen]))[0].numpy()
        owner = data.windows.item[chosen]
        for item in np.unique(owner):
            found.append(Scored(data.items[item], condition, float(np.median(told[owner == item])), held_out))
    return found


def held_out(data: Data, folder: Path, *, seed: int = 0) -> dict[str, list[list[Scored]]]:
    """By split, the scores of each net: every generator left out in turn, with a share of the real clips; and every
    source of real clips, with a third of the generators. No clip of any figure was seen by its net, nor anything of its
    source or generator. folder: of nets that were fitted before.
    """
    splits = {
        "leave_one_generator_out": list(leave_one_generator_out(data.items, seed=seed)),
        "leave_one_source_out": _sources_and_generators(data.items),
    }
    return {
        name: [scored(kept(data, one.train, folder, seed=seed), data, one.test, one.held_out) for one in of_kind]
        for name, of_kind in splits.items()
    }


def _sources_and_generators(items: Sequence[Item]) -> list[Split]:
    names = generators(items)
    found = []
    for index, source in enumerate(sources([item for item in items if not item.synthetic])):
        away = set(names[index % 3 :: 3])
        test = {i for i, item in enumerate(items) if item.source == source or item.generator in away}
        found.append(Split(source, tuple(i for i in range(len(items)) if i not in test), tuple(sorted(test))))
    return found


def calibrated(told: Mapping[str, list[list[Scored]]], data: Data) -> Calibration:
    """Fitted on held-out logits of clips as they are: reals by the net without their source, others likewise."""
    reals = [one for net in told["leave_one_source_out"] for one in of(net, synthetic=False)]
    fakes = [one for net in told["leave_one_generator_out"] for one in of(net, synthetic=True)]
    every = [*reals, *fakes]
    names = [one.item.generator or one.item.source for one in every]
    labels = [int(one.item.synthetic) for one in every]
    return calibration.fit([one.score for one in every], labels, names, domain=_domain(data))


def _domain(data: Data) -> Domain:
    """Clips farther from the middle than all but one in two hundred of these are unlike them."""
    chosen = data.windows.speed == 1
    rows, owner = data.windows.changes[chosen].mean(axis=1), data.windows.item[chosen]
    means = np.stack([rows[owner == item].mean(axis=0) for item in np.unique(owner)]).astype(np.float64)
    plain = Domain(mean=tuple(np.round(means.mean(axis=0), 5)), scale=tuple(np.round(means.std(axis=0) + 1e-3, 5)))
    limit = float(np.quantile([plain.distance(one) for one in means], 0.995))
    return replace(plain, limit=round(limit, 4), min_side=MIN_SIDE)


def rows(told: Mapping[str, list[list[Scored]]], made: Calibration) -> list[dict[str, Any]]:
    """Of the card: per held-out generator and source, per condition."""
    found = []
    for split, nets in told.items():
        for net in filter(None, nets):
            name = net[0].held_out
            for condition in CONDITIONS:
                reals, fakes = (of(net, condition=condition, synthetic=synthetic) for synthetic in (False, True))
                if split == "leave_one_generator_out":
                    fakes = [one for one in fakes if one.item.generator == name]
                else:
                    reals = [one for one in reals if one.item.source == name]
                found.append(tables.row(reals, fakes, made, split=split, held_out=name, condition=condition))
    return found


# --- The commands -----------------------------------------------------------------------------------------------------


def train(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """The net that ships, on everything, and its calibration on what held-out nets said, into `folder`."""
    data = gathered(root, say)
    net = kept(data, range(len(data.items)), root / NETS, seed=seed)
    to_onnx(net, (2, FRAMES - 1, len(NAMES)), folder, outputs=("logit", "steps"))
    calibrated(held_out(data, root / NETS, seed=seed), data).write(folder / CALIBRATION)
    write_manifest(folder)
    say(f"temporal net on {len(data.windows.item)} stretches of {len(data.items)} clips; calibration written")


def evaluate(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """`evaluation.json`, of the changes and of the frames, and the frames' calibration."""
    data = gathered(root, say)
    made = Calibration.read(folder / CALIBRATION)
    told = held_out(data, root / NETS, seed=seed)
    found = rows(told, made)
    made.with_error_rates([_rate(row) for row in found if row["split"] == "leave_one_source_out"]).write(
        folder / CALIBRATION
    )
    frames = video_frames.scored(root, data.items, say)
    of_frames = video_frames.calibrated(frames)
    frame_rows = video_frames.rows(frames, of_frames)
    of_frames.with_error_rates([_rate(row) for row in frame_rows if row["n_real"]]).write(folder / FRAMES_CALIBRATION)
    write_manifest(folder)
    tables.write(
        folder, command="manage.py evaluate video", seed=seed, rows=[*found, *frame_rows],
        data=tables.data_rows(manifest(root, video_clips.every_source())), calibration=made.id,
        threshold=made.threshold, notes=NOTES, membership=_membership(root, data, told, seed),
        coverage=conformal.coverage(*(itertools.chain.from_iterable(told[split]) for split in SPLITS)),
    )  # fmt: skip
    say(f"{len(found)} rows of the changes, {len(frame_rows)} of the frames")


def _membership(root: Path, data: Data, told: Mapping[str, list[list[Scored]]], seed: int) -> dict[str, Any]:
    """Whether the shipped net's scores tell the clips that it was trained on from those that a net had not seen."""
    every = range(len(data.items))
    seen = of(scored(kept(data, every, root / NETS, seed=seed), data, every, ""))
    outside = [*_left_out(told["leave_one_source_out"], synthetic=False),
               *_left_out(told["leave_one_generator_out"], synthetic=True)]  # fmt: skip
    return membership.attack(
        [one.score for one in seen], [int(one.item.synthetic) for one in seen],
        [one.score for one in outside], [int(one.item.synthetic) for one in outside], seed=seed,
    )  # fmt: skip


def _left_out(nets: Iterable[Sequence[Scored]], *, synthetic: bool) -> list[Scored]:
    """Each clip as it is, by the first net that had not seen its source or generator."""
    first: dict[Item, Scored] = {}
    for net in nets:
        for one in of(net, synthetic=synthetic):
            if synthetic or one.item.source == one.held_out:
                first.setdefault(one.item, one)
    return list(first.values())


def gathered(root: Path, say: Say) -> Data:
    """The stretches of every clip, kept under root/features; what is missing is computed (2 CPU seconds a clip)."""
    video_clips.fetch(root)
    items = video_clips.items(root)
    return Data(video_clips.windows_of_items(items, root / "features" / "video", say), tuple(items))


def _rate(row: Mapping[str, Any]) -> Rate:
    """A row of the card as the calibration keeps it."""
    fpr, tpr = row["fpr"], row["tpr"]
    return Rate(
        condition=row["condition"],
        source=row["held_out"],
        n_real=row["n_real"],
        n_fake=row["n_fake"],
        fpr=fpr[0] if fpr else None,
        tpr=tpr[0] if tpr else None,
        fpr_interval=(fpr[1], fpr[2]) if fpr else None,
        tpr_interval=(tpr[1], tpr[2]) if tpr else None,
        abstained=row["abstained"],
    )


NOTES = (
    "Rows named “frames: …” are of single frames through the synthetic-image net, the others of the temporal net.",
    "Pans over photographs are made here: rigid motion over real pictures, no camera film.",
    "Real clips are few and most sources are one to four clips: see n, and the width of the intervals.",
    "All generated clips are previews of 350 pixels, published by one house as animated WebP; files of another kind"
    " from the same generators were not at hand.",
)
