"""Measuring copy-move matching (`detectors/copy_move`). Nothing is trained: what is fitted is the calibration.

The copies are made here (`splicing`): moved as they are; mirrored or enlarged as well; turned and resized as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from detection import metrics
from detection.calibration import NO_HELP, PUBLIC_FPR, Calibration, Domain, fit
from detection.detectors.copy_move.detector import copies_in, logit_of, places_of
from detection.evaluation import edits, faithfulness, tables
from detection.evaluation.harness import Scored, of, values
from detection.pictures import Rgb
from detection.training import data
from detection.training.photographs import PHOTOGRAPHS, photographs
from detection.training.sources import Use
from detection.training.splicing import MOVED, TURNED

FOLDER = Path(__file__).resolve().parent.parent / "detectors" / "copy_move"
CHANGED = "copy_move"  # at times mirrored or enlarged
KINDS = (MOVED, CHANGED, TURNED)
DOMAIN = Domain(min_side=192, min_bytes_per_pixel=0.04)
REALS, EACH = 24, 5  # untouched pictures of a publisher, and pictures of each kind of copy
PAIRS = 1  # for the faithfulness of the map, of each kind and publisher
NOTE = (
    "“moved” is a part moved as it is; “copy_move” is at times mirrored or enlarged by up to 30 % as well, “turned” "
    "turned by up to 30 degrees and resized by up to a fifth. The rows per source are of all three; a source’s rates "
    "use the threshold that the other sources give."
)


def evaluate(root: Path, say: Callable[[str], None], *, seed: int, folder: Path = FOLDER) -> None:
    """Write calibration.json and evaluation.json. Every source is one that nothing was trained on."""
    items = edits.trials(root, "copies", seed=seed, kinds=KINDS, reals=REALS, each=EACH)
    say(f"{len(items)} pictures")
    scored, pointed = edits.measure(items, look)
    calibration = calibrated(scored)
    rows = []
    for source in sorted({one.item.source for one in scored}):
        elsewhere = with_threshold(calibration, [one for one in scored if one.item.source != source])
        rows += edits.rows([one for one in scored if one.item.source == source], pointed, elsewhere)
    calibration.with_error_rates(edits.rates(rows)).write(folder / "calibration.json")
    rows += [row for kind in KINDS for row in edits.kind_rows(scored, pointed, calibration, kind)]
    faithful = edits.faithful(photographs(root, Use.TEST), look, each=PAIRS, seed=seed, kinds=KINDS)
    tables.write(
        folder, command="manage.py evaluate copy_move", seed=seed, rows=rows, calibration=calibration.id,
        threshold=calibration.threshold, data=tables.data_rows(data.manifest(root, PHOTOGRAPHS)),
        notes=[NOTE, *edits.notes(rows), faithfulness.note(faithful)], faithfulness=faithful,
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
