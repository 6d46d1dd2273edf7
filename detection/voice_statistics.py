"""A few hundred statistics of a stretch of speech in which voices of machines differ from those of people.

None depends on loudness, on how long the pauses are or on a constant colouring. Four kinds: how cepstra move (machines
are too even), how energy is modulated between 0.5 and 50 Hz, the fine structure of spectra between neighbouring bins
and frames (vocoders leave another grain there), and the grain in time of a few milliseconds. The measures are those of
Sahidullah, Kinnunen and Hanilçi (Interspeech 2015) and of Wu, Xiao, Chng and Li (ICASSP 2013), taken as moments over
time. NumPy and SciPy only.
"""

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import fft

Floats: TypeAlias = npt.NDArray[np.floating]

BINS = 256  # of 31.25 Hz, the lowest left out
CEPSTRA, TRIANGLES = 24, 40
GROUPS = [np.arange(1, 240)[part] for part in np.array_split(np.arange(239), 8)]  # bins, 31 Hz to 7.5 kHz
BROAD = np.array_split(np.arange(TRIANGLES), 8)
MODULATION = (0.5, 2.0, 4.0, 8.0, 12.0, 16.0, 24.0, 36.0, 50.1)  # Hz, edges
FRAMES = 100.0  # a second
PITCH = (40, 230)  # samples of a period: 70 to 400 Hz
GRAIN, GRAIN_HOP = 96, 16  # samples: 6 ms, 1 ms
GRAIN_BANDS = ((1, 4), (4, 8), (8, 14), (14, 20), (20, 28), (28, 36), (36, 43))  # bins of 167 Hz
TINY = 1e-9
# How many statistics there are of each kind, in their order.
KINDS = {"cepstra": 96, "modulation": 64, "fine": 144, "pitch": 16, "grain": 91, "peaks": 15}


def statistics(spectra: Floats, samples: Floats) -> npt.NDArray[np.float32]:
    """(sum of KINDS,). spectra: (BINS, n) powers of ten, n frames of speech of 10 ms, at least 50. samples: of
    those frames, 16 kHz."""
    spectra = np.asarray(spectra, dtype=np.float32)
    energy = np.log10(_TRIANGLES @ 10**spectra + 1e-12)
    energy = energy - energy.mean(axis=1, keepdims=True)
    parts = [
        *(_cepstra(energy), _modulation(energy), _fine(spectra, energy.mean(axis=0))),
        *(_pitch(spectra, energy.mean(axis=0)), _grain(samples), _peaks(samples)),
    ]
    return np.nan_to_num(np.concatenate(parts)).astype(np.float32)


def _triangles() -> Floats:
    centres = np.arange(6, 6 + 6 * TRIANGLES, 6)
    weights = np.maximum(0.0, 1 - np.abs(np.arange(BINS) - centres[:, None]) / 6)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


_TRIANGLES = _triangles()


# --- Over frames of 10 ms --------------------------------------------------------------------------------------------


def _cepstra(energy: Floats) -> Floats:
    """Spread of each coefficient and of its changes."""
    cepstra = fft.dct(energy, axis=0, norm="ortho")[:CEPSTRA]
    slow, fast = cepstra[:, 5:] - cepstra[:, :-5], cepstra[:, 2:] - cepstra[:, :-2]
    bend = cepstra[:, 2:] - 2 * cepstra[:, 1:-1] + cepstra[:, :-2]
    spread = cepstra.std(axis=1) + TINY
    change = fast.std(axis=1) + TINY
    return np.concatenate([spread, *(np.log(one / spread) for one in (change, slow.std(axis=1) + TINY)),
                           np.log((bend.std(axis=1) + TINY) / change)])  # fmt: skip


def _modulation(energy: Floats) -> Floats:
    """log10 share of each band of modulation in the changes of eight bands of sound."""
    count = energy.shape[1]
    bands = np.stack([energy[part].mean(axis=0) for part in BROAD])
    away = (bands - bands.mean(axis=1, keepdims=True)) * np.hanning(count)
    power, speed = np.abs(np.fft.rfft(away, axis=1)) ** 2, np.fft.rfftfreq(count, 1 / FRAMES)
    edges = pairwise(MODULATION)
    told = np.stack([power[:, (speed >= low) & (speed < high)].sum(axis=1) for low, high in edges], axis=1)
    return np.asarray(np.log10(told / (told.sum(axis=1, keepdims=True) + TINY) + 1e-6).ravel())


def _fine(spectra: Floats, loudness: Floats) -> Floats:
    """What is left after smoothing over 13 bins: its shape, and how alike it is to its neighbours."""
    fine = spectra - _smoothed(spectra, 13)
    loud = loudness > np.median(loudness)
    return np.concatenate([_of_group(fine[group], spectra[group], loud) for group in GROUPS])


def _of_group(fine: Floats, spectra: Floats, loud: npt.NDArray[np.bool_]) -> Floats:
    change = np.diff(spectra, axis=1)
    alike = [_alike(fine[:, by:], fine[:, :-by]) for by in (1, 2, 4)]
    alike += [_alike(fine[by:], fine[:-by]) for by in (1, 2, 3)]
    alike += [_alike(change[by:], change[:-by]) for by in (1, 2, 4)]
    alike += [_alike(change[:, by:], change[:, :-by]) for by in (1, 2)]
    alike += [_alike(fine[1:, 1:], fine[:-1, :-1]), _alike(fine[1:, :-1], fine[:-1, 1:])]
    depth = [np.log((fine[:, loud].std() + 1e-3) / (fine[:, ~loud].std() + 1e-3))]
    return np.array([*_shape(fine), *alike, *depth, np.log((change.std() + 1e-3) / (fine.std() + 1e-3))])


def _smoothed(values: Floats, width: int) -> Floats:
    """Running mean over the first axis."""
    sums = np.cumsum(np.pad(values, ((width // 2 + 1, width // 2), (0, 0)), mode="edge"), axis=0)
    return np.asarray((sums[width:] - sums[:-width]) / width)


def _shape(values: Floats) -> list[float]:
    """Standard deviation, skewness, kurtosis."""
    away = values - values.mean()
    square = away * away
    spread = float(np.sqrt(square.mean())) + 1e-6
    return [spread, float((square * away).mean()) / spread**3, float((square * square).mean()) / spread**4]


def _alike(one: Floats, other: Floats) -> float:
    """Correlation of the rows of two, taken together."""
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    return float(np.vdot(one, other) / np.sqrt(np.vdot(one, one) * np.vdot(other, other) + TINY))


def _pitch(spectra: Floats, loudness: Floats) -> Floats:
    """Height of the cepstral peak, and how much its place and the loudness jump from frame to frame."""
    away = spectra - spectra.mean(axis=1, keepdims=True)
    cepstrum = np.fft.irfft(np.concatenate([away[:1], away]), axis=0)[PITCH[0] : PITCH[1]]
    period, height = np.log(PITCH[0] + cepstrum.argmax(axis=0)), cepstrum.max(axis=0)
    voiced = height > np.median(height)
    jumps = np.abs(np.diff(period))
    steady = voiced[1:] & voiced[:-1] & (jumps < 0.25)
    jitter, shimmer = (
        (values[steady] if steady.sum() > 5 else np.full(6, 0.05)) for values in (jumps, np.abs(np.diff(loudness)))
    )
    told = [*np.percentile(height, (10, 50, 90, 99)), *np.percentile(jitter, (25, 50, 75, 90)), jitter.mean()]
    told += [(jitter == 0).mean(), steady.mean(), *np.percentile(shimmer, (25, 50, 75, 90))]
    told.append(period[voiced].std() if voiced.any() else 0.0)
    return np.array(told)


# --- Over frames of 1 ms ---------------------------------------------------------------------------------------------


def _grain(samples: Floats) -> Floats:
    """Energies of seven bands every millisecond, less their mean over 31 ms: shape, echo in time, likeness."""
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(samples, dtype=np.float32), GRAIN)[::GRAIN_HOP]
    spectra = fft.rfft(frames * np.hanning(GRAIN).astype(np.float32), axis=1)
    power = spectra.real**2 + spectra.imag**2
    energy = np.stack([power[:, low:high].sum(axis=1) for low, high in GRAIN_BANDS])
    energy = np.log10(energy + energy.mean(axis=1, keepdims=True) * 1e-4 + 1e-20)
    rest = energy - _smoothed(energy.T, 31).T
    shapes = np.concatenate([_shape(band) for band in rest])
    echo = np.concatenate([_echo(band) for band in rest])
    alike = np.corrcoef(rest)[np.triu_indices(len(GRAIN_BANDS), 1)]
    return np.concatenate([shapes, echo, alike])


def _echo(values: Floats) -> Floats:
    """Autocorrelation at 1, 2, 3, 4 and 6 ms, the highest and lowest between 3 and 14."""
    away = values - values.mean()
    found = np.fft.irfft(np.abs(np.fft.rfft(away, 2 * len(away))) ** 2)[:20]
    found = found / (found[0] + TINY)
    return np.array([*found[[1, 2, 3, 4, 6]], found[3:15].max(), found[3:15].min()])


def _peaks(samples: Floats) -> Floats:
    """How peaked and how lopsided frames of 20 ms are, as they are and differentiated."""
    frames = np.asarray(samples, dtype=np.float64)[: len(samples) // 320 * 320].reshape(-1, 320)
    power = (frames * frames).mean(axis=1)
    frames = frames[power >= np.percentile(power, 95) * 1e-2]
    told: list[float] = []
    for order in range(3):
        part = np.diff(frames, n=order, axis=1)
        square = part * part
        spread = np.sqrt(square.mean(axis=1)) + TINY
        peaked = (square * square).mean(axis=1) / spread**4 + TINY
        lopsided = (square * part).mean(axis=1) / spread**3
        told += [*np.percentile(np.log(peaked), (10, 50, 90)), abs(float(np.median(lopsided))), float(lopsided.std())]
    return np.array(told)
