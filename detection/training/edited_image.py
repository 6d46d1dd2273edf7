"""Training and measuring the localiser of edits (`detectors/edited_image`).

Photographs are only ever real ones; every edit is made here (`splicing`). Each fold leaves out the photographs of a
group of publishers *and* one kind of edit, so that its figures are of a source, and for that kind also of an edit,
never seen. The picture's logits of all folds, each on its own held-out publishers, are what the calibration is fitted
on. Sources that are marked as test (`sources.Use.TEST`) train nothing; they meet the network that ships.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from detection.calibration import Calibration, Domain, fit
from detection.detectors.edited_image.localiser import heat_of, peak_of
from detection.evaluation import edits, tables
from detection.evaluation.harness import Scored, of, values
from detection.network import write_manifest
from detection.training import data, export, localiser, splicing
from detection.training.augmentation import Rgb
from detection.training.localiser import Bank, InTorch, Localiser, Plan, joined, measured
from detection.training.photographs import PHOTOGRAPHS, Photograph, photographs, shelves_of
from detection.training.sources import Use, publisher
from detection.training.splicing import Edited

CROP = 160  # pixels a side of what is trained on
CROPS = 4000
UNTOUCHED = 0.3  # share of crops without an edit


@dataclass(frozen=True)
class Made:
    """What one training crop was made of. donor: publisher of the pasted part, "" if nothing was pasted."""

    source: str
    donor: str
    kind: str


def make(shelves: Sequence[Sequence[Photograph]], rng: np.random.Generator) -> tuple[Edited, Made]:
    """One training crop, of a publisher drawn with equal chances, untouched or with an edit of any kind."""
    host, donor = (_drawn(shelves, rng) for _ in range(2))
    start = splicing.aged(host.crop(CROP, rng), rng)
    if rng.random() < UNTOUCHED:
        return splicing.published(splicing.untouched(start), rng), Made(host.source, "", "")
    kind = splicing.KINDS[int(rng.integers(len(splicing.KINDS)))]
    done = splicing.edited(start, donor.crop(CROP, rng), kind, rng)
    return splicing.published(done, rng), Made(host.source, donor.source if kind == "splice" else "", kind)


def _drawn(shelves: Sequence[Sequence[Photograph]], rng: np.random.Generator) -> Photograph:
    shelf = shelves[int(rng.integers(len(shelves)))]
    return shelf[int(rng.integers(len(shelf)))]


def make_bank(
    found: Sequence[Photograph], *, crops: int = CROPS, seed: int = 0, told: Callable[[int], None] = lambda done: None
) -> tuple[Bank, list[Made]]:
    """`crops` training crops, measured. told: called with how many are done."""
    rng = np.random.default_rng(seed)
    shelves = shelves_of(found)
    banks, origins = [], []
    for start in range(0, crops, 100):
        pairs = [make(shelves, rng) for _ in range(min(100, crops - start))]
        origins += [origin for _, origin in pairs]
        banks.append(measured(np.stack([one.luma for one, _ in pairs]), np.stack([one.mask for one, _ in pairs])))
        told(len(origins))
    return joined(banks), origins


@dataclass(frozen=True)
class Fold:
    """sources: publishers left out of training and measured on. kind: of edit left out of training."""

    sources: tuple[str, ...]
    kind: str

    def allows(self, made: Made) -> bool:
        return made.source not in self.sources and made.donor not in self.sources and made.kind != self.kind

    @property
    def name(self) -> str:
        return "+".join(self.sources)


def folds(names: Iterable[str]) -> list[Fold]:
    """Publishers dealt in turn to as many groups as there are kinds of edits."""
    ordered = sorted(set(names))
    step = len(splicing.KINDS)
    dealt = [Fold(tuple(ordered[index::step]), kind) for index, kind in enumerate(splicing.KINDS)]
    return [fold for fold in dealt if fold.sources]


def train_fold(
    bank: Bank, origins: Sequence[Made], fold: Fold | None, plan: Plan, told: Callable[[int, float], None]
) -> Localiser:
    """The network of one fold; without a fold, the one that ships: all training publishers and every kind."""
    chosen = [index for index, made in enumerate(origins) if fold is None or fold.allows(made)]
    return localiser.train(bank.chosen(chosen), plan, told)


def save_bank(path: Path, bank: Bank, origins: Sequence[Made]) -> None:
    """As .npz without pickles, so that folds can be trained one at a time."""
    told = np.asarray([(one.source, one.donor, one.kind) for one in origins])
    np.savez(path, traces=bank.traces.numpy().astype(np.float16), wanted=bank.wanted.numpy(), made=told)


def read_bank(path: Path) -> tuple[Bank, list[Made]]:
    with np.load(path, allow_pickle=False) as kept:
        traces = torch.from_numpy(kept["traces"].astype(np.float32))
        return Bank(traces, torch.from_numpy(kept["wanted"])), [Made(*map(str, row)) for row in kept["made"]]


FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "edited_image"
EPOCHS = 6
# Smaller or stronger compressed pictures were not measured.
DOMAIN = Domain(min_side=192, min_bytes_per_pixel=0.04)
Told = Callable[[str], None]


def train(root: Path, say: Told, *, seed: int, folder: Path = FOLDER, crops: int = CROPS, epochs: int = EPOCHS) -> None:
    """Make the bank, train the network of every fold and the one that ships, and export that. What is there under
    root/edits is not made again. About 7 minutes of one core."""
    work = root / "edits"
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "bank.npz").exists():
        found = photographs(root, Use.TRAIN)
        save_bank(work / "bank.npz", *make_bank(found, crops=crops, seed=seed, told=lambda done: say(f"{done} crops")))
    bank, origins = read_bank(work / "bank.npz")
    plan = Plan(epochs=epochs, seed=seed)
    for fold in (*folds(made.source for made in origins), None):
        path = _kept(work, fold)
        if not path.exists():
            save_file(train_fold(bank, origins, fold, plan, _progress(say, fold)).state_dict(), path)
    export.to_onnx(_network(work, None), (1, 1, 96, 112), folder, outputs=("map",), free=(0, 2, 3))


def evaluate(root: Path, say: Told, *, seed: int, folder: Path = FOLDER) -> None:
    """Measure every fold's network on the publishers it had not seen, and the one that ships on the test sources; write
    calibration.json and evaluation.json. Needs what `train` keeps under root/edits."""
    work = root / "edits"
    known = folds(publishers_of(Use.TRAIN))
    items = edits.trials(root, seed=seed)
    scored: list[Scored] = []
    pointed: list[edits.Pointed] = []
    for fold in (*known, None):
        sources = fold.sources if fold else publishers_of(Use.TEST)
        mine = [one for one in items if one.source in sources]
        say(f"{len(mine)} pictures of {', '.join(sorted(sources))}")
        some, where = edits.measure(mine, _look(_network(work, fold)), held_out=fold.name if fold else "")
        scored, pointed = [*scored, *some], [*pointed, *where]
    calibration = calibrated(scored, DOMAIN)
    rows = edits.rows(scored, pointed, calibration)
    calibration.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")
    rows += [row for fold in known for row in edits.kind_rows(scored, pointed, calibration, fold.kind, fold.name)]
    tables.write(
        folder, command="manage.py evaluate edited_image", seed=seed, rows=rows, calibration=calibration.id,
        threshold=calibration.threshold, data=tables.data_rows(data.manifest(root, PHOTOGRAPHS)),
        notes=edits.notes(rows),
    )  # fmt: skip
    write_manifest(folder)


def _kept(work: Path, fold: Fold | None) -> Path:
    return work / f"{fold.name if fold else 'all'}.safetensors"


def _network(work: Path, fold: Fold | None) -> Localiser:
    network = Localiser()
    network.load_state_dict(load_file(_kept(work, fold)))
    return network.eval()


def _progress(say: Told, fold: Fold | None) -> Callable[[int, float], None]:
    return lambda epoch, loss: say(f"{fold.name if fold else 'all'}: epoch {epoch}, loss {loss:.4f}")


def _look(network: Localiser) -> edits.Look:
    """The network as a worker will run it, but in PyTorch: the export is compared with it."""

    def look(rgb: Rgb) -> tuple[float, edits.Map]:
        heat = heat_of(InTorch(network), rgb)
        return peak_of(heat), heat

    return look


def calibrated(scored: Sequence[Scored], domain: Domain) -> Calibration:
    """On files as they are, of publishers that the network had not seen: those of the folds."""
    chosen = [one for one in of(scored) if one.held_out]
    labels = [int(one.item.synthetic) for one in chosen]
    return fit(values(chosen), labels, [one.item.source for one in chosen], domain=domain)


def publishers_of(use: Use) -> set[str]:
    return {publisher(one.name) for one in PHOTOGRAPHS if one.use is use}
