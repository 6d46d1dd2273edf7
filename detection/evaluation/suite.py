"""What is measured on: labelled files, each with where it comes from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Item:
    """One file. synthetic: its label. source: who published it. generator: slug of what made it, "" if a camera did.

    group: items with the same one show the same thing (a photograph and its re-synthesis, two sizes, frames of one
    video, clips of one speaker): a split never separates them, a bootstrap draws them together.
    """

    path: Path
    synthetic: bool
    source: str
    generator: str = ""
    group: str = ""

    def __post_init__(self) -> None:
        if self.synthetic != bool(self.generator):
            raise ValueError(f"{self.path.name}: what is synthetic names its generator, and only that")


def generators(items: Iterable[Item]) -> list[str]:
    return sorted({item.generator for item in items if item.generator})


def sources(items: Iterable[Item]) -> list[str]:
    return sorted({item.source for item in items})


def thinned(items: Sequence[Item], most: int, *, seed: int = 0) -> list[Item]:
    """At most `most` items of each (source, generator), the same ones for the same seed and files."""
    by_cell: dict[tuple[str, str], list[Item]] = {}
    for item in items:
        by_cell.setdefault((item.source, item.generator), []).append(item)
    return [item for cell in by_cell.values() for item in sorted(cell, key=lambda one: _draw(one, seed))[:most]]


def _draw(item: Item, seed: int) -> bytes:
    from hashlib import sha256

    return sha256(f"{seed}/{item.source}/{item.path.name}".encode()).digest()
