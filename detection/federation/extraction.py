"""From files to features, in a guarded child: an institution's own material may be as hostile as anything that is sent
in.
"""

from typing import Any

import numpy as np

from detection import pictures
from detection.federation import features

TILES = 9  # of a picture


def describe(path: str) -> dict[str, Any]:
    """What the nursery calls. Returns {"features": [numbers]}; none for a picture with fewer than 128 pixels a side.

    Raises Problem for what cannot be read."""
    parts = [features.describe(tile) for tile in features.tiles(pictures.read_picture(path).luma, TILES)]
    return {"features": np.mean(parts, axis=0).tolist() if parts else []}
