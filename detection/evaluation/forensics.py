"""How well the map of `forensics` points, and how badly its height tells edited pictures from others.

The pictures, edits and figures are those of `detection.evaluation.edits`, so that they stand beside what the learned
detectors of edits reach. The score is the one that decides its answer: below 1 no signals.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detection import metrics
from detection.detectors.forensics import detector
from detection.evaluation import edits, faithfulness, tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import Scored, of
from detection.pictures import Picture
from detection.training import data
from detection.training.augmentation import Rgb
from detection.training.photographs import PHOTOGRAPHS, photographs
from detection.training.sources import Use

SEED = 5
FOLDER = Path(detector.__file__).parent
REALS, EACH = 8, 2  # untouched pictures of a publisher, and pictures of each kind of edit
PAIRS = 2  # of each kind of edit, for the map
MEASURED = {name: CONDITIONS[name] for name in ("as_is", "jpeg_90", "jpeg_70")}


def look(rgb: Rgb) -> tuple[float, edits.Map]:
    """The score of a picture, and its map."""
    luma = np.asarray(Image.fromarray(rgb).convert("L"), dtype=np.float32)
    found = detector.inconsistency(Picture(luma, luma.shape[1], luma.shape[0], 1))
    return min(found.peak / detector.STANDS_OUT, found.isolation / detector.ALONE), found.heat


def with_answers(row: dict[str, Any], scored: Sequence[Scored]) -> dict[str, Any]:
    """The row with the shares of its untouched and edited pictures that get the answer “signals”."""
    mine = [one for one in of(scored, condition=row["condition"]) if one.item.source == row["held_out"]]
    shares = {
        name: _rate([one.score >= 1 for one in mine if one.item.synthetic == synthetic])
        for name, synthetic in (("fpr", False), ("tpr", True))
    }
    return {**row, **shares, "abstained": 0.0}


def _rate(signals: Sequence[bool]) -> list[float]:
    return [sum(signals) / len(signals), *metrics.rate_interval(sum(signals), len(signals))]


def evaluate(root: Path, say: Callable[[str], object], *, seed: int = SEED, folder: Path = FOLDER) -> None:
    """Write evaluation.json. root: the data folder."""
    with tempfile.TemporaryDirectory() as made:
        items = edits.write_trials(photographs(root), Path(made), seed=seed, reals=REALS, each=EACH)
        say(f"{len(items)} pictures")
        scored, pointed = edits.measure(items, look, conditions=MEASURED)
    faithful = edits.faithful(photographs(root, Use.TEST), look, each=PAIRS, seed=seed)
    found = edits.rows(scored, pointed, None)
    used = {name: one for name, one in data.manifest(root, PHOTOGRAPHS).items() if one["pictures"]}
    tables.write(
        folder,
        command="manage.py evaluate forensics",
        seed=seed,
        rows=[with_answers(row, scored) for row in found],
        data=[{**one, "use": "test"} for one in tables.data_rows(used)],
        notes=[
            "Spliced, copied, filled and blended areas in photographs reduced before, made by us; nothing was trained.",
            *edits.notes(found),
            faithfulness.note(faithful),
        ],
        faithfulness=faithful,
    )
