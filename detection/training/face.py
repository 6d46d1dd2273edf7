"""Training and measuring the detector of generated and blended faces (`detectors/face`).

Each fold leaves out the real faces of a group of publishers and one group of fakes: the blended ones, those of the
small GAN, or all that modern generators made (they have one publisher). The network that ships meets the sources
marked as test.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from detection import faces
from detection.calibration import NO_HELP, Calibration, Domain, fit
from detection.detectors.face.scoring import SIDE, logit_of
from detection.evaluation import edits, harness, peers_face, tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import Scored, of, values
from detection.evaluation.suite import Item, thinned
from detection.training import augmentation, data, export, face_crops, face_finder, face_net
from detection.training.augmentation import Rgb
from detection.training.face_crops import GAN, SELF_BLEND, Drawn, blended, make_examples, read, read_crops
from detection.training.face_net import Examples, FaceNet
from detection.training.localiser import InTorch, Plan
from detection.training.sources import Use

FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "face"
Told = Callable[[str], None]
EXAMPLES, EPOCHS = 3000, 5
MODERN = "modern"
GROUPS = (SELF_BLEND, GAN, MODERN)  # of fakes, what a fold leaves out
DOMAIN = Domain(min_side=64, min_bytes_per_pixel=0.04)
MEASURED = {name: CONDITIONS[name] for name in ("as_is", "jpeg_90", "jpeg_70", "resize_jpeg_70", "social")}
MOST = 60  # faces of one publisher and generator that are measured


@dataclass(frozen=True)
class Fold:
    """sources: publishers of real faces that are left out. group: of fakes that is left out."""

    sources: tuple[str, ...]
    group: str

    @property
    def name(self) -> str:
        return "+".join((*self.sources, self.group))

    def allows(self, drawn: Drawn) -> bool:
        return drawn.source not in self.sources and group_of(drawn.generator) != self.group

    def holds(self, item: Item) -> bool:
        """Whether this fold measures the item: real faces of its publishers, and its group of fakes, which if it is
        the blended ones is made of those faces."""
        return group_of(item.generator) == self.group if item.synthetic else item.source in self.sources


def group_of(generator: str) -> str:
    return generator if generator in ("", SELF_BLEND, GAN) else MODERN


def folds(items: Iterable[Item]) -> list[Fold]:
    """Publishers of real faces, dealt in turn to the groups of fakes."""
    names = sorted({one.source for one in items if not one.synthetic})
    return [Fold(tuple(names[index :: len(GROUPS)]), group) for index, group in enumerate(GROUPS)]


def train(root: Path, say: Told, *, seed: int, folder: Path = FOLDER) -> None:
    """Port the finder, find faces, train the network of every fold and the one that ships, export that. The crops are
    kept under root/faces and not made again. About 6 minutes of one core."""
    face_finder.write_finder(data.fetch(face_finder.MTCNN, root), folder)
    work = root / "faces"
    if not (work / "crops").exists():
        face_crops.write_crops(root, work / "part", faces.installed(), told=lambda item: say(item.path.name))
        (work / "part").rename(work / "crops")
    items = read_crops(work / "crops", Use.TRAIN)
    luma, origins = make_examples(items, EXAMPLES, seed=seed)
    traces = face_net.measured(luma)
    for fold in (*folds(items), None):
        examples = _examples(traces, origins, fold)
        say(f"{_name(fold)}: {len(examples.labels)} faces")
        network = face_net.train(examples, Plan(epochs=EPOCHS, seed=seed), _progress(say, fold))
        save_file(network.state_dict(), work / f"{_name(fold)}.safetensors")
    export.to_onnx(network, (2, 1, SIDE, SIDE), folder, outputs=("logit",))


def _examples(traces: torch.Tensor, origins: Sequence[Drawn], fold: Fold | None) -> Examples:
    """Of one fold; both classes weigh alike."""
    index = [at for at, one in enumerate(origins) if fold is None or fold.allows(one)]
    labels = torch.tensor([float(bool(origins[at].generator)) for at in index])
    share = labels.mean()
    return Examples(traces[torch.as_tensor(index)], labels, torch.where(labels > 0, 0.5 / share, 0.5 / (1 - share)))


def evaluate(root: Path, say: Told, *, seed: int, folder: Path = FOLDER) -> None:
    """Measure every fold's network on what it had not seen, the one that ships on the test sources, and the peer on the
    same crops; write calibration.json and evaluation.json. Needs what `train` keeps under root/faces."""
    crops = root / "faces" / "crops"
    trained, tests = (thinned(read_crops(crops, use), MOST, seed=seed) for use in (Use.TRAIN, Use.TEST))
    known = folds(trained)
    peer = peers_face.read(data.fetch(peers_face.ANTISPOOF, root))
    scored: list[Scored] = []
    theirs: list[Scored] = []
    for fold in (*known, None):
        items = [one for one in trained if fold.holds(one)] if fold else tests
        items = [*items, *(_blends(items) if fold is None or fold.group == SELF_BLEND else ())]
        net = InTorch(_network(root, fold))
        say(f"{_name(fold)}: {len(items)} faces")
        scored += _run(items, partial(logit_of, net), fold)
        theirs += _run(items, lambda rgb: peer.logit(trimmed(rgb)), fold)
    calibration = modest(fit(*_held_out(scored), domain=DOMAIN))
    rows = [row for fold in (*known, None) for row in _rows(scored, calibration, fold)]
    calibration.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")
    peers = [_peer_row(row) for fold in (*known, None) for row in _rows(theirs, None, fold)]
    tables.write(
        folder, command="manage.py evaluate face", seed=seed, rows=rows, calibration=calibration.id, peers=peers,
        threshold=calibration.threshold, data=tables.data_rows(data.manifest(root, face_crops.sources())),
    )  # fmt: skip


def modest(calibration: Calibration) -> Calibration:
    """One whose scores say nothing on sources that were held out (slope 0) may not answer “no signals” either."""
    if calibration.slope > 0:
        return calibration
    return replace(calibration, lower=-NO_HELP).with_domain(calibration.domain)


def _peer_row(row: dict[str, Any]) -> dict[str, Any]:
    kept = ("split", "held_out", "condition", "n_real", "n_fake", "auc")
    return {
        "name": "@vladmandic/human antispoof",
        "version": peers_face.ANTISPOOF.version,
        **{key: row[key] for key in kept},
    }


def _run(items: Iterable[Item], score: Callable[[Rgb], float], fold: Fold | None) -> list[Scored]:
    return harness.run(items, load=load, score=score, conditions=MEASURED, held_out=fold.name if fold else "")


def load(item: Item) -> Rgb:
    """The crop, brought to the size all have; of blended faces the blend, the same one every time."""
    face = read(item)
    rng = np.random.default_rng(int.from_bytes(item.path.name.encode()[-6:]))
    if item.generator == SELF_BLEND:
        face = blended(face, rng)
    return augmentation.matched(face, 112, rng)


def trimmed(face: Rgb) -> Rgb:
    """Only the face, as the peer wants it."""
    edge = round(face.shape[0] * 0.15)
    return np.ascontiguousarray(face[edge:-edge, edge:-edge])


def _blends(items: Sequence[Item]) -> Iterator[Item]:
    """Each real face once more, to be blended with itself."""
    return (Item(one.path, True, one.source, SELF_BLEND, one.group) for one in items if not one.synthetic)


def _held_out(scored: Sequence[Scored]) -> tuple[Any, list[int], list[str]]:
    """Logits, labels, and where from: the publisher of a real face, the group of a fake one."""
    chosen = [one for one in of(scored) if one.held_out]
    names = [group_of(one.item.generator) or one.item.source for one in chosen]
    return values(chosen), [int(one.item.synthetic) for one in chosen], names


def _rows(scored: Sequence[Scored], calibration: tables.Calibrated | None, fold: Fold | None) -> list[dict[str, Any]]:
    """Per publisher of real faces, against every fake of the same network; per group of fakes, against every real
    face."""
    mine = [one for one in scored if one.held_out == (fold.name if fold else "")]
    rows = []
    for condition in MEASURED:
        reals, fakes = (of(mine, condition=condition, synthetic=synthetic) for synthetic in (False, True))
        for source in sorted({one.item.source for one in reals}):
            there = [one for one in reals if one.item.source == source]
            split = "leave_one_source_out" if fold else "unseen"
            rows.append(tables.row(there, fakes, calibration, split=split, held_out=source, condition=condition))
        for group in sorted({group_of(one.item.generator) for one in fakes}):
            there = [one for one in fakes if group_of(one.item.generator) == group]
            split = "leave_one_generator_out" if fold else "unseen"
            rows.append(tables.row(reals, there, calibration, split=split, held_out=group, condition=condition))
    return rows


def _network(root: Path, fold: Fold | None) -> FaceNet:
    network = FaceNet()
    network.load_state_dict(load_file(root / "faces" / f"{_name(fold)}.safetensors"))
    return network.eval()


def _name(fold: Fold | None) -> str:
    return fold.name if fold else "all"


def _progress(say: Told, fold: Fold | None) -> Callable[[int, float], None]:
    return lambda epoch, loss: say(f"{_name(fold)}: epoch {epoch}, loss {loss:.3f}")
