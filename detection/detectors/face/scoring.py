"""From one face's pixels to the network's logit. Pure; the training and the evaluation use the same.

A square of twice the face's side, as far as the picture goes, is brought to at most LARGEST pixels and put through
the lower layers of CLIP's image tower, as `detectors/synthetic_image` does with whole pictures; a linear head,
`model.onnx`, weighs the class token after the ninth.
"""

from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from core.problems import Problem
from detection import network, weights
from detection.detectors.synthetic_image import front
from detection.faces import Face, Finder
from detection.pictures import Rgb

LARGEST = 160  # pixels a side of what is weighed: what a face has in the smallest pictures that people share
ROOM = 2.0  # sides of the face that the square has
LEAST = 40  # pixels a side of a face that is looked at
MODEL = Path(__file__).with_name("model.onnx")
TOWER, TOKENS, WIDTH = "clip-vit-b16", "class_tokens", 768
Array = npt.NDArray[np.float32]


class Net(Protocol):
    """(N, features) to (N, 1) logits. See `detection.network`."""

    def run(self, batch: Array, /) -> Array: ...


def faces_in(rgb: Rgb, finder: Finder) -> list[tuple[Face, Rgb]]:
    """Faces of LEAST pixels or more, largest first, each with its square: at most LARGEST pixels a side, never
    magnified."""
    return [(face, shrunk(square(rgb, face)[0])) for face in finder.faces(rgb) if face.side >= LEAST]


def square(rgb: Rgb, face: Face) -> tuple[Rgb, int, int]:
    """(square, left, top): ROOM times the face's side, less where the picture is smaller, moved to lie inside it."""
    height, width = rgb.shape[:2]
    left, top, right, bottom = face.box
    side = max(int(min(face.side * ROOM, height, width)), 1)
    x = int(min(max((left + right - side) / 2, 0), width - side))
    y = int(min(max((top + bottom - side) / 2, 0), height - side))
    return np.ascontiguousarray(rgb[y : y + side, x : x + side]), x, y


def shrunk(crop: Rgb, side: int = LARGEST) -> Rgb:
    """Brought to `side` pixels where it is larger."""
    if crop.shape[0] <= side:
        return crop
    return np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))


@lru_cache(maxsize=1)
def tower() -> network.Network:
    """Opened once a process: call it after the fork. Raises Problem where it is not installed."""
    if not weights.is_installed(TOWER):
        raise Problem("detection.weights_missing", "A network that this detector needs is not installed", status=503,
                      next_step="Run `make setup`, or `manage.py train tower`.")  # fmt: skip
    return network.opened(weights.folder(TOWER) / network.MODEL)


def features(crop: Rgb) -> Array:
    """(1, WIDTH): the class token after the ninth layer, which is the later one of the two in that output."""
    return tower().outputs(front.whole(crop))[TOKENS][:, -WIDTH:]


def logit_of(net: Net, crop: Rgb) -> float:
    """Higher: rather not as a camera took it."""
    return float(net.run(features(crop))[0, 0])
