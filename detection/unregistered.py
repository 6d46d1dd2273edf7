"""Examining a file that is no registered work: by every detector that can read it, nothing kept, no row needed."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.db import DatabaseError

from core.problems import Problem
from detection import fusion, guarded, registry, versions
from detection.detectors import Answer, Question, Reading, Region, Standing
from detection.registry import DetectorInfo
from provenance import media


@dataclass(frozen=True)
class Looked:
    """What one detector did with the file. Exactly one of: readings (perhaps none), why not, refusal."""

    info: DetectorInfo
    readings: tuple[Reading, ...] = ()
    why_not: str = ""
    refusal: Problem | None = None


@dataclass(frozen=True)
class Examined:
    """modality: image, video, audio, document or file. answers: one a question (`detection.fusion`). experimental: no
    other detector was asked anything of this file, so that these answers are of experimental ones: for who runs the
    office, never for the public.
    """

    path: Path
    media_type: str
    modality: str
    looked: tuple[Looked, ...]
    answers: tuple[fusion.Fused, ...] = field(default=())
    experimental: bool = False

    @property
    def leading(self) -> fusion.Fused | None:
        return fusion.leading(self.answers)

    @property
    def declared(self) -> Answer | None:
        """What the file says about itself, apart from everything that was measured."""
        said = [
            reading.answer
            for one in self.looked
            if one.info.about.question is Question.DECLARED
            for reading in one.readings
        ]
        return next((answer for answer in said if answer), None)


def examine_file(path: Path, region: Region | None = None) -> Examined:
    """Have every detector that can read the file examine it, or only `region` of it, each in a guarded child.

    Raises Problem for a path that is no file. What a detector cannot do is in the result, in words.
    """
    if not path.is_file():
        raise Problem("file.missing", "There is no such file", status=404, detail=f"{path.name} is not a file.")
    whole = path.resolve()
    media_type = media.sniff(whole)
    modality = media.kind_of(media_type)
    looked = tuple(_look(info, whole, media_type, modality, region) for info in registry.all_detectors())
    shipped, experimental = (_answers(looked, experimental=which) for which in (False, True))
    return Examined(path, media_type, modality, looked, shipped or experimental, not shipped and bool(experimental))


def _look(info: DetectorInfo, path: Path, media_type: str, modality: str, region: Region | None) -> Looked:
    why = registry.why_not(info, modality, media_type)
    if why:
        return Looked(info, why_not=why)
    try:
        model = _model(info)
        with tempfile.TemporaryDirectory(prefix="assay-") as out:
            found = guarded.examine(info, path, media_type, Path(out), region=region, model=model)
    except Problem as problem:
        return Looked(info, refusal=problem)
    return Looked(info, tuple(one.reading for one in found))


def _model(info: DetectorInfo) -> tuple[Path, ...]:
    try:
        artefact = versions.in_service(info.name)
    except DatabaseError:  # an office that was never prepared has no versions of its own
        return ()
    return artefact.paths() if artefact else ()


def _answers(looked: tuple[Looked, ...], *, experimental: bool) -> tuple[fusion.Fused, ...]:
    return tuple(fusion.by_question(_weights(one for one in looked if one.info.experimental == experimental)))


def _weights(looked: Iterable[Looked]) -> Iterator[fusion.Weight]:
    for one in looked:
        for reading in one.readings:
            if reading.calibration and reading.answer:
                yield fusion.weight_of(
                    one.info.about.question,
                    one.info.name,
                    reading.answer,
                    reading.llr,
                    reading.interval,
                    reading.reason,
                )


# --- As JSON ---------------------------------------------------------------------------------------------------------


def as_dict(examined: Examined) -> dict[str, Any]:
    """One object a file. log_likelihood_ratio: log10, of the question that `verdict` answers; null when it can't say.

    Experimental detectors are listed, and count only where no other was asked; `standing` says which. What the file
    declares is apart, under `declared`.
    """
    leading = examined.leading
    return {
        "file": str(examined.path),
        "media_type": examined.media_type,
        "modality": examined.modality,
        "log_likelihood_ratio": _rounded(leading.llr) if leading else None,
        "interval": [_rounded(edge) for edge in leading.interval] if leading and leading.interval else None,
        "verdict": leading.answer.value if leading else Answer.CANT_SAY.value,
        "standing": _standing(examined).value if leading else None,
        "question": leading.question.value if leading else None,
        "reason": leading.reason if leading else "no_detector",
        "declared": examined.declared.value if examined.declared else None,
        "answers": [_answer(one) for one in examined.answers],
        "detectors": [_looked(one) for one in examined.looked],
    }


def _standing(examined: Examined) -> Standing:
    return Standing.EXPERIMENTAL if examined.experimental else Standing.SHIPPED


def refused(path: Path, problem: Problem) -> dict[str, Any]:
    """The object of a file that could not be examined at all."""
    return {
        "file": str(path),
        "media_type": None,
        "modality": None,
        "log_likelihood_ratio": None,
        "interval": None,
        "verdict": Answer.CANT_SAY.value,
        "standing": None,
        "question": None,
        "reason": problem.code,
        "declared": None,
        "answers": [],
        "detectors": [],
        "error": problem.as_dict(),
    }


def _answer(one: fusion.Fused) -> dict[str, Any]:
    return {
        "question": one.question.value,
        "verdict": one.answer.value,
        "log_likelihood_ratio": _rounded(one.llr),
        "interval": [_rounded(edge) for edge in one.interval] if one.interval else None,
        "reason": one.reason,
        "detectors": list(one.detectors),
    }


def _looked(one: Looked) -> dict[str, Any]:
    about = one.info.about
    told: dict[str, Any] = {
        "name": about.name,
        "version": about.version,
        "question": about.question.value,
        "standing": one.info.standing.value,
        "state": "failed" if one.refusal else "not_examined" if one.why_not else "done",
        "findings": [_finding(reading) for reading in one.readings],
    }
    if one.refusal:
        told["error"] = one.refusal.as_dict()
    return told | ({"why": one.why_not} if one.why_not else {})


def _finding(reading: Reading) -> dict[str, Any]:
    told = {name: value for name, value in asdict(reading).items() if name not in ("heatmap", "llr", "interval")}
    told["log_likelihood_ratio"] = float(reading.llr) if reading.llr else None
    told["interval"] = [float(edge) for edge in reading.interval] or None
    return told


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
