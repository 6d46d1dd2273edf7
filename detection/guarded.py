"""The way from this process to a detector: a guarded child per examination, and a careful look at what it answers.

The nursery of a detector imports its modules (torch, 5 s) once for this process; every examination is a fork of it.
A worker process starts its own on first use.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from core.guard import Limits, Nursery, Progress, Unparseable
from detection.detectors import Reading, Strength
from detection.hostile_text import readable
from detection.registry import DetectorInfo

MAX_FINDINGS = 20
MAX_PICTURE = 4 << 20  # bytes of a heat map
MAX_ITEMS = 200
MAX_DEPTH = 5
OUTPUT = 32 << 20  # bytes of any one file the child writes


@dataclass(frozen=True)
class Checked:
    """A reading whose parts have been checked. picture: its heat map, None without one."""

    reading: Reading
    picture: Path | None


@lru_cache(maxsize=8)
def _nursery(modules: tuple[str, ...]) -> Nursery:
    return Nursery(*modules)


def examine(
    info: DetectorInfo, path: Path, media_type: str, out: Path, *, progress: Progress | None = None
) -> list[Checked]:
    """Run the detector on `path` in a guarded child; its pictures go into the folder `out`.

    Raises the Problem the detector raised, or Unparseable when the child died, hung, or answered nonsense.
    """
    limits = Limits(memory=info.about.memory, cpu=int(info.about.wall), wall=info.about.wall, output=OUTPUT)
    arguments = {"path": str(path), "media_type": media_type, "out": str(out)}
    answer = _nursery(info.about.preload).call(info.function, arguments, limits=limits, progress=progress)
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
    )
    return Checked(reading, _picture(out, reading.heatmap) if reading.heatmap else None)


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


def _decimal(value: object) -> str:
    text = _string(value)
    if text and not (len(text) <= 20 and float(text) == float(text)):
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
