"""From pixels to the map of what does not fit, and to one number for the picture. Pure; also used by the evaluation.

The network gives a logit for every 8 x 8 pixels. The picture's logit is a soft maximum of the map: the same as in
training (`detection.training.localiser`), so that it needs no second output.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

from detection.pictures import Rgb

Array = npt.NDArray[np.float32]
MODEL = Path(__file__).with_name("model.onnx")
STRIDE = 8
MULTIPLE = 16  # pixels, of the sides that the network takes
SHARPNESS = 4.0
MOST_PIXELS = 2_500_000  # examined; above, reduced by a whole number
LEAST_SIDE = 64  # pixels, to draw a map at all


class Net(Protocol):
    """(1, 3, H, W) RGB 0…255, sides a multiple of MULTIPLE, to (1, 1, H/8, W/8) logits. See `detection.network`."""

    def run(self, batch: Array, /) -> Array: ...


def heat_of(net: Net, rgb: Rgb) -> Array:
    """The map: (H / STRIDE, W / STRIDE) logits, of the picture or of its reduced copy, without the last pixels that
    fill no MULTIPLE. rgb: at least LEAST_SIDE a side."""
    pixels = reduced(rgb)
    height, width = (side // MULTIPLE * MULTIPLE for side in pixels.shape[:2])
    planes = np.ascontiguousarray(pixels[:height, :width].transpose(2, 0, 1))
    return np.asarray(net.run(planes[None])[0, 0], np.float32)


def peak_of(heat: Array) -> float:
    """The picture's logit."""
    smooth = ndimage.uniform_filter(heat, 3)[1:-1, 1:-1].ravel()
    return float((special.logsumexp(SHARPNESS * smooth) - np.log(smooth.size)) / SHARPNESS)


def reduced(rgb: Rgb) -> Array:
    """float32 (H, W, 3), averaged over whole blocks where the picture is larger than MOST_PIXELS."""
    factor = 1
    while (rgb.shape[0] // factor) * (rgb.shape[1] // factor) > MOST_PIXELS:
        factor += 1
    height, width = (side // factor * factor for side in rgb.shape[:2])
    blocks = rgb[:height, :width].reshape(height // factor, factor, width // factor, factor, 3)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32), np.float32)
