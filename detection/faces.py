"""Where the faces are in a picture, by MTCNN (Zhang et al., “Joint Face Detection and Alignment Using Multi-task
Cascaded Convolutional Networks”, IEEE SPL 2016), with the weights of facenet-pytorch (MIT) ported to three ONNX files.

It says that there is a face and where its eyes, nose and mouth are; it recognises nobody and keeps nothing. Shapes:
boxes are (n, 4) as left, top, right, bottom in pixels.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.detectors import face as home
from detection.network import opened

Rgb = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float32]

FACTOR = 0.709  # between scales: half the area
LONGEST = 1280  # pixels of the copy that is searched
SMALLEST_SHARE = 0.03  # of that copy’s longer side: smaller faces are not looked for
THRESHOLDS = (0.6, 0.7, 0.9)  # of the three nets; the last one above facenet-pytorch’s 0.7: fewer faces, surer ones
MOST = 20  # faces of one picture


@dataclass(frozen=True)
class Face:
    """box: left, top, right, bottom. points: (5, 2) x, y of the eyes, the nose, the corners of the mouth. In pixels."""

    box: tuple[float, float, float, float]
    points: Array
    score: float

    @property
    def side(self) -> float:
        """Of the square around it, pixels."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top)

    def crop(self, rgb: Rgb, side: int, margin: float = 0.3) -> Rgb:
        """The square around the face, `margin` of its side wider all round, as (side, side, 3). Past the border of the
        picture the border’s pixels go on."""
        left, top, right, bottom = self.box
        half = self.side * (1 + 2 * margin) / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        return _cut(rgb, (x - half, y - half, x + half, y + half), side)


class Net(Protocol):
    """What runs one of the three nets: (N, 3, H, W) in about ±1 to (N, k) or (N, k, h, w). See `detection.network`."""

    def run(self, batch: Array, /) -> Array: ...


@dataclass(frozen=True)
class Finder:
    """proposes: (N, 5, h, w), refines: (N, 5), places: (N, 15). First the probability of a face, then four corrections
    of the box, then x and y of five points."""

    proposes: Net
    refines: Net
    places: Net

    def faces(self, rgb: Rgb) -> list[Face]:
        """Faces in `rgb` (H, W, 3), largest first, at most MOST."""
        height, width = rgb.shape[:2]
        scale = min(1.0, LONGEST / max(height, width))
        small = _resized(rgb, (round(height * scale), round(width * scale))) if scale < 1 else rgb
        boxes = self._refined(small, self._proposed(small))
        if not len(boxes):
            return []
        found = [_back(face, scale) for face in self._placed(small, boxes)]
        return sorted(found, key=lambda face: -face.side)[:MOST]

    def _proposed(self, rgb: Rgb) -> Array:
        """Candidates of all scales: (n, 4)."""
        height, width = rgb.shape[:2]
        scale = 12.0 / max(20.0, SMALLEST_SHARE * max(height, width))
        found = [np.zeros((0, 9), np.float32)]
        while min(height, width) * scale >= 12:
            small = _resized(rgb, (int(height * scale + 1), int(width * scale + 1)))
            cells = _candidates(self.proposes.run(_input([small]))[0], scale)
            found.append(cells[_kept(cells, 0.5)])
            scale *= FACTOR
        every = np.concatenate(found)
        every = every[_kept(every, 0.7)]
        return _squared(_corrected(every[:, :4], every[:, 5:9], plus=0.0))

    def _refined(self, rgb: Rgb, boxes: Array) -> Array:
        if not len(boxes):
            return boxes
        out = _in_parts(self.refines.run, [_cut(rgb, _corners(box), 24) for box in boxes])
        sure = out[:, 0] > THRESHOLDS[1]
        rows = np.concatenate([boxes[sure], out[sure]], axis=1)
        rows = rows[_kept(rows, 0.7)]
        return _squared(_corrected(rows[:, :4], rows[:, 5:9]))

    def _placed(self, rgb: Rgb, boxes: Array) -> list[Face]:
        out = _in_parts(self.places.run, [_cut(rgb, _corners(box), 48) for box in boxes])
        sure = out[:, 0] > THRESHOLDS[2]
        boxes, out = boxes[sure], out[sure]
        points = _points(boxes, out[:, 5:])
        rows = np.concatenate([_corrected(boxes, out[:, 1:5]), out[:, :1]], axis=1)
        return [Face(_corners(rows[i]), points[i], float(rows[i, 4])) for i in _kept(rows, 0.7, of_smaller=True)]


@lru_cache(maxsize=1)
def installed() -> Finder:
    """The finder that ships with the detector of faces, opened once a process: call it after the fork. Raises Problem
    where a file is missing or not the one that was measured."""
    folder = Path(home.__file__).parent
    return Finder(*(opened(folder / f"{name}.onnx") for name in ("proposes", "refines", "places")))


def _candidates(out: Array, scale: float) -> Array:
    """Cells that may hold a face, of one scale: rows of box, probability, four corrections."""
    rows, columns = np.nonzero(out[0] > THRESHOLDS[0])
    at = np.stack([columns, rows], axis=1).astype(np.float32) * 2 + 1
    boxes = np.floor(np.concatenate([at, at + 11], axis=1) / scale)
    return np.concatenate([boxes, out[:, rows, columns].T], axis=1).astype(np.float32)


def _corrected(boxes: Array, corrections: Array, plus: float = 1.0) -> Array:
    sides = np.tile(boxes[:, 2:4] - boxes[:, :2] + plus, 2)
    return np.asarray(boxes + corrections * sides, np.float32)


def _squared(boxes: Array) -> Array:
    centre, side = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    return np.concatenate([centre - side / 2, centre + side / 2], axis=1)


def _points(boxes: Array, out: Array) -> Array:
    """(n, 5, 2) from the last net’s five x and five y, as shares of the box."""
    sides = boxes[:, 2:] - boxes[:, :2] + 1
    shares = out.reshape(-1, 2, 5).transpose(0, 2, 1)
    return np.asarray(boxes[:, None, :2] + shares * sides[:, None], np.float32)


def _kept(rows: Array, most: float, *, of_smaller: bool = False) -> list[int]:
    """Non-maximum suppression: indices of boxes that overlap no surer one by more than `most` of their union (or of the
    smaller of the two). rows: (n, 5 or more), the fifth is the score."""
    kept: list[int] = []
    order = np.argsort(-rows[:, 4])
    area = np.prod(rows[:, 2:4] - rows[:, :2] + 1, axis=1)
    while order.size:
        first, rest = int(order[0]), order[1:]
        kept.append(first)
        low = np.maximum(rows[rest, :2], rows[first, :2])
        high = np.minimum(rows[rest, 2:4], rows[first, 2:4])
        shared = np.prod(np.maximum(high - low + 1, 0), axis=1)
        whole = np.minimum(area[rest], area[first]) if of_smaller else area[rest] + area[first] - shared
        order = rest[shared <= most * whole]
    return kept


def _in_parts(run: Callable[[Array], Array], crops: Sequence[Rgb], most: int = 128) -> Array:
    return np.concatenate([run(_input(crops[at : at + most])) for at in range(0, len(crops), most)])


def _input(crops: Sequence[Rgb]) -> Array:
    return np.ascontiguousarray((np.stack(crops).astype(np.float32) - 127.5).transpose(0, 3, 1, 2) / 128)


def _cut(rgb: Rgb, box: tuple[float, float, float, float], side: int) -> Rgb:
    """The box, resampled to a square; past the border the border’s pixels go on."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = (round(value) for value in box)
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    inside = rgb[max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)]
    if not inside.size:
        return np.zeros((side, side, 3), np.uint8)
    past = ((max(-top, 0), max(bottom - height, 0)), (max(-left, 0), max(right - width, 0)), (0, 0))
    return _resized(np.pad(inside, past, mode="edge"), (side, side))


def _resized(rgb: Rgb, shape: tuple[int, int]) -> Rgb:
    return np.asarray(Image.fromarray(rgb).resize((shape[1], shape[0]), Image.Resampling.BILINEAR))


def _corners(row: Array) -> tuple[float, float, float, float]:
    left, top, right, bottom = (float(value) for value in row[:4])
    return left, top, right, bottom


def _back(face: Face, scale: float) -> Face:
    left, top, right, bottom = (value / scale for value in face.box)
    return Face((left, top, right, bottom), face.points / np.float32(scale), face.score)
