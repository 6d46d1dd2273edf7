"""What the tower says of each face after each journey or condition, computed once and kept.

A journey is a random way through the world, always the same one for the same face: both classes take it, so that
neither size, frame, sharpness nor codec tells them apart.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from detection.detectors.face.scoring import LARGEST, features, shrunk
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.suite import Item
from detection.training import augmentation, data, face_making, simulated
from detection.training.augmentation import Rgb
from detection.training.face_crops import read
from detection.training.face_making import SELF_BLEND, SWAP, Portrait
from detection.training.sources import REALESRGAN

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float16]
Say = Callable[[str], None]
SMALLEST = 64  # pixels a side that a journey may leave of a face
JOURNEY, AGAIN = "v1", "v2"
EVERY = 100  # faces, after which what was computed is kept


@dataclass(frozen=True)
class Features:
    """rows: (n, width) of the items, in their order."""

    items: tuple[Item, ...]
    rows: Array

    def at(self, indices: Sequence[int]) -> "Features":
        return Features(tuple(self.items[i] for i in indices), self.rows[list(indices)])


@dataclass(frozen=True)
class Studio:
    """Where faces are read and made. root: of the training data. donors: real faces, whose features swaps take."""

    root: Path
    donors: tuple[Item, ...]

    def portrait(self, item: Item, how: str = "") -> Portrait:
        """The face, made over where the item's generator is one of ours: always alike for the same item, but anew for a
        second journey."""
        face = read(item)
        if item.generator not in face_making.KINDS:
            return face
        rng = _random(item.generator, item.path.name, *([AGAIN] if how == AGAIN else []))
        return Portrait(self._made(item, face, rng), face.points)

    def _made(self, item: Item, face: Portrait, rng: np.random.Generator) -> Rgb:
        if item.generator == SELF_BLEND:
            return face_making.self_blended(face, rng)
        if item.generator == SWAP:
            others = [one for one in self.donors if one.source == item.source and one.group != item.group]
            return face_making.swapped(face, read(others[int(rng.integers(len(others)))]), rng)
        return face_making.enlarged(face, _enlarger(self.root), rng)

    def features(self, items: Sequence[Item], how: str, say: Say = lambda text: None) -> Features:
        """Of every item after a journey or a condition, kept under root/faces/features; what is missing is
        computed (0.2 CPU-seconds each)."""
        kept = self.root / "faces" / "features" / f"{how}.npz"
        known = _read(kept)
        missing = [item for item in items if key(item) not in known]
        for count, item in enumerate(missing, 1):
            known[key(item)] = features(changed(self.portrait(item, how).rgb, item, how))[0].astype(np.float16)
            if count % EVERY == 0 or count == len(missing):
                say(f"{how}: {count} of {len(missing)}")
                _write(kept, known)
        if not items:
            return Features((), np.zeros((0, 0)))
        return Features(tuple(items), np.stack([known[key(item)] for item in items]).astype(np.float64))


def changed(face: Rgb, item: Item, how: str) -> Rgb:
    """The square as the tower is shown it, after a condition or a journey."""
    if how in CONDITIONS:
        return shrunk(CONDITIONS[how](face))
    return journey(face, _random(how, key(item)))


def journey(face: Rgb, rng: np.random.Generator) -> Rgb:
    """A part of the square, scaled to SMALLEST…LARGEST pixels by a random filter, perhaps mirrored, then shipped."""
    side = face.shape[0]
    part = int(side * rng.uniform(0.75, 1))
    top, left = (int(value) for value in rng.integers(0, side - part + 1, 2))
    cut = np.ascontiguousarray(face[top : top + part, left : left + part])
    cut = augmentation.resized(cut, min(1.0, rng.uniform(SMALLEST, LARGEST) / part), filter=int(rng.integers(0, 4)))
    if rng.random() < 0.5:
        cut = np.ascontiguousarray(cut[:, ::-1])
    return augmentation.shipped(cut, rng)


def key(item: Item) -> str:
    return f"{item.generator}/{item.path.name}"


def _random(*names: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256("/".join(names).encode()).digest()[:8]))


@lru_cache(maxsize=1)
def _enlarger(root: Path) -> simulated.Enlarger:
    return simulated.Enlarger(data.fetch(REALESRGAN, root), root / "simulated" / "realesrgan-x4")


def _read(path: Path) -> dict[str, Rows]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as stored:
        return dict(zip(stored["keys"].tolist(), stored["rows"], strict=True))


def _write(path: Path, known: Mapping[str, Rows]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, keys=np.asarray(list(known)), rows=np.stack(list(known.values())))
    partial.replace(path)
