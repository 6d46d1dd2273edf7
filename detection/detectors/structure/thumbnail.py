"""The small preview that cameras write into EXIF, against the picture it should be a preview of.

Programs that change a picture and copy its metadata leave the old preview behind (Kee & Farid, “Digital image
authentication from thumbnails”, SPIE 2010; the black bars that cameras add to fit 4:3 are left out).
"""

import io
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageFile

Luma: TypeAlias = npt.NDArray[np.float64]

MOST_BYTES = 1 << 20
SMALLEST = 32  # pixels of the preview's shorter side
DARK = 24.0  # levels; a bar is darker than this all along
CELLS = 8  # a side, for the place where preview and picture differ most


@dataclass(frozen=True)
class Compared:
    """likeness: correlation of the preview with the picture reduced to its size, -1…1; worst: the lowest of any part.
    ratio: how much the shapes differ, width / height of one over the other, 1 if equal.
    """

    likeness: float
    worst: float
    ratio: float
    width: int
    height: int


def compared(image: ImageFile.ImageFile) -> Compared | None:
    """The preview in EXIF against the picture; None where there is none that can be read. Decodes the picture."""
    preview = _preview(image)
    if preview is None:
        return None
    shape = image.width / image.height
    shown = min(
        (preview, preview.crop(_without_bars(np.asarray(preview)))),
        key=lambda one: abs(one.width / one.height / shape - 1),
    )
    if min(shown.size) < SMALLEST:
        return None
    # Half the preview's size, and tones fitted: cameras sharpen previews and render them with another curve.
    size = shown.width // 2, shown.height // 2
    small, full = (_luma(one.resize(size, Image.Resampling.BOX)) for one in (shown, image.convert("L")))
    likeness = _correlation(small, full)
    return Compared(likeness, _worst(small, full), shown.width / shown.height / shape, *preview.size)


def _preview(image: ImageFile.ImageFile) -> Image.Image | None:
    """EXIF 3.0 §4.5.5: a JPEG at JPEGInterchangeFormat of IFD1, counted from the TIFF header."""
    try:
        first = image.getexif().get_ifd(ExifTags.IFD.IFD1)
        start, length = int(first[0x0201]), int(first[0x0202])
        blob = bytes(image.info.get("exif", b""))[6:]
        data = blob[start : start + min(length, MOST_BYTES)]
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as preview:
            if preview.width * preview.height > MOST_BYTES:
                return None
            return preview.convert("L")
    except Exception:  # Pillow's metadata readers raise whatever the bytes make them
        return None


def _luma(image: Image.Image) -> Luma:
    return np.asarray(image, dtype=np.float64)


def _without_bars(luma: npt.NDArray[np.uint8]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom without dark rows or columns that are equally wide on both sides."""
    edges = []
    for axis in (0, 1):
        lit = np.flatnonzero(luma.max(axis=axis) > DARK)
        length = luma.shape[1 - axis]
        bar = int(min(lit[0], length - 1 - lit[-1])) if len(lit) else 0
        edges.append((bar, length - bar))
    (left, right), (top, bottom) = edges
    return left, top, right, bottom


def _worst(small: Luma, full: Luma) -> float:
    """The agreement of the least alike of CELLS x CELLS parts, after the tones of the whole were fitted."""
    slope, offset = np.polyfit(full.ravel(), small.ravel(), 1) if np.ptp(full) > 1 else (1.0, 0.0)
    fitted = slope * full + offset
    parts = []
    for rows in np.array_split(np.arange(small.shape[0]), CELLS):
        for columns in np.array_split(np.arange(small.shape[1]), CELLS):
            cell = np.ix_(rows, columns)
            parts.append(_agreement(small[cell], fitted[cell]))
    return min(parts)


def _agreement(one: Luma, other: Luma) -> float:
    """1 minus the mean difference over 64 levels: parts without contrast have no correlation."""
    return float(1 - min(1.0, np.abs(one - other).mean() / 64))


def _correlation(one: Luma, other: Luma) -> float:
    a, b = one - one.mean(), other - other.mean()
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum() / norm) if norm > 1e-6 else 1.0
