"""What a detector is. One folder here per detector, with the same few files; to add one, copy a folder.

- `__init__.py`: `ABOUT`, an `About`. Imported by the web process: light, no decoder, no onnxruntime, no torch.
- `detector.py`: `analyze(media, region=None)`, an `Analyze`. Imported in a nursery only and run in a guarded child
  (`core.guard`), so it is pure: no Django, no database, no network, files in, readings out.
- `card.yaml`: what it measures, what it cannot, data and licences (`detection.cards`).
- of a learned detector also `model.onnx`, `calibration.json` and `evaluation.json`, made by the committed training code
  (`detection.training`).

No detector gives a verdict on a work. A reading answers one question in one of three ways, with the error rate that was
measured of this detector on this kind of file; a learned one weighs it as a log10 likelihood ratio.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from core.problems import Problem
from detection.reasons import Reason


class Strength(StrEnum):
    """How strong a signal is. A word, not a probability; in rising order."""

    NONE = "none"
    WEAK = "weak"
    MODERATE = "moderate"
    STRONG = "strong"


class Question(StrEnum):
    """What a detector looks for. Only findings on one question are ever fused."""

    DECLARED = "declared"  # does the file say that a machine made it?
    SYNTHETIC = "synthetic"  # was the picture generated as a whole?
    EDITED = "edited"  # was a part of it changed?
    FACE = "face"  # was a face generated or swapped?
    VOICE = "voice"  # is the voice synthesised or converted?
    HISTORY = "history"  # how was the file saved, resized, re-coded?


class Answer(StrEnum):
    SIGNALS = "signals"  # signals consistent with what was looked for
    NO_SIGNALS = "no_signals"  # no such signals found, which rules nothing out
    CANT_SAY = "cant_say"  # outside what was measured, too small, too compressed, or the answer flips when re-shipped


class Standing(StrEnum):
    """What a detector may do. Experimental: shown to reviewers only, raises no flag."""

    EXPERIMENTAL = "experimental"
    SHIPPED = "shipped"


@dataclass(frozen=True)
class About:
    """name: the folder's name. kinds: of media it reads; media_types: which of those, all if empty. preload: modules
    the nursery imports before it forks. memory: bytes of address space, wall: seconds, both limits of one examination.
    weights: networks made at set-up (`detection.weights`); where one is missing, the detector is switched off and says
    so. queue: of Celery, by cost.
    """

    name: str
    title: str
    version: str
    question: Question
    kinds: tuple[str, ...]
    looks_for: str = ""  # completes “signals consistent with …”
    standing: Standing = Standing.SHIPPED
    media_types: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    memory: int = 3 << 30
    wall: float = 60.0
    queue: str = "detect"


@dataclass(frozen=True)
class Region:
    """A box, as fractions of width and height, 0…1."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Span:
    """A stretch of time in seconds. llr: log10 likelihood ratio of it alone, as text, "" if it has none."""

    start: float
    end: float
    llr: str = ""


@dataclass(frozen=True)
class Reading:
    """One thing a detector found, or looked for and did not find. (In the database: `detection.models.Finding`.)

    signal: slug, stable. statement: one sentence for people. score: a decimal number as text, or "" where there is
    nothing to count. details: JSON values; numbers with a fraction as text. heatmap: name of a PNG in `out`, or "".

    Of learned detectors also: answer; llr: log10 of the likelihood ratio, decimal text, "" when it can't say or is not
    calibrated; interval: its 95 % interval, () without; calibration: id of the calibration set; reason: slug of why it
    can't say (`detection.reasons.Reason`). regions, spans, timeline: where; a picture has regions, sound has spans, a
    video has a timeline of (seconds, llr).
    """

    signal: str
    strength: Strength
    statement: str
    score: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    heatmap: str = ""
    answer: Answer | None = None
    llr: str = ""
    interval: tuple[str, ...] = ()
    calibration: str = ""
    reason: str = ""
    regions: Sequence[Region] = ()
    spans: Sequence[Span] = ()
    timeline: Sequence[Span] = ()


class Report(Protocol):
    """Progress of an examination: percent 0…100 and a few words."""

    def __call__(self, percent: int, note: str = "") -> None: ...


@dataclass(frozen=True)
class Media:
    """What is examined. path: the file, under its own name or none; its type was sniffed. out: folder for pictures.
    model: folder of the model version in service (`detection.versions`), None for the files beside the detector.
    """

    path: Path
    media_type: str
    out: Path
    report: Report = field(default=lambda percent, note="": None)
    model: Path | None = None


class Analyze(Protocol):
    """Examine `media`, or only `region` of it. Pictures it draws go into `media.out`. Raises Problem for what it cannot
    read."""

    def __call__(self, media: Media, region: Region | None = None) -> Sequence[Reading]: ...


def examination(analyze: Analyze) -> Callable[..., dict[str, Any]]:
    """`analyze` as the function that the nursery calls.

    model: the files of the model version in service, by absolute path (a guarded child may read files it is named).
    """

    def examine(
        path: str,
        media_type: str,
        out: str,
        report: Report,
        region: Sequence[float] | None = None,
        model: Sequence[str] = (),
    ) -> dict[str, Any]:
        folder = Path(model[0]).parent if model else None
        media = Media(Path(path), media_type, Path(out), report, folder)
        chosen = analyze
        if folder is not None and (folder / "adapter.json").is_file():  # a model that others made takes the net's place
            chosen = import_module("detection.brought_detector").analyze
        try:
            return as_result(*chosen(media, Region(*region) if region else None))
        except Problem as problem:
            if problem.code not in NOTHING_TO_MEASURE:
                raise
            return as_result(_cant_say(problem))

    return examine


# Refusals that are answers: the file is whole, and there is nothing in it to measure.
NOTHING_TO_MEASURE = {"detection.too_small": Reason.TOO_SMALL, "detection.no_sound": Reason.NO_SOUND}


def _cant_say(problem: Problem) -> Reading:
    reason = NOTHING_TO_MEASURE[problem.code].value
    return Reading(reason, Strength.NONE, f"Can’t say: {problem.detail}", answer=Answer.CANT_SAY, reason=reason)


def as_result(*readings: Reading) -> dict[str, Any]:
    """Readings as the JSON that crosses from the guarded child to the parent."""
    return {"findings": [asdict(reading) for reading in readings]}
