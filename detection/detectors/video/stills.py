"""The net of the synthetic-image detector, for single frames. Its calibration is not borrowed: frames of a film have
their own (`frames.calibration.json`).
"""

import importlib
from collections.abc import Callable

from core.problems import Problem
from detection.pictures import Rgb

Score = Callable[[Rgb], float]
DETECTOR = "detection.detectors.synthetic_image.detector"


def scorer() -> Score | None:
    """The logit of one frame (H, W, 3); None where that detector is switched off, because its weights are missing."""
    try:
        return importlib.import_module(DETECTOR).scorer()  # type: ignore[no-any-return]
    except (ImportError, Problem):
        return None
