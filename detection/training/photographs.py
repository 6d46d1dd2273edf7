"""Photographs as the makers of edits want them: reduced so far that the file's own JPEG history is gone."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.training import data
from detection.training.sources import SOURCES, Use
from detection.training.splicing import Pixels

SCALE = 0.75
LEAST_SIDE = 224  # pixels, after that
PHOTOGRAPHS = tuple(one for one in SOURCES if not one.generator and not one.drawn)


@dataclass(frozen=True)
class Photograph:
    """pixels: uint8 (H, W, 3). source: its publisher. name: unique, tells the source."""

    pixels: npt.NDArray[np.uint8]
    source: str
    name: str

    def crop(self, side: int, rng: np.random.Generator) -> Pixels:
        """A square at random, float32. side: at most LEAST_SIDE, or what the photograph has."""
        top, left = (int(rng.integers(0, edge - side + 1)) for edge in self.pixels.shape[:2])
        return self.pixels[top : top + side, left : left + side].astype(np.float32)


def photographs(root: Path, use: Use | None = None) -> list[Photograph]:
    """Those that have been fetched (`data`); what is too small is left out. use: only sources of this use."""
    found = []
    for item in data.items(root, [one for one in PHOTOGRAPHS if use in (None, one.use)]):
        read = Image.fromarray(data.read(item))
        size = (round(read.width * SCALE), round(read.height * SCALE))
        if min(size) >= LEAST_SIDE:
            pixels = np.asarray(read.resize(size, Image.Resampling.LANCZOS))
            found.append(Photograph(pixels, item.source, item.group))
    return found


def shelves_of(found: Iterable[Photograph]) -> list[list[Photograph]]:
    """By publisher."""
    by_source: dict[str, list[Photograph]] = {}
    for one in found:
        by_source.setdefault(one.source, []).append(one)
    return [by_source[name] for name in sorted(by_source)]
