"""The way from this process to a detector: a guarded child per examination, and a careful look at what it answers.

The nursery of a detector imports its modules (decoders, SciPy, ONNX Runtime) once for this process; every examination
is a fork of it. A worker process starts its own on first use.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from core.guard import Limits, Nursery, Progress, Unparseable
from detection import registry
from detection.detectors import Answer, Reading, Region, Span, Strength
from detection.hostile_text import readable
from detection.registry import DetectorInfo

MAX_FINDINGS = 20
MAX_PICTURE = 4 << 20  # bytes of a heat map
MAX_ITEMS = 200
MAX_DEPTH = 5
OUTPUT = 32 << 20  # bytes of any one file the child writes
LONGEST = 10_000_000.0  # seconds; no media is as long
T = TypeVar("T")


@dataclass(frozen=True)
class Checked:
    """A reading whose parts have been checked. picture: its heat map, None without one."""

    reading: Reading
    picture: Path | None


@lru_cache(maxsize=8)
def _nursery(modules: tuple[str, ...]) -> Nursery:
    return Nursery(*modules)


def _modules(info: DetectorInfo) -> tuple[str, ...]:
    """What its nursery imports. Detectors of one cost have one nursery together: their libraries are the same, and each
    would cost a process its memory.
    """
    if info.name == registry.AT_ONCE:
        return info.about.preload
    of_its_cost = [one for one in registry.all_detectors() if one.is_slow == info.is_slow and not one.missing]
    together = [one for one in of_its_cost if one.name != registry.AT_ONCE]
    return tuple(dict.fromkeys(module for one in (*together, info) for module in one.about.preload))


def examine(
    info: DetectorInfo,
    path: Path,
    media_type: str,
    out: Path,
    *,
    progress: Progress | None = None,
    region: Region | None = None,
    model: Sequence[Path] = (),
) -> list[Checked]:
    """Run the detector on `path` in a guarded child; its pictures go into the folder `out`.

    region: only this part of it. model: the files of a model version, instead of those beside the detector.
    Raises the Problem the detector raised, or Unparseable when the child died, hung, or answered nonsense.
    """
    limits = Limits(memory=info.about.memory, cpu=int(info.about.wall), wall=info.about.wall, output=OUTPUT)
    arguments: dict[str, Any] = {"path": str(path), "media_type": media_type, "out": str(out)}
    arguments |= {"region": list(astuple(region))} if region else {}
    arguments |= {"model": [str(file) for file in model]} if model else {}
    answer = _nursery(_modules(info)).call(info.function, arguments, limits=limits, progress=progress)
    try:
        return [_checked(one, out) for one in answer["findings"][:MAX_FINDINGS]]
    except (KeyError, TypeError, ValueError) as error:
        # A hostile file may have taken the child over: what it says is data to check like any upload.
        raise Unparseable("failed") from error


def _checked(told: Mapping[str, Any], out: Path) -> Checked:
    reading = Reading(
        signal=_slug(told["signal"]),
        strength=Strength(told["strength"]),
        statement=readable(_string(told["statement"])),
        score=_decimal(told["score"]),
        details=_bounded(told["details"], MAX_DEPTH),
        heatmap=_string(told["heatmap"]),
        answer=Answer(told["answer"]) if told["answer"] is not None else None,
        llr=_decimal(told["llr"]),
        interval=_interval(told["interval"]),
        calibration=_name(told["calibration"]),
        reason=_slug(told["reason"]) if told["reason"] else "",
        regions=_few(told["regions"], _region),
        spans=_few(told["spans"], _span),
        timeline=_few(told["timeline"], _span),
    )
    if reading.llr and (not reading.interval or not reading.calibration or reading.answer in (None, Answer.CANT_SAY)):
        raise ValueError("a likelihood ratio has an answer, an interval and a calibration")
    return Checked(reading, _picture(out, reading.heatmap) if reading.heatmap else None)


def _few(told: object, read: Callable[[Mapping[str, Any]], T]) -> tuple[T, ...]:
    if not isinstance(told, list):
        raise TypeError("not a list")
    return tuple(read(one) for one in told[:MAX_ITEMS])


def _region(told: Mapping[str, Any]) -> Region:
    return Region(*(_within(told[side], 0.0, 1.0) for side in ("x", "y", "width", "height")))


def _span(told: Mapping[str, Any]) -> Span:
    return Span(_within(told["start"], 0.0, LONGEST), _within(told["end"], 0.0, LONGEST), _decimal(told["llr"]))


def _within(value: object, least: float, most: float) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("not a number")
    return min(max(float(value), least), most)


def _interval(told: object) -> tuple[str, ...]:
    if not isinstance(told, list) or len(told) not in (0, 2):
        raise TypeError("not an interval")
    return tuple(_decimal(edge) for edge in told)


def _picture(out: Path, name: str) -> Path:
    path = out / Path(name).name
    if path.is_symlink() or not path.is_file() or path.stat().st_size > MAX_PICTURE:
        raise ValueError("not a picture")
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            raise ValueError("not a PNG")
    return path


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _slug(value: object) -> str:
    text = _string(value)
    if not text.isascii() or not text.replace("_", "").isalnum() or len(text) > 40:
        raise ValueError("not a slug")
    return text


def _name(value: object) -> str:
    text = _string(value)
    if text and (not text.isascii() or not text.replace("-", "").replace("_", "").isalnum() or len(text) > 64):
        raise ValueError("not a name")
    return text


def _decimal(value: object) -> str:
    text = _string(value)
    if text and not (len(text) <= 20 and math.isfinite(float(text))):
        raise ValueError("not a number")
    return text


def _bounded(value: Any, depth: int) -> Any:
    """JSON of bounded size whose texts are harmless to read."""
    match value:
        case str():
            return readable(value)
        case bool() | int() | None:
            return value
        case dict() if depth:
            return {readable(str(key), 80): _bounded(item, depth - 1) for key, item in list(value.items())[:MAX_ITEMS]}
        case list() if depth:
            return [_bounded(item, depth - 1) for item in value[:MAX_ITEMS]]
    raise ValueError("details hold strings, integers, lists and objects of bounded depth")
