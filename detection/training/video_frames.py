"""Measuring single frames of moving pictures through the net of `synthetic_image`, and their calibration.

That net was trained on pictures of two of the template wheels, still ones and the middle frames of moving ones; frames
of those wheels are left out here, so that no generated clip was seen, whatever its generator. The statistic is the
detector's: the 90th percentile over the frames.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from detection import calibration
from detection.calibration import Calibration, Domain
from detection.detectors.synthetic_image import detector as still_detector
from detection.evaluation import tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import AS_IS, Scored, of
from detection.evaluation.suite import Item
from detection.network import MODEL, opened
from detection.training.sources import SOURCES, Use
from detection.training.video_clips import PANNED, film
from detection.weighing import unlike

FRAMES = 4  # of a clip, as many as the detector takes at most
HIGH = 0.9
DETECTOR_OF_STILLS = still_detector.HERE
MEASURED = (AS_IS, "jpeg_70")


def scored(root: Path, items: Sequence[Item], say: Callable[[str], None]) -> list[Scored]:
    """Every clip that is no pan and of no wheel the net was trained on, under each condition. Raises Problem where the
    still net is not installed. What the tower says of a frame is kept under root/features; the head is quick.
    """
    head, known = opened(DETECTOR_OF_STILLS / MODEL), Calibration.read(DETECTOR_OF_STILLS / "calibration.json")
    found = []
    chosen = [item for item in items if item.source != PANNED and not _was_trained_on(item)]
    for number, item in enumerate(chosen, 1):
        kept = root / "features" / "video-frames-later" / f"{hashlib.sha256(item.group.encode()).hexdigest()[:16]}.npz"
        if not kept.exists():
            say(f"frames of {number} of {len(chosen)}: {item.group}")
            _keep(kept, _tokens(item))
        with np.load(kept, allow_pickle=False) as told:
            for condition in MEASURED:
                found.append(Scored(item, condition, _score(head.outputs(told[condition].astype(np.float32)), known)))
    return found


def _score(told: Mapping[str, npt.NDArray[np.float32]], known: Calibration) -> float:
    """Of a clip, NaN where the still net says nothing of any of its frames."""
    outside = told.get(still_detector.OUTSIDE)
    logits = next(iter(told.values()))[:, 0]
    if outside is not None:
        logits = logits[[not unlike(known, one) for one in outside]]
    return float(np.quantile(logits, HIGH)) if len(logits) else math.nan


def _tokens(item: Item) -> dict[str, npt.NDArray[np.float16]]:
    """What the tower says of FRAMES frames under each condition: (FRAMES, width)."""
    frames = film(item.path)
    picked = frames[np.linspace(0, len(frames) - 1, FRAMES).astype(int)]
    return {
        condition: np.stack([still_detector.head_input(CONDITIONS[condition](frame))[0] for frame in picked]).astype(
            np.float16
        )
        for condition in MEASURED
    }


def _keep(path: Path, told: Mapping[str, npt.NDArray[np.float16]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **told)  # type: ignore[arg-type]  # numpy's stub takes the names for options
    partial.replace(path)


def _was_trained_on(item: Item) -> bool:
    use = {source.name: source.use for source in SOURCES}
    return item.synthetic and use[item.path.parent.name] is not Use.TEST


def calibrated(found: Sequence[Scored]) -> Calibration:
    """Leaving out sources and generators in turn (`calibration.fit`); the net itself saw none of these clips."""
    every = of(found)
    names = [one.item.generator or one.item.source for one in every]
    labels = [int(one.item.synthetic) for one in every]
    return calibration.fit([one.score for one in every], labels, names, domain=Domain(min_side=96))


def rows(found: Sequence[Scored], made: Calibration) -> list[dict[str, Any]]:
    """Per generator and per source, unseen by the net; named so that they are told from the temporal net's."""
    told = [*tables.per_generator(found, made, split="unseen"), *tables.per_source(found, made, split="unseen")]
    return [_named(row) for row in told]


def _named(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "held_out": f"frames: {row['held_out']}"}
