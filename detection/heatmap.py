"""Heat maps: one hue whose opacity is the deviation, so that they read over a picture, on white and on black."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

HUE = (200, 0, 140)  # magenta, rare in photographs: 5.5:1 on white, 3.8:1 on black
MAX_SIDE = 512  # pixels


def write_heatmap(heat: npt.NDArray[np.float32], path: Path, size: tuple[int, int]) -> None:
    """Draw `heat` (h, w), 0 = like the rest … 1 = most deviant, as a PNG with the aspect of `size` (width, height)."""
    width, height = size
    scale = MAX_SIDE / max(width, height)
    target = max(1, round(width * scale)), max(1, round(height * scale))
    opacity = Image.fromarray((heat.clip(0, 1) * 217).round().astype(np.uint8)).resize(target, Image.Resampling.BICUBIC)
    picture = Image.new("RGBA", target, (*HUE, 0))
    picture.putalpha(opacity)
    picture.save(path, "PNG", optimize=False)
