"""The speech in a recording, its pauses cut out, in windows whose statistics the voice network sees.

Pauses, loudness and a recording's constant colouring are taken out here, for training and for examination alike,
because they differ between collections more than between people and machines. NumPy only.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from detection.voice_statistics import BINS, statistics

Samples: TypeAlias = npt.NDArray[np.float32]
Bands: TypeAlias = npt.NDArray[np.float32]

RATE = 16_000  # Hz
HOP = 160  # samples: 10 ms
SIZE = 512  # samples of a frame: 32 ms
BANDS = 60  # triangles, equally wide as linear-frequency cepstra have them
LOWEST, HIGHEST = 60.0, 7_000.0  # Hz: G.722 and many microphones give nothing above
FLOOR = 65.0  # dB below the mean band energy of the speech; what is lower is called silence
ACTIVE = 30.0  # dB below the loud frames, a frame still counts as speech
MARGIN = 8  # frames kept around speech
WINDOW = 300  # frames that the network sees at once: 3 s of speech
STEP = 150  # frames between two windows
MOST_WINDOWS = 40  # of one recording, spread evenly over it
FEWEST = 100  # frames of speech, without which there is nothing to say
GROUPS = 12  # of neighbouring bands, in which a recording is described as a whole
SYLLABLES = (2.0, 8.0)  # Hz: how fast the loudness of speech changes; music and machines differ


@dataclass(frozen=True)
class Speech:
    """bands: float32 (BANDS, n), n frames of speech, each band centred over them; powers of ten. times: (n,) where each
    frame is, in seconds from the beginning of the samples. colour: (BANDS,) what was taken out by centring. spectra:
    float32 (BINS, n), powers of ten. samples: (n x HOP,) where each frame begins, in a row."""

    bands: Bands
    times: npt.NDArray[np.float64]
    colour: npt.NDArray[np.float64]
    spectra: Bands
    samples: Samples

    @property
    def enough(self) -> bool:
        return len(self.times) >= FEWEST

    def described(self) -> npt.NDArray[np.float64]:
        """(2 x GROUPS + 1,): colouring and liveliness of each group of bands, share of changes as fast as syllables.

        What a recording must be like to be within what was measured (`detection.calibration.Domain`).
        """
        groups = np.array_split(np.arange(BANDS), GROUPS)
        colour = np.array([self.colour[group].mean() for group in groups])
        lively = np.array([self.bands[group].std() for group in groups])
        loudness = self.bands.mean(axis=0) - self.bands.mean()
        power = np.abs(np.fft.rfft(loudness)) ** 2
        speed = np.fft.rfftfreq(len(loudness), HOP / RATE)
        syllables = power[(speed >= SYLLABLES[0]) & (speed <= SYLLABLES[1])].sum() / max(float(power.sum()), 1e-12)
        return np.concatenate([colour - colour.mean(), lively, [syllables]])

    def windows(self) -> tuple[Bands, list[tuple[float, float]]]:
        """(k, statistics) and when each begins and ends, in seconds. Speech shorter than a window is one."""
        last = max(0, len(self.times) - WINDOW)
        count = min(MOST_WINDOWS, 1 + round(last / STEP))
        starts = np.linspace(0, last, count).astype(int)
        told = [self._statistics(start, min(start + WINDOW, len(self.times))) for start in starts]
        ends = [min(start + WINDOW, len(self.times)) - 1 for start in starts]
        spans = [(float(self.times[a]), float(self.times[b]) + HOP / RATE) for a, b in zip(starts, ends, strict=True)]
        return np.stack(told), spans

    def _statistics(self, start: int, end: int) -> npt.NDArray[np.float32]:
        return statistics(self.spectra[:, start:end], self.samples[start * HOP : end * HOP])


def speech(samples: Samples) -> Speech:
    """The speech in (n,) samples at 16 kHz. Empty where there is no sound at all."""
    power = _power(samples)
    if not power.size or power.max() <= 0:
        nothing = np.zeros((BINS, 0), np.float32)
        return Speech(nothing[:BANDS], np.zeros(0), np.zeros(BANDS), nothing, np.zeros(0, np.float32))
    kept = _kept(power.sum(axis=1))
    power = power[kept]
    energy = power @ _triangles()
    bands = np.log10(energy + energy.mean() * 10 ** (-FLOOR / 10))
    colour = bands.mean(axis=0)
    fine = power[:, 1 : 1 + BINS]
    return Speech(
        bands=np.ascontiguousarray((bands - colour).T, dtype=np.float32),
        times=np.asarray(kept * HOP / RATE, dtype=np.float64),
        colour=np.asarray(colour, dtype=np.float64),
        spectra=np.ascontiguousarray(np.log10(fine + fine.mean() * 10 ** (-FLOOR / 10)).T, dtype=np.float32),
        samples=np.asarray(samples[(kept[:, None] * HOP + np.arange(HOP)).ravel()], dtype=np.float32),
    )


def _power(samples: Samples) -> npt.NDArray[np.float64]:
    """(frames, SIZE // 2 + 1): power spectra of Hann windows."""
    if len(samples) < SIZE:
        return np.zeros((0, SIZE // 2 + 1))
    count = 1 + (len(samples) - SIZE) // HOP
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[::HOP][:count]
    return np.asarray(np.abs(np.fft.rfft(frames * np.hanning(SIZE), axis=1)) ** 2)


def _kept(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
    """Indices of the frames of speech, with a margin: longer pauses are cut."""
    loud = np.percentile(energy, 95) * 10 ** (-ACTIVE / 10)
    near = np.convolve(energy > loud, np.ones(2 * MARGIN + 1), mode="same") > 0
    return np.flatnonzero(near)


def _triangles() -> npt.NDArray[np.float64]:
    """(SIZE // 2 + 1, BANDS) weights."""
    frequencies = np.fft.rfftfreq(SIZE, 1 / RATE)
    edges = np.linspace(LOWEST, HIGHEST, BANDS + 2)
    width = edges[1] - edges[0]
    return np.asarray(np.maximum(0.0, 1 - np.abs(frequencies[:, None] - edges[None, 1:-1]) / width))
