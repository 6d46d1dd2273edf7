"""The net of the synthetic-image detector, for single frames. Its calibration is not borrowed: frames of a film have
their own (`frames.calibration.json`).
"""

import math
from collections.abc import Callable

from core.problems import Problem
from detection.calibration import Calibration
from detection.detectors.synthetic_image import detector
from detection.pictures import Rgb
from detection.weighing import unlike

Score = Callable[[Rgb], float]
CALIBRATION = "calibration.json"


def scorer() -> Score | None:
    """The logit of one frame (H, W, 3), NaN for one of which that detector says nothing, such as a drawing; None where
    it is switched off, because its weights are missing.
    """
    try:
        look, calibration = detector.looker(), Calibration.read(detector.HERE / CALIBRATION)
    except Problem:
        return None

    def score(rgb: Rgb) -> float:
        logit, outside = look(rgb)
        return math.nan if unlike(calibration, outside) else logit

    return score
