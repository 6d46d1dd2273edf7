"""Where in a picture: from a map to boxes, and from a box of the whole picture to its pixels and back. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from detection.detectors import Region

MOST_REGIONS = 5
Bools = npt.NDArray[np.bool_]
WHOLE = Region(0.0, 0.0, 1.0, 1.0)


def cut(picture: npt.NDArray[Any], region: Region | None) -> npt.NDArray[Any]:
    """The pixels of `region` (H, W, …), at least one."""
    if region is None:
        return picture
    height, width = picture.shape[:2]
    left, top = (min(int(start * side), side - 1) for start, side in ((region.x, width), (region.y, height)))
    right = max(round((region.x + region.width) * width), left + 1)
    bottom = max(round((region.y + region.height) * height), top + 1)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def boxes(marked: Bools, least: int = 1, within: Region | None = None) -> list[Region]:
    """Boxes around connected marked cells (h, w), largest area first, as shares of the picture; areas of fewer than
    `least` cells are left out. within: what part of the picture `marked` covers."""
    labels, _ = ndimage.label(marked)
    sizes = np.bincount(labels.ravel())
    found = [(int(sizes[index + 1]), where) for index, where in enumerate(ndimage.find_objects(labels))]
    found = sorted((one for one in found if one[0] >= least), key=lambda one: -one[0])
    return [_region(where, marked.shape, within or WHOLE) for _, where in found[:MOST_REGIONS]]


def _region(where: Sequence[slice], shape: Sequence[int], within: Region) -> Region:
    (top, bottom), (left, right) = ((one.start / side, one.stop / side) for one, side in zip(where, shape, strict=True))
    return Region(
        within.x + left * within.width,
        within.y + top * within.height,
        (right - left) * within.width,
        (bottom - top) * within.height,
    )


def laid_out(heat: npt.NDArray[np.float32], within: Region | None) -> npt.NDArray[np.float32]:
    """A map of a part as a map of the whole picture, nothing around it: (h, w) to (H, W)."""
    if within is None:
        return heat
    height, width = (
        max(1, round(side / share)) for side, share in zip(heat.shape, (within.height, within.width), strict=True)
    )
    top, left = min(int(within.y * height), height - 1), min(int(within.x * width), width - 1)
    whole = np.zeros((max(height, top + 1), max(width, left + 1)), np.float32)
    part = whole[top : top + heat.shape[0], left : left + heat.shape[1]]
    part[...] = heat[: part.shape[0], : part.shape[1]]
    return whole
