"""Training and measuring the head of `detectors/face` on features of CLIP's image tower.

Every face goes through the tower once per journey or condition (`face_features`), so that heads train in seconds. Each
head that is measured left out either all faces of one kind of making, or all of one publisher of real faces with
everything made of them; the head that ships meets the sources marked as test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from detection import calibration, faces, membership, network
from detection.calibration import Calibration, Domain
from detection.evaluation import conformal, edits, peers_face, tables
from detection.evaluation.harness import AS_IS, Scored, of, run, values
from detection.evaluation.suite import Item, thinned
from detection.training import data, export, face_crops, face_finder, face_head, face_making
from detection.training.augmentation import Rgb
from detection.training.face_crops import read_crops, remade
from detection.training.face_features import AGAIN, JOURNEY, Array, Features, Say, Studio
from detection.training.face_head import Head
from detection.training.face_making import Portrait
from detection.training.sources import Use
from detection.training.splits import Split, in_folds

FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "face"
DOMAIN = Domain(min_side=64, min_bytes_per_pixel=0.04)
CHANGES = ("jpeg_70", "resize_jpeg_70")
MADE = 40  # faces of each publisher that are made over in each way
MOST, MOST_CHANGED = (150, 15), (60, 15)  # faces of each publisher and kind that are measured; as `_some` has them
FOLDS = 3
FEWEST = 8  # real faces of a publisher that are made over
NAME, KEPT = "@vladmandic/human antispoof", ("split", "held_out", "condition", "n_real", "n_fake", "auc")


@dataclass(frozen=True)
class Gallery:
    """Every face that is trained on or kept for the test, those made over here among them."""

    trained: tuple[Item, ...]
    test: tuple[Item, ...]
    studio: Studio

    @classmethod
    def of(cls, root: Path) -> "Gallery":
        """Of the crops under root/faces. Raises FileNotFoundError where there are none yet."""
        crops = root / "faces" / "crops"
        if not crops.is_dir():
            raise FileNotFoundError(2, "no faces", str(crops))
        sides = []
        for use in Use:
            found = read_crops(crops, use)
            sides.append((*found, *thinned(remade(_of_many(found), face_making.KINDS), MADE)))
        donors = tuple(one for side in sides for one in side if not one.synthetic)
        return cls(sides[0], sides[1], Studio(root, donors))

    def journeys(self, say: Say) -> list[Features]:
        """What heads are trained on: every face after a journey, real ones and those blended with them again after
        another, and what is measured as it is."""
        again = [one for one in self.trained if one.generator in ("", *face_head.BLENDED)]
        return [
            self.studio.features(self.trained, JOURNEY, say),
            self.studio.features(again, AGAIN, say),
            self.studio.features(_some(self.trained, *MOST), AS_IS, say),
        ]

    def measured(self, items: Sequence[Item], conditions: Sequence[str], say: Say) -> dict[str, Features]:
        """By condition."""
        most = {AS_IS: MOST, **dict.fromkeys(CHANGES, MOST_CHANGED)}
        return {how: self.studio.features(_some(items, *most[how]), how, say) for how in conditions}


def _some(items: Sequence[Item], found: int, made: int) -> list[Item]:
    """Up to so many of each publisher and kind: of those that were found, and of those made over here."""
    ours = [item for item in items if item.generator in face_making.KINDS]
    rest = [item for item in items if item.generator not in face_making.KINDS]
    return [*thinned(rest, found), *thinned(ours, made)]


def _of_many(items: Sequence[Item]) -> list[Item]:
    """Real faces of publishers that have enough of them to swap."""
    names = [item.source for item in items if not item.synthetic]
    return [item for item in items if not item.synthetic and names.count(item.source) >= FEWEST]


def train(root: Path, say: Say, *, seed: int, folder: Path = FOLDER) -> None:
    """Port the finder, find and make faces, fit the head and export it. What the tower said is kept under root/faces;
    20 minutes of one core the first time."""
    face_finder.write_finder(data.fetch(face_finder.MTCNN, root), folder)
    work = root / "faces"
    if not (work / "crops").exists():
        face_crops.write_crops(root, work / "part", faces.installed(), told=lambda item: say(item.path.name))
        (work / "part").rename(work / "crops")
    journeys = Gallery.of(root).journeys(say)
    _export(face_head.fit(journeys), folder)
    say(f"head on {len(journeys[0].items)} faces")


def _export(head: Head, folder: Path) -> None:
    module = Either(head.weight.shape[1])
    with torch.no_grad():
        module.asked.weight.copy_(torch.from_numpy(head.weight).float())
        module.asked.bias.copy_(torch.from_numpy(head.bias).float())
    export.to_onnx(module, (1, head.weight.shape[1]), folder)


class Either(torch.nn.Module):
    """`face_head.Head`: (N, width) to (N, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.asked = torch.nn.Linear(width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.logsumexp(self.asked(x), dim=1, keepdim=True)


def evaluate(root: Path, say: Say, *, seed: int, folder: Path = FOLDER) -> None:
    """Measure heads on what they had not seen, the one that ships on the test sources, and the peer on the same faces;
    write calibration.json and evaluation.json. Needs what `train` keeps under root/faces."""
    gallery = Gallery.of(root)
    journeys = gallery.journeys(say)
    inside = gallery.measured(gallery.trained, [AS_IS], say)
    outside = gallery.measured(gallery.test, [AS_IS, *CHANGES], say)
    scored = cross_scored(gallery.trained, journeys, inside, seed=seed)
    shipped = _by_shipped(outside, folder)
    told = calibrated(scored)
    rows = rows_of(scored, shipped, told)
    tables.write(
        folder, command="manage.py evaluate face", seed=seed, rows=rows, calibration=told.id,
        threshold=told.threshold, data=tables.data_rows(data.manifest(root, face_crops.sources())), notes=NOTES,
        peers=_peers(root, gallery, scored, shipped, say), membership=_membership(gallery, journeys, seed),
        coverage=conformal.coverage(scored["leave_one_source_out"], scored["leave_one_generator_out"]),
    )  # fmt: skip
    told.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")


NOTES = (
    "What modern generators made has one publisher, ComfyUI’s templates, but for three faces of sdxl-presets.",
    "self_blend, swap and realesrgan are made here of the real faces of the same publisher.",
    "celeba is a sample that another package carries; it was measured with and never trained on.",
)


def splits(items: Sequence[Item], *, seed: int) -> list[tuple[str, Split]]:
    """(name of the table, split). A kind of making is left out whole, with a third of the photographs at a time, so
    that a head has seen neither the kind nor the person; a publisher with all that was made of its photographs, and
    with a share of what generators made."""
    kinds = sorted({item.generator for item in items if item.generator})
    publishers = sorted({item.source for item in items if not item.synthetic})
    found = []
    for name in kinds:
        for fold in in_folds(items, FOLDS, seed=seed):
            train = tuple(i for i in fold.train if items[i].generator != name)
            test = tuple(i for i in fold.test if items[i].generator in ("", name))
            found.append(("leave_one_generator_out", Split(name, train, test)))
    for name, fold in zip(publishers, in_folds(items, len(publishers), seed=seed), strict=True):
        dealt = {i for i in fold.test if items[i].source not in publishers}
        test = tuple(i for i, item in enumerate(items) if item.source == name or i in dealt)
        train = tuple(sorted(set(range(len(items))) - set(test)))
        found.append(("leave_one_source_out", Split(name, train, test)))
    return found


def cross_scored(
    items: Sequence[Item], trained: Sequence[Features], measured: Mapping[str, Features], *, seed: int
) -> dict[str, list[Scored]]:
    """Scores of heads that did not see the kind of making, or the publisher, of what they score; by table."""
    found: dict[str, list[Scored]] = {}
    for table, split in splits(items, seed=seed):
        found.setdefault(table, []).extend(face_head.scored_outside(split, items, trained, measured))
    return found


def calibrated(scored: Mapping[str, Sequence[Scored]]) -> Calibration:
    """On real faces of publishers that were left out, and kinds of making that were left out, as they are."""
    reals = of(scored["leave_one_source_out"], synthetic=False)
    fakes = of(scored["leave_one_generator_out"], synthetic=True)
    both = [*reals, *fakes]
    names = [one.item.generator or one.item.source for one in both]
    return calibration.fit(values(both), [int(one.item.synthetic) for one in both], names, domain=DOMAIN)


def rows_of(
    scored: Mapping[str, Sequence[Scored]], unseen: Sequence[Scored], told: Calibration | None
) -> list[dict[str, Any]]:
    return [
        *tables.per_generator(scored["leave_one_generator_out"], told),
        *tables.per_source(scored["leave_one_source_out"], told),
        *tables.per_generator(unseen, told, split="unseen"),
        *tables.per_source(unseen, told, split="unseen"),
    ]


def _by_shipped(measured: Mapping[str, Features], folder: Path) -> list[Scored]:
    net = network.Network(folder / network.MODEL)

    def head(rows: Array) -> Array:
        return net.run(rows)[:, 0].astype(np.float64)

    return [one for condition, part in measured.items() for one in face_head.scored(part, head, condition)]


def _peers(
    root: Path, gallery: Gallery, scored: Mapping[str, Sequence[Scored]], shipped: Sequence[Scored], say: Say
) -> list[dict[str, Any]]:
    """The same rows of the peer, which saw none of this: each face once, under each name that it is held out as."""
    peer = peers_face.read(data.fetch(peers_face.ANTISPOOF, root))
    every = [*scored["leave_one_generator_out"], *scored["leave_one_source_out"], *shipped]
    items = {face_head.identity(one.item): one.item for one in of(every)}
    say(f"{peers_face.ANTISPOOF.name}: {len(items)} faces")
    theirs = run(items.values(), load=gallery.studio.portrait, score=lambda one: peer.logit(tight(one)),
                 conditions={AS_IS: lambda one: one})  # fmt: skip
    by_face = {face_head.identity(one.item): one.score for one in theirs}
    again = [
        {table: [replace(one, score=by_face[face_head.identity(one.item)]) for one in of(found)]}
        for table, found in (*scored.items(), ("unseen", shipped))
    ]
    rows = rows_of({**again[0], **again[1]}, again[2]["unseen"], None)
    return [{"name": NAME, "version": peers_face.ANTISPOOF.version, **{key: row[key] for key in KEPT}} for row in rows]


def tight(face: Portrait) -> Rgb:
    """Only the face, as the peer wants it: about the finder's box, told by the points."""
    eyes, mouth = face.points[:2].mean(axis=0), face.points[3:].mean(axis=0)
    side = 1.2 * max(float(np.hypot(*(mouth - eyes))), float(np.hypot(*(face.points[1] - face.points[0]))))
    x, y = face.points.mean(axis=0)
    left, top = (int(max(value - side, 0)) for value in (x, y))
    return np.ascontiguousarray(face.rgb[top : int(y + side) + 1, left : int(x + side) + 1])


def _membership(gallery: Gallery, journeys: Sequence[Features], seed: int) -> dict[str, Any]:
    """Whether scores tell what was trained on: the same faces by the head that ships, and by heads without them."""
    seen = journeys[0]
    without = [
        one
        for split in in_folds(gallery.trained, FOLDS, seed=seed)
        for one in face_head.scored_outside(split, gallery.trained, journeys, {JOURNEY: seen})
    ]
    labels = [int(item.synthetic) for item in seen.items]
    return membership.attack(face_head.fit(journeys)(seen.rows), labels, [one.score for one in without],
                             [int(one.item.synthetic) for one in without], seed=seed)  # fmt: skip
