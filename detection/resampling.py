"""Traces of enlarging or rotating: pixels that their neighbours predict better at regular distances.

Interpolated pixels are weighted means of their neighbours, with weights that repeat with the factor. The map of how
well a fixed linear predictor does then has a period, a peak in its spectrum (Popescu & Farid, “Exposing digital
forgeries by detecting traces of resampling”, IEEE TSP 2005; the fixed predictor is Kirchner's, “Fast and reliable
resampling detection by spectral analysis of fixed linear predictor residue”, ACM MM&Sec 2008). Reducing leaves far
weaker traces, and strong compression hides them. JPEG's grid, also one that was reduced by a whole number since, makes
peaks at multiples of 1/8, which are left out.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Luma: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]

PREDICTOR = np.array([[-0.25, 0.5, -0.25], [0.5, 0.0, 0.5], [-0.25, 0.5, -0.25]], dtype=np.float32)
LOWEST = 0.08  # cycles a pixel; below it the picture itself is periodic
NEAR = 24  # bins each side that a peak is compared with
SIDE = 2048  # pixels a side that are looked at, in the middle


@dataclass(frozen=True)
class Peak:
    """height: times the median of the spectrum around. frequency: cycles a pixel, 0…0.5. across: else down."""

    height: float
    frequency: float
    across: bool

    @property
    def factors(self) -> tuple[float, ...]:
        """Enlargements that put a peak here: between one and two, and above two."""
        return tuple(sorted({round(1 / (1 - self.frequency), 2), round(1 / self.frequency, 2)}))


def strongest_peak(luma: Luma) -> Peak:
    """The highest peak of both directions. luma: (H, W), at least 128 a side."""
    top, left = ((side - min(side, SIDE)) // 2 for side in luma.shape)
    part = luma[top : top + SIDE, left : left + SIDE]
    surprise = part - ndimage.correlate(part, PREDICTOR, mode="nearest")
    likely = np.exp(-(surprise**2))  # 1 where the neighbours predict the pixel, near 0 where they do not
    return max((_peak(likely.mean(axis), bool(1 - axis)) for axis in (0, 1)), key=lambda peak: peak.height)


def _peak(profile: npt.NDArray[np.float32], across: bool) -> Peak:
    values = profile[2:-2].astype(np.float64)
    values = (values - ndimage.uniform_filter1d(values, 17, mode="nearest")) * np.hanning(len(values))
    spectrum = np.abs(np.fft.rfft(values))
    frequencies = np.fft.rfftfreq(len(values))
    heights = spectrum / (ndimage.median_filter(spectrum, 2 * NEAR + 1, mode="nearest") + 1e-9)
    heights[frequencies < LOWEST] = 0
    heights[np.abs(frequencies * 8 - np.round(frequencies * 8)) < 24 / len(values)] = 0
    best = int(heights.argmax())
    return Peak(float(heights[best]), float(frequencies[best]), across)
