"""What the networks are shown of a picture. Pure; the same for training, measuring and examining."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from detection.pictures import Rgb

Tensor = npt.NDArray[np.float32]
SIDE = 224  # pixels, of CLIP's input
# CLIP's own, per channel (Radford et al. 2021, released preprocessing).
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], dtype=np.float32)
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], dtype=np.float32)


def whole(rgb: Rgb) -> Tensor:
    """What the network is shown of a picture: (1, 3, SIDE, SIDE), CLIP's scale."""
    return scaled(square(rgb)[None])


def square(rgb: Rgb) -> Rgb:
    """The picture scaled to a shorter side of SIDE, its middle square: (SIDE, SIDE, 3).

    The scaling hides the file's own size and most of what saving did to it, in both classes alike.
    """
    height, width = rgb.shape[:2]
    scale = SIDE / min(height, width)
    size = max(SIDE, round(width * scale)), max(SIDE, round(height * scale))
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC)
    left, top = (image.width - SIDE) // 2, (image.height - SIDE) // 2
    return np.asarray(image.crop((left, top, left + SIDE, top + SIDE)))


def scaled(squares: npt.NDArray[np.uint8]) -> Tensor:
    """(n, SIDE, SIDE, 3) to (n, 3, SIDE, SIDE), CLIP's scale."""
    shown = (squares.astype(np.float32) / 255 - MEAN) / SPREAD
    return np.ascontiguousarray(shown.transpose(0, 3, 1, 2))
