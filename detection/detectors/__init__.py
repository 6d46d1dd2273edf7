"""What a detector is. One folder here per detector, with the same few files; to add one, copy a folder.

- `__init__.py`: `ABOUT`, an `About`. Imported by the web process: light, no decoder, no torch.
- `detector.py`: `examine(path, media_type, out, report)`, an `Examine`. Imported in a nursery only and run in a guarded
  child (`core.guard`), so it is pure: no Django, no database, no network, files in, JSON out.
- `card.md`: what it measures, what it cannot, for people.

No detector gives a verdict. A reading says how strong a signal is, in words, and until a detector is calibrated on
media of several sources its readings say “uncalibrated” and have no error rate.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class Strength(StrEnum):
    """How strong a signal is. A word, not a probability; in rising order."""

    NONE = "none"
    WEAK = "weak"
    MODERATE = "moderate"
    STRONG = "strong"


@dataclass(frozen=True)
class About:
    """name: the folder's name. kinds: of media it reads; media_types: which of those, all if empty. shares: further
    source files under detection/ that decide what it computes, part of its digest. preload: modules the nursery imports
    before it forks. memory: bytes of address space, wall: seconds, both limits of one examination.
    """

    name: str
    title: str
    version: str
    kinds: tuple[str, ...]
    media_types: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    memory: int = 3 << 30
    wall: float = 60.0


@dataclass(frozen=True)
class Reading:
    """One thing a detector found, or looked for and did not find.

    signal: slug, stable. statement: one sentence for people. score: a decimal number as text, or "" where there is
    nothing to count. details: JSON values; numbers with a fraction as text. heatmap: name of a PNG in `out`, or "".
    """

    signal: str
    strength: Strength
    statement: str
    score: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    heatmap: str = ""


class Report(Protocol):
    """Progress of an examination: percent 0…100 and a few words."""

    def __call__(self, percent: int, note: str = "") -> None: ...


class Examine(Protocol):
    """Examine the file at `path`; pictures it draws go into the folder `out`. Returns `as_result(readings)`.

    Raises Problem for what it cannot read.
    """

    def __call__(self, path: str, media_type: str, out: str, report: Report) -> dict[str, Any]: ...


def as_result(*readings: Reading) -> dict[str, Any]:
    """Readings as the JSON that crosses from the guarded child to the parent."""
    return {"findings": [asdict(reading) for reading in readings]}
