"""From one face's pixels to the network's logit. Pure; the training and the evaluation use the same."""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.faces import Face, Finder
from detection.pictures import Rgb

SIDE = 96  # pixels that the network takes
STORED = 160  # pixels of a crop, at most
MARGIN = 0.3  # of the face's side, all round
LEAST = 40  # pixels a side of a face that is looked at
MODEL = Path(__file__).with_name("model.onnx")
Array = npt.NDArray[np.float32]


class Net(Protocol):
    """(N, 1, SIDE, SIDE) luma 0…255 to (N, 1) logits. See `detection.network`."""

    def run(self, batch: Array, /) -> Array: ...


def faces_in(rgb: Rgb, finder: Finder) -> list[tuple[Face, Rgb]]:
    """Faces of LEAST pixels or more, largest first, each with its crop: at most STORED pixels a side, never
    magnified."""
    found = [face for face in finder.faces(rgb) if face.side >= LEAST]
    return [(face, face.crop(rgb, crop_side(face), MARGIN)) for face in found]


def crop_side(face: Face) -> int:
    return min(STORED, round(face.side * (1 + 2 * MARGIN)))


def luma_of(crop: Rgb) -> Array:
    """(SIDE, SIDE), as the network takes it."""
    small = Image.fromarray(crop).resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("L")
    return np.asarray(small, np.float32)


def logit_of(net: Net, crop: Rgb) -> float:
    """Higher: rather not as a camera took it."""
    return float(net.run(luma_of(crop)[None, None])[0, 0])
