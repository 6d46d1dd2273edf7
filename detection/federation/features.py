"""What the shared head sees of a picture: statistics of its noise residual. NumPy only, no trained part.
Pictures that a decoder or an up-sampler made carry periodic and correlated residues (Popescu & Farid, IEEE TSP 2005;
Durall et al., CVPR 2020; “NPR”: Tan et al., CVPR 2024). Described are, of luma: how residuals of neighbouring pixels go
together, how their energy depends on the position modulo 2 and 4, the radial power spectrum, and its peaks at the
frequencies of up-sampling by 2 and 4. None depends on what is shown, or on brightness and contrast.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

NAME: Final = "residual-1"  # raise it whenever a value can change: plans name it
SIDE: Final = 128  # pixels of a tile
_BANDS: Final = 16
_LAGS: Final = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (0, 4), (4, 0))
# (down, right), cycles a pixel.
_PEAKS: Final = ((0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.25, 0.0), (0.0, 0.25), (0.25, 0.25))
_TINY: Final = 1e-9

Luma = npt.NDArray[np.float64]


def describe(luma: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """The features of one tile. luma: (SIDE, SIDE), 0…255. Returns (SIZE,), finite."""
    tile = np.asarray(luma, dtype=np.float64)
    if tile.shape != (SIDE, SIDE):
        raise ValueError(f"a tile is {SIDE} x {SIDE}, not {tile.shape}")
    across = np.diff(tile, n=2, axis=1)[1:-1, :]
    down = np.diff(tile, n=2, axis=0)[:, 1:-1]
    laplace = across[:, :] + down[:, :]
    parts = [_together(laplace), _shape(across), _shape(down), _phases(across), _phases(down), _npr(tile)]
    return np.concatenate([*parts, *_spectrum(laplace)]).astype(np.float32)


def tiles(luma: npt.ArrayLike, most: int) -> list[npt.NDArray[np.float64]]:
    """Up to `most` tiles, spread evenly over a picture of (H, W); none if it is smaller than a tile."""
    whole = np.asarray(luma, dtype=np.float64)
    tops = np.arange(0, whole.shape[0] - SIDE + 1, SIDE)
    lefts = np.arange(0, whole.shape[1] - SIDE + 1, SIDE)
    places = [(int(top), int(left)) for top in tops for left in lefts]
    chosen: npt.NDArray[np.int_] = (
        np.linspace(0, len(places) - 1, min(most, len(places))).round().astype(int) if places else np.zeros(0, int)
    )
    return [whole[t : t + SIDE, left : left + SIDE] for t, left in (places[index] for index in chosen)]


def _together(residual: Luma) -> npt.NDArray[np.float64]:
    """Correlation of the residual with itself, moved by each lag."""
    centred = residual - residual.mean()
    energy = float((centred**2).mean()) + _TINY
    return np.array([(_moved(centred, *lag)).mean() / energy for lag in _LAGS])


def _moved(field: Luma, down: int, right: int) -> Luma:
    height, width = field.shape
    left, gone = max(0, -right), max(0, right)
    return np.asarray(field[: height - down, left : width - gone] * field[down:, gone : width - left])


def _shape(residual: Luma) -> npt.NDArray[np.float64]:
    """How heavy the tails are: log of mean |x| over root mean square, share of (nearly) zero, log kurtosis."""
    square = float((residual**2).mean()) + _TINY
    size = np.abs(residual)
    tails = float((residual**4).mean()) / square**2 + _TINY
    return np.array([np.log((size.mean() + _TINY) / np.sqrt(square)), (size < 0.25).mean(), np.log(tails)])


def _phases(residual: Luma) -> npt.NDArray[np.float64]:
    """How far the energy at positions modulo 2 and 4 is from the same everywhere (log of largest over mean)."""
    told = []
    for period in (2, 4):
        height, width = (side - side % period for side in residual.shape)
        grid = np.abs(residual[:height, :width]).reshape(height // period, period, width // period, period)
        energy = grid.mean(axis=(0, 2))
        for profile in (energy.mean(axis=0), energy.mean(axis=1), energy.ravel()):
            told.append(np.log((profile.max() + _TINY) / (profile.mean() + _TINY)))
    return np.array(told)


def _npr(tile: Luma) -> npt.NDArray[np.float64]:
    """Differences within blocks of 2 x 2 against those between blocks, both axes (log ratios)."""
    told = []
    for axis in (0, 1):
        steps = np.abs(np.diff(tile, axis=axis))
        inside, between = (steps.take(range(start, steps.shape[axis], 2), axis=axis).mean() for start in (0, 1))
        told.append(abs(np.log((inside + _TINY) / (between + _TINY))))
    return np.array(told)


def _spectrum(residual: Luma) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Radial power in bands (log, relative to all), and peaks where up-sampling by 2 and 4 leaves them (log)."""
    window = np.hanning(residual.shape[0])[:, None] * np.hanning(residual.shape[1])[None, :]
    power = np.abs(np.fft.fft2(residual * window)) ** 2
    down, right = np.fft.fftfreq(residual.shape[0]), np.fft.fftfreq(residual.shape[1])
    radius = np.hypot(down[:, None], right[None, :])
    band = np.minimum((radius * 2 * _BANDS).astype(int), _BANDS)
    sums = np.bincount(band.ravel(), power.ravel(), _BANDS + 1)
    counts = np.bincount(band.ravel(), minlength=_BANDS + 1)
    mean = sums / counts
    bands = np.log((mean + _TINY) / (power.mean() + _TINY))
    return bands, np.array([_peak(power, mean, band, *place) for place in _PEAKS])


def _peak(power: Luma, mean: Luma, band: npt.NDArray[np.int_], down: float, right: float) -> float:
    """log of the power around a frequency over the mean of its band."""
    row, column = round(down * power.shape[0]), round(right * power.shape[1])
    rows, columns = (np.arange(centre - 1, centre + 2) for centre in (row, column))
    around = power.take(rows, axis=0, mode="wrap").take(columns, axis=1, mode="wrap").max()
    return float(np.log((around + _TINY) / (mean[band[row % power.shape[0], column % power.shape[1]]] + _TINY)))


SIZE: Final = len(_LAGS) + 2 * 3 + 2 * 6 + 2 + _BANDS + 1 + len(_PEAKS)
