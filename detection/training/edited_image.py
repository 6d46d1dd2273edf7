"""Training and measuring the localiser of edits (`detectors/edited_image`).

Photographs are only ever real ones; every edit is made here (`splicing`, `crops`). Each fold leaves out the photographs
of a group of publishers *and* one kind of edit, so that its figures are of a source, and for that kind also of an edit,
never seen. The picture's logits of all folds, each on its own held-out publishers, are what the calibration is fitted
on. Sources that are marked as test (`sources.Use.TEST`) train nothing and choose no threshold; they meet the network
that ships.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from detection import membership, metrics
from detection.calibration import NO_HELP, PUBLIC_FPR, Calibration, Domain, fit
from detection.detectors.edited_image.localiser import MODEL, heat_of, peak_of
from detection.evaluation import edits, faithfulness, tables
from detection.evaluation.harness import Scored, of, values
from detection.network import Network, write_manifest
from detection.training import crops, cut_outs, data, export, localiser, sight, splicing
from detection.training.augmentation import Rgb
from detection.training.crops import Crops, Made
from detection.training.localiser import Bank, Compare, Localiser, Measures, Plan
from detection.training.photographs import PHOTOGRAPHS, photographs
from detection.training.sources import Use, publisher

CROPS = 6000
KINDS = crops.KINDS


@dataclass(frozen=True)
class Fold:
    """sources: publishers left out of training and measured on. kinds: of edit left out of training."""

    sources: tuple[str, ...]
    kinds: tuple[str, ...]

    def allows(self, made: Made) -> bool:
        return made.source not in self.sources and made.donor not in self.sources and made.kind not in self.kinds

    @property
    def name(self) -> str:
        return "+".join(self.sources)


# A cut-out is a splice: who leaves out the one leaves out the other.
LEFT_OUT = (("splice", splicing.CUT_OUT), ("copy_move",), ("fill",), ("self_blend",))


def folds(names: Iterable[str]) -> list[Fold]:
    """Publishers dealt in turn to as many groups as there are kinds of edits to leave out."""
    ordered = sorted(set(names))
    step = len(LEFT_OUT)
    dealt = [Fold(tuple(ordered[index::step]), kinds) for index, kinds in enumerate(LEFT_OUT)]
    return [fold for fold in dealt if fold.sources]


FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "edited_image"
EPOCHS = 5
PART = 50  # crops measured at a time
PAIRS = 2  # for the faithfulness of the map, of each kind and publisher
MEMBERS = 300  # crops of each side of the membership attack
# Smaller or stronger compressed pictures were not measured.
DOMAIN = Domain(min_side=192, min_bytes_per_pixel=0.04)
Told = Callable[[str], None]


def train(root: Path, say: Told, *, seed: int, folder: Path = FOLDER, count: int = CROPS, epochs: int = EPOCHS) -> None:
    """Make the crops, measure them, train the network of every fold and the one that ships, and export that. What is
    there under root/edits is not made again. About 15 minutes of one core."""
    work = root / "edits"
    work.mkdir(parents=True, exist_ok=True)
    made = crops_of(root, say, count=count, seed=seed)
    measures = Measures(sight.pretrained(root))
    bank = measured(work, made, measures, say)
    for fold in (*folds(one.source for one in made.made), None):
        path = _kept(work, fold)
        if not path.exists():
            chosen = np.flatnonzero([fold is None or fold.allows(one) for one in made.made])
            network = localiser.train(bank, chosen, Plan(epochs=epochs, seed=seed), _progress(say, fold))
            save_file(network.state_dict(), path)
    _exported(root, None, folder)


def crops_of(root: Path, say: Told, *, count: int, seed: int) -> Crops:
    """Those that are kept under root/edits, made first where there are none."""
    path = root / "edits" / "crops.npz"
    if not path.exists():
        objects = cut_outs.cut_outs(root, Use.TRAIN)
        made = crops.make_crops(
            photographs(root, Use.TRAIN), objects, count=count, seed=seed, told=lambda done: say(f"{done} crops")
        )
        crops.save(path, made)
    return crops.read(path)


def measured(work: Path, made: Crops, measures: Measures, say: Told) -> Bank:
    """The bank of all crops, kept beside them so that it is read from the disc and not held in memory."""
    paths = [work / name for name in ("cells.npy", "far.npy")]
    if not paths[1].exists():
        total, partial = len(made.pixels), [path.with_suffix(".part") for path in paths]
        files: list[npt.NDArray[np.float16]] = []
        for start in range(0, total, PART):
            part = slice(start, start + PART)
            bank = localiser.measured(measures, made.pixels[part], made.wanted[part])
            for index, values_ in enumerate((bank.cells, bank.far)):
                if not start:
                    shape = (total, *values_.shape[1:])
                    files.append(np.lib.format.open_memmap(partial[index], "w+", np.float16, shape))
                files[index][part] = values_
        for path, before in zip(paths, partial, strict=True):
            before.rename(path)
        say(f"{total} crops measured")
    cells, far = (np.load(path, mmap_mode="r") for path in paths)
    return Bank(cells, far, made.wanted)


def evaluate(root: Path, say: Told, *, seed: int, folder: Path = FOLDER) -> None:
    """Measure every fold's network on the publishers it had not seen, and the one that ships on the test sources; write
    calibration.json and evaluation.json. Needs what `train` keeps under root/edits."""
    known = folds(publishers_of(Use.TRAIN))
    items = edits.trials(root, seed=seed, kinds=KINDS)
    scored: list[Scored] = []
    pointed: list[edits.Pointed] = []
    for fold in (*known, None):
        sources = fold.sources if fold else publishers_of(Use.TEST)
        mine = [one for one in items if one.source in sources]
        say(f"{len(mine)} pictures of {', '.join(sorted(sources))}")
        look = _look(_served(root, fold) if fold else Network(folder / MODEL.name))
        some, where = edits.measure(mine, look, held_out=fold.name if fold else "", rarely=edits.RARELY)
        scored, pointed = [*scored, *some], [*pointed, *where]
    calibration = calibrated(scored, DOMAIN)
    rows = edits.rows(scored, pointed, calibration)
    calibration.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")
    rows += [
        row for fold in known for kind in fold.kinds
        for row in edits.kind_rows(scored, pointed, calibration, kind, fold.name)
    ]  # fmt: skip
    rows += [row for kind in KINDS for row in edits.kind_rows(scored, pointed, calibration, kind)]
    say("The public answer, and faithfulness of the map")
    public = edits.in_public([one for one in items if one.source in publishers_of(Use.TEST)], look, calibration)
    faithful = edits.faithful(photographs(root, Use.TEST), look, each=PAIRS, seed=seed)
    tables.write(
        folder, command="manage.py evaluate edited_image", seed=seed, rows=rows, calibration=calibration.id,
        threshold=calibration.threshold, data=tables.data_rows(data.manifest(root, (*PHOTOGRAPHS, cut_outs.STAMPS))),
        notes=[*edits.notes(rows), *edits.public_notes(public), faithfulness.note(faithful)], faithfulness=faithful,
        public=public,
        membership=betrayed(root, known, seed=seed), localisation=edits.cells(pointed),
    )  # fmt: skip
    write_manifest(folder)


def _kept(work: Path, fold: Fold | None) -> Path:
    return work / f"{fold.name if fold else 'all'}.safetensors"


def _served(root: Path, fold: Fold) -> Network:
    """The fold's network as a worker would run it."""
    folder = root / "edits" / fold.name
    _exported(root, fold, folder)
    return Network(folder / MODEL.name)


def _exported(root: Path, fold: Fold | None, folder: Path) -> None:
    network = Localiser(Measures(sight.pretrained(root)), _compare(root / "edits", fold)).eval()
    export.to_onnx(network, (1, 3, 96, 112), folder, outputs=("map",), free=(0, 2, 3))


def _compare(work: Path, fold: Fold | None) -> Compare:
    network = Compare()
    network.load_state_dict(load_file(_kept(work, fold)))
    return network.eval()


def _progress(say: Told, fold: Fold | None) -> Callable[[int, float], None]:
    return lambda epoch, loss: say(f"{fold.name if fold else 'all'}: epoch {epoch}, loss {loss:.4f}")


def _look(network: Network) -> edits.Look:
    def look(rgb: Rgb) -> tuple[float, edits.Map]:
        heat = heat_of(network, rgb)
        return peak_of(heat), heat

    return look


def betrayed(root: Path, known: Sequence[Fold], *, seed: int) -> dict[str, Any]:
    """Whether the logits of a fold's network betray which crops it learned from: its own against crops of the kinds and
    publishers that the fold left out, of the same training set (`detection.membership`)."""
    work = root / "edits"
    made = crops.read(work / "crops.npz")
    bank = Bank(np.load(work / "cells.npy", mmap_mode="r"), np.load(work / "far.npy", mmap_mode="r"), made.wanted)
    rng = np.random.default_rng(seed)
    logits: dict[bool, list[float]] = {True: [], False: []}
    labels: dict[bool, list[int]] = {True: [], False: []}
    for fold in known:
        network = _compare(work, fold)
        for member in (True, False):
            fit_for = [index for index, one in enumerate(made.made)
                       if fold.allows(one) == member and one.kind not in fold.kinds]  # fmt: skip
            chosen = np.sort(rng.permutation(fit_for)[: MEMBERS // len(known)])
            some, of_them = _logits(network, bank, chosen)
            logits[member] += some
            labels[member] += of_them
    return membership.attack(logits[True], labels[True], logits[False], labels[False], seed=seed)


@torch.no_grad()
def _logits(network: Compare, bank: Bank, chosen: npt.NDArray[np.int64]) -> tuple[list[float], list[int]]:
    cells, far, wanted = bank.chosen(chosen).tensors()
    labels = (wanted.amax((1, 2, 3)) > 0.1).int()
    return localiser.peak(network(cells, far))[:, 0].tolist(), labels.tolist()


def calibrated(scored: Sequence[Scored], domain: Domain) -> Calibration:
    """On files as they are, of publishers that the network had not seen: those of the folds. The threshold is the
    lowest that at most PUBLIC_FPR of the real pictures of each of them reach, under every condition and not only as
    they are."""
    held_out = [one for one in scored if one.held_out]
    chosen = of(held_out)
    labels = [int(one.item.synthetic) for one in chosen]
    fitted = fit(values(chosen), labels, [one.item.source for one in chosen], domain=domain)
    groups: dict[tuple[str, str], list[float]] = {}
    for one in held_out:
        if not one.item.synthetic:
            groups.setdefault((one.condition, one.item.source), []).append(fitted.raw(one.score))
    worst = max(metrics.threshold_at(np.asarray(group), PUBLIC_FPR) for group in groups.values())
    # with_domain names the calibration anew: another threshold is another calibration.
    return replace(fitted, threshold=max(worst, fitted.threshold, NO_HELP)).with_domain(domain)


def publishers_of(use: Use) -> set[str]:
    return {publisher(one.name) for one in PHOTOGRAPHS if one.use is use}
