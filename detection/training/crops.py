"""The training crops of the localiser: photographs, half-way edited, published as the world does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection.training import splicing
from detection.training.photographs import Photograph, shelves_of
from detection.training.splicing import CutOut, Edited

CROP = 160  # pixels a side
CELL = 8  # pixels a side of what the map tells apart
UNTOUCHED = 0.3  # share of crops without an edit
GREY = 10  # every so many crops one is without colour
KINDS = (*splicing.KINDS, splicing.CUT_OUT)


@dataclass(frozen=True)
class Made:
    """What one training crop was made of. donor: publisher of the pasted part, "" if nothing was pasted."""

    source: str
    donor: str
    kind: str


@dataclass(frozen=True)
class Crops:
    """pixels: uint8 (n, CROP, CROP, 3). wanted: (n, CROP/CELL, CROP/CELL), how much of each place is new. made: (n)."""

    pixels: npt.NDArray[np.uint8]
    wanted: npt.NDArray[np.float32]
    made: list[Made]


def make(
    shelves: Sequence[Sequence[Photograph]], objects: Sequence[CutOut], rng: np.random.Generator
) -> tuple[Edited, Made]:
    """One training crop, of a publisher drawn with equal chances, untouched or with an edit of any kind, published in
    the same way whether edited or not."""
    how = splicing.drawn_publishing(rng)
    side = how.before(CROP)
    host, donor = _drawn(shelves, rng), _drawn(shelves, rng)
    start = splicing.aged(host.crop(side, rng), rng)
    kind = "" if rng.random() < UNTOUCHED else KINDS[int(rng.integers(len(KINDS)))]
    if not kind:
        done = splicing.untouched(start)
    elif kind == splicing.CUT_OUT:
        done = splicing.with_object(start, objects[int(rng.integers(len(objects)))], rng)
    else:
        done = splicing.edited(start, donor.crop(side, rng), kind, rng)
    return splicing.published(done, how, CROP), Made(host.source, donor.source if kind == "splice" else "", kind)


def _drawn(shelves: Sequence[Sequence[Photograph]], rng: np.random.Generator) -> Photograph:
    shelf = shelves[int(rng.integers(len(shelves)))]
    return shelf[int(rng.integers(len(shelf)))]


def make_crops(
    found: Sequence[Photograph],
    objects: Sequence[CutOut],
    *,
    count: int,
    seed: int = 0,
    told: Callable[[int], None] = lambda done: None,
) -> Crops:
    """told: called with how many are done, now and then."""
    rng = np.random.default_rng(seed)
    shelves = shelves_of(found)
    side = CROP // CELL
    pixels = np.zeros((count, CROP, CROP, 3), np.uint8)
    wanted = np.zeros((count, side, side), np.float32)
    origins = []
    for index in range(count):
        done, made = make(shelves, objects, rng)
        pixels[index] = grey(done.pixels) if index % GREY == 0 else done.pixels
        wanted[index] = done.mask.reshape(side, CELL, side, CELL).mean((1, 3))
        origins.append(made)
        if index % 1000 == 999:
            told(index + 1)
    return Crops(pixels, wanted, origins)


def grey(pixels: splicing.Pixels) -> splicing.Pixels:
    luma = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    return np.repeat(luma.round()[..., None], 3, axis=2)


def save(path: Path, crops: Crops) -> None:
    """As .npz without pickles."""
    told = np.asarray([(one.source, one.donor, one.kind) for one in crops.made])
    np.savez(path, pixels=crops.pixels, wanted=crops.wanted, made=told)


def read(path: Path) -> Crops:
    with np.load(path, allow_pickle=False) as kept:
        return Crops(kept["pixels"], kept["wanted"], [Made(*map(str, row)) for row in kept["made"]])
