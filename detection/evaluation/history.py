"""How often the detector `history` is right: pictures saved once, twice, cropped, enlarged, all made here.

The originals are pictures of the training sources, reduced by a whole number with a box filter, at least by two: that
takes away what was done to them before, and the grid of an earlier save lands on multiples that the detector leaves
out. What the detector says is asked through its own functions, so the rates are of its public answers.
"""

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detection import metrics
from detection.detectors import Answer, Reading
from detection.detectors.history import detector
from detection.evaluation import tables
from detection.evaluation.suite import Item, sources, thinned
from detection.jpeg import Stored, read_stored
from detection.training import data
from detection.training.sources import SOURCES, publisher

MOST = 12  # photographs of one source
SIDE = 800  # pixels, of the longer side after reduction
SMALLEST = 160
SEED = 5
FOLDER = Path(detector.__file__).parent
# The thresholds in `history.detector` were chosen on these; no row here is of one of them.
CHOSEN_ON = ("tabler", "wallpapers")
PAIRS = ((75, 95), (85, 95), (60, 90), (75, 90), (85, 90), (75, 80), (60, 70), (75, 70), (85, 70), (90, 80), (95, 75))
SHIFTED = ((60, 90), (75, 90), (85, 90), (75, 80))
FACTORS = (1.1, 1.25, 1.5, 0.8)

Make = Callable[[Image.Image], bytes]


@dataclass(frozen=True)
class Case:
    """A thing to find. signal: of the reading. without, having: make a file without it, and one that has it."""

    condition: str
    signal: str
    without: Make
    having: Make


def jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def decoded(file: bytes) -> Image.Image:
    with Image.open(io.BytesIO(file)) as image:
        return image.convert("RGB")


def shifted(image: Image.Image) -> Image.Image:
    return image.crop((3, 5, image.width, image.height))


def scaled(image: Image.Image, factor: float) -> Image.Image:
    size = round(image.width * factor), round(image.height * factor)
    return image.resize(size, Image.Resampling.BICUBIC)


def _unchanged(image: Image.Image) -> Image.Image:
    return image


def saved(*qualities: int, crop: Callable[[Image.Image], Image.Image] = _unchanged) -> Make:
    """Saved as JPEG at each quality in turn, and cropped before the last."""

    def make(image: Image.Image) -> bytes:
        for quality in qualities[:-1]:
            image = decoded(jpeg(image, quality))
        return jpeg(crop(image), qualities[-1])

    return make


def cropped_png(quality: int | None = None) -> Make:
    """A PNG cropped off the grid, of what was saved as JPEG before if there is a quality."""
    return lambda image: png(shifted(image if quality is None else decoded(jpeg(image, quality))))


def scaled_png(factor: float) -> Make:
    return lambda image: png(scaled(image, factor))


def scaled_jpeg(factor: float) -> Make:
    return lambda image: jpeg(scaled(image, factor), 90)


def cases() -> Iterator[Case]:
    for first, last in PAIRS:
        yield Case(f"saved twice, at {first} then {last}", "jpeg_saved_twice", saved(last), saved(first, last))
    for first, last in SHIFTED:
        once, twice = saved(last, crop=shifted), saved(first, last, crop=shifted)
        yield Case(f"saved at {first}, cropped, saved at {last}", "jpeg_shifted_grid", once, twice)
    for quality in (70, 95):
        yield Case(f"PNG of a cropped JPEG {quality}", "jpeg_before", cropped_png(), cropped_png(quality))
    for factor in FACTORS:
        yield Case(f"PNG, scaled × {factor}", "resampled", png, scaled_png(factor))
        yield Case(f"JPEG 90, scaled × {factor}", "resampled", saved(90), scaled_jpeg(factor))


def rows(items: Iterable[Item], *, most: int = MOST, progress: Callable[[str], object] = print) -> list[dict[str, Any]]:
    """A row for each source that no threshold was chosen on, and each case."""
    reals = thinned([item for item in items if not item.synthetic and item.source not in CHOSEN_ON], 3 * most)
    found = []
    for source in sources(reals):
        originals = originals_of([item for item in reals if item.source == source], most)
        progress(f"{source}: {len(originals)} photographs")
        if len(originals) >= 5:
            found += [row(source, case, originals) for case in cases()]
    return found


def row(source: str, case: Case, originals: Sequence[Image.Image]) -> dict[str, Any]:
    """Figures of one source under one case; what it can't say counts as no signal, and is counted."""
    without = [reading(case.without(image), case.signal) for image in originals]
    having = [reading(case.having(image), case.signal) for image in originals]
    said = [one for one in (*without, *having) if one.answer is Answer.CANT_SAY]
    return {
        "split": "unseen",
        "held_out": source,
        "condition": case.condition,
        "signal": case.signal,
        "n_real": len(without),
        "n_fake": len(having),
        "auc": _auc(without, having),
        "fpr": _rate(without),
        "tpr": _rate(having),
        "abstained": len(said) / (len(without) + len(having)),
    }


ASKED: dict[str, Callable[[Stored], Reading]] = {
    "jpeg_saved_twice": detector.saved_twice,
    "jpeg_shifted_grid": detector.second_grid,
    "jpeg_before": detector.was_jpeg,
    "resampled": detector.resampled,
}


def reading(file: bytes, signal: str) -> Reading:
    """What the detector says of a file about one signal."""
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(file)
        kept.flush()
        return ASKED[signal](read_stored(Path(kept.name)))


def originals_of(items: Sequence[Item], most: int) -> list[Image.Image]:
    """Up to `most` of the pictures, reduced; what is too small then is left out."""
    found: list[Image.Image] = []
    for item in items:
        image = _original(item.path) if len(found) < most else None
        if image is not None:
            found.append(image)
    return found


def _original(path: Path) -> Image.Image | None:
    """Reduced by a whole number, at least two; None for what is too small then."""
    with Image.open(path) as opened:
        factor = max(2, -(-max(opened.size) // SIDE))
        if min(opened.size) // factor < SMALLEST:
            return None
        return opened.convert("RGB").reduce(factor)


def _auc(without: Sequence[Reading], having: Sequence[Reading]) -> list[float] | None:
    low, high = (np.asarray([float(one.score or 0) for one in side]) for side in (without, having))
    return [metrics.auc(low, high), *metrics.auc_interval(low, high, seed=SEED)]


def _rate(said: Sequence[Reading]) -> list[float]:
    count = sum(one.answer is Answer.SIGNALS for one in said)
    return [count / len(said), *metrics.rate_interval(count, len(said))]


def evaluate(root: Path, say: Callable[[str], object], *, seed: int = SEED, folder: Path = FOLDER) -> None:
    """Write evaluation.json. root: the data folder. Only the bootstrap is random."""
    known = [source for source in SOURCES if not source.generator]
    found = rows(data.items(root, known), progress=say)
    used = {name: one for name, one in data.manifest(root, known).items() if one["pictures"]}
    tables.write(
        folder,
        command="manage.py evaluate history",
        seed=seed,
        rows=found,
        data=[{**one, "use": "test"} for one in tables.data_rows(used) if publisher(one["name"]) not in CHOSEN_ON],
        notes=[
            "“Real” are files saved once, not cropped or not scaled; “looked for” the same pictures with what the "
            "condition says done to them. Both were made by us from pictures reduced to at most 800 pixels.",
            f"The thresholds were chosen on {' and '.join(CHOSEN_ON)}, of which no row is shown.",
            "Small pictures have few coefficients: larger ones are easier.",
        ],
    )
