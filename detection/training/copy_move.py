"""Measuring copy-move matching (`detectors/copy_move`). Nothing is trained: what is fitted is the calibration.

The copies are made here (`splicing`): some are mirrored or resampled, which the matching cannot find and the figures
show.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from detection import metrics
from detection.calibration import NO_HELP, PUBLIC_FPR, Calibration, Domain, fit
from detection.detectors.copy_move.detector import copies_in, logit_of, places_of
from detection.evaluation import edits, tables
from detection.evaluation.harness import Scored, of, values
from detection.pictures import Rgb
from detection.training import data
from detection.training.photographs import PHOTOGRAPHS
from detection.training.splicing import MOVED

FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "copy_move"
CHANGED = "copy_move"  # at times mirrored or resampled
MEASURED = {name: edits.MEASURED[name] for name in ("as_is", "jpeg_70", "resize_jpeg_70", "social")}
DOMAIN = Domain(min_side=192, min_bytes_per_pixel=0.04)
NOTE = (
    "“moved” is a part moved as it is: the rows per source and the calibration are of it; a source’s "
    "rates use the threshold that the other sources give. “copy_move” is at times mirrored or resampled as well."
)


def evaluate(root: Path, say: Callable[[str], None], *, seed: int, folder: Path = FOLDER) -> None:
    """Write calibration.json and evaluation.json. Every source is one that nothing was trained on."""
    items = edits.trials(root, "copies", seed=seed, kinds=(MOVED, CHANGED))
    say(f"{len(items)} pictures")
    scored, pointed = edits.measure(items, look, conditions=MEASURED)
    moved = [one for one in scored if one.item.generator != CHANGED]
    calibration = calibrated(moved)
    rows = []
    for source in sorted({one.item.source for one in moved}):
        elsewhere = with_threshold(calibration, [one for one in moved if one.item.source != source])
        there = [one for one in moved if one.item.source == source]
        rows += edits.rows(there, [one for one in pointed if one.item.generator == MOVED], elsewhere)
    calibration.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")
    rows += [row for kind in (MOVED, CHANGED) for row in edits.kind_rows(scored, pointed, calibration, kind)]
    tables.write(
        folder, command="manage.py evaluate copy_move", seed=seed, rows=rows, calibration=calibration.id,
        threshold=calibration.threshold, data=tables.data_rows(data.manifest(root, PHOTOGRAPHS)),
        notes=[NOTE, *edits.notes(rows)],
    )  # fmt: skip


def calibrated(scored: Sequence[Scored]) -> Calibration:
    """On files as they are, with the threshold that all sources give."""
    chosen = of(scored)
    labels = [int(one.item.synthetic) for one in chosen]
    fitted = fit(values(chosen), labels, [one.item.source for one in chosen], domain=DOMAIN)
    return with_threshold(fitted, scored)


def with_threshold(calibration: Calibration, scored: Sequence[Scored]) -> Calibration:
    """The lowest threshold at which PUBLIC_FPR of the real pictures of each source are called “signals”, under every
    condition. `fit` finds its own from fits that leave a source out, for networks that were trained; here nearly every
    real picture scores nothing, such a fit separates perfectly and its slope has no meaning."""
    cells = {(one.condition, one.item.source) for one in scored}
    reals = [
        [
            calibration.raw(one.score)
            for one in of(scored, condition=condition, synthetic=False)
            if one.item.source == source
        ]
        for condition, source in cells
    ]
    worst = max(metrics.threshold_at(np.asarray(cell), PUBLIC_FPR) for cell in reals)
    # with_domain names the calibration anew: another threshold is another calibration.
    return replace(calibration, threshold=max(worst, NO_HELP)).with_domain(calibration.domain)


def look(rgb: Rgb) -> tuple[float, edits.Map]:
    copies = copies_in(rgb)
    return logit_of(copies), np.asarray(places_of(copies, (rgb.shape[0], rgb.shape[1])), np.float32)
