"""Whether a map of `synthetic_image` points at what its answer rests on (`detection.evaluation.faithfulness`). It did
not surely do so when it was last measured, and the detector shows none.

A generated picture as a whole has no true original. Beside it stands a photograph of another publisher, both as the
network is shown them: *deletion* puts the photograph's pixels in, the map's strongest places first, *insertion* the
generated picture's into the photograph. All of them were kept for the test.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from detection import network
from detection.calibration import Calibration
from detection.detectors.synthetic_image import detector, front
from detection.evaluation import faithfulness
from detection.evaluation.faithfulness import Pair
from detection.evaluation.suite import Item, thinned
from detection.explanation import Array, occlusion
from detection.training import data
from detection.training.augmentation import Rgb

CELLS = 4  # a side
PAIRS, STEPS, SHUFFLES = 12, 8, 2  # 70 passes through the tower a pair


def faithful(root: Path, items: Iterable[Item], *, seed: int, folder: Path = detector.HERE) -> dict[str, Any]:
    """`Faithfulness.as_dict` of maps of the natural log of the likelihood ratio. items: kept for the test. What was
    found of a head is kept under root/features.
    """
    digest = network.Network(folder / network.MODEL).sha256[:16]
    kept = root / "features" / f"map-{digest}-{seed}.json"
    if not kept.exists():
        kept.write_text(json.dumps(_measured(items, seed=seed, folder=folder), indent=1) + "\n")
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def _measured(items: Iterable[Item], *, seed: int, folder: Path) -> dict[str, Any]:
    told, score = Calibration.read(folder / "calibration.json"), detector.scorer(folder)
    found = faithfulness.measured(
        lambda rgb: told.raw(score(rgb)) * float(np.log(10)), partial(heat, folder=folder),
        pairs(items, seed=seed), seed=seed, steps=STEPS, shuffles=SHUFFLES,
    )  # fmt: skip
    return found.as_dict()


def heat(rgb: Rgb, folder: Path = detector.HERE) -> Array:
    """Which parts of the middle square of a picture speak for the logit: what it loses when they are painted over.
    (CELLS, CELLS); costs CELLS² + 1 passes through the tower.
    """
    tower, head = network.opened(detector.TOWER), network.opened(folder / network.MODEL)

    def scores(squares: Array) -> Array:
        shown = front.scaled(squares.transpose(0, 2, 3, 1).round().astype(np.uint8))
        return head.run(tower.outputs(shown)[detector.TOKENS])[:, 0]

    return occlusion(scores, front.square(rgb).transpose(2, 0, 1).astype(np.float32), cells=CELLS, batch=CELLS)


def pairs(items: Iterable[Item], *, seed: int) -> list[Pair]:
    """PAIRS generated pictures, at most two of a generator, each beside a photograph."""
    rng, every = np.random.default_rng(seed), list(items)
    made = _drawn(thinned([item for item in every if item.synthetic], 2, seed=seed), rng)
    photographs = _drawn([item for item in every if not item.synthetic], rng)
    return [Pair(_shown(one), _shown(other)) for one, other in zip(made, photographs, strict=False)]


def _drawn(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[int(index)] for index in rng.permutation(len(items))[:PAIRS]]


def _shown(item: Item) -> Rgb:
    return front.square(data.read(item))


def note(told: Mapping[str, Any]) -> str:
    """One line for the card."""
    return faithfulness.note(
        told, of="generated pictures beside photographs", otherwise="not surely better, and no map is shown"
    )
