"""What a recording can still tell: its band, noise, level and length; and which of that forbids a score on its voice.

Codec and band change what a voice detector hears more than synthesis does (telephone band alone inverted the scores
that were measured), so that these gates come before any score.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from detection.reasons import Reason
from detection.sounds import RATE, Samples, Sound, of_samples

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """seconds: heard; active: of them with sound well above the floor. bandwidth: Hz up to which there is sound.
    ceiling: Hz above which the spectrum breaks off steeply, 0.0 if it does not. snr: dB between loud and quiet frames.
    level: dB below full scale, root mean square of the active frames. clipped, zeros: share of samples at full scale
    in runs, and exactly zero. lossy: whether the codec is."""

    seconds: float
    active: float
    bandwidth: float
    ceiling: float
    snr: float
    level: float
    clipped: float
    zeros: float
    codec: str
    bit_rate: int
    lossy: bool


@dataclass(frozen=True)
class Limits:
    """Beyond these a recording is not scored. active: seconds. bandwidth: Hz. snr, level: dB. bit_rate: bits/s a
    channel of a lossy codec, where the file says."""

    active: float = 1.0
    bandwidth: float = 5_500.0
    snr: float = 8.0
    level: float = -60.0
    clipped: float = 0.02
    bit_rate: int = 12_000


FRAME = 0.02  # seconds
WINDOW = 0.064  # seconds of one spectrum
BATCH = 2048  # spectra at a time
SILENCE = -100.0  # dB below full scale; nothing is called quieter
BELOW_LOUD = 30.0  # dB: frames this far below the loud ones are not active
LOWEST_ACTIVE = -65.0  # dB below full scale
DEEPEST = 70.0  # dB below the strongest band: what is weaker is not heard as part of the sound
STEP = 500.0  # Hz on both sides of a break in the spectrum
BREAK = 20.0  # dB over 2 x 100 Hz; natural spectra fall by a few
# FFmpeg's names of codecs that throw nothing away.
LOSSLESS = ("pcm_s", "pcm_u", "pcm_f", "flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp")


def quality(sound: Sound) -> Quality:
    """Measure a recording. Pure; about 5 ms a second of sound."""
    samples = sound.samples
    levels = _levels(samples, sound.rate)
    loud, quiet = (float(np.percentile(levels, share)) for share in (95, 5))
    active = levels > max(loud - BELOW_LOUD, LOWEST_ACTIVE)
    bandwidth, ceiling = _band(samples, sound.rate, active)
    return Quality(
        seconds=sound.heard,
        active=float(active.sum() * FRAME),
        bandwidth=bandwidth,
        ceiling=ceiling,
        snr=loud - quiet,
        level=float(10 * np.log10(np.mean(10 ** (levels[active] / 10)))) if active.any() else SILENCE,
        clipped=_clipped(samples),
        zeros=float(np.mean(samples == 0)) if len(samples) else 1.0,
        codec=sound.track.codec,
        bit_rate=sound.track.bit_rate // max(1, sound.track.channels),
        lossy=not sound.track.codec.startswith(LOSSLESS),
    )


def quality_of(samples: Samples, rate: int = RATE) -> Quality:
    """The same of samples in memory: (n,) float32, -1…1, mono."""
    return quality(of_samples(samples, rate))


def gates(measured: Quality, limits: Limits | None = None) -> Sequence[Reason]:
    """Why this recording must not be scored, most important first; empty: nothing forbids it."""
    limits = limits or Limits()
    failed = {
        Reason.SILENT: measured.level < limits.level,
        Reason.TOO_SHORT: measured.active < limits.active,
        Reason.NOISY: measured.snr < limits.snr or measured.clipped > limits.clipped,
        Reason.BAND_LIMITED: measured.bandwidth < limits.bandwidth,
        Reason.TOO_COMPRESSED: measured.lossy and 0 < measured.bit_rate < limits.bit_rate,
    }
    return [reason for reason, fails in failed.items() if fails]


def _levels(samples: Samples, rate: int) -> Floats:
    """dB below full scale of each FRAME, at least one."""
    size = max(1, round(FRAME * rate))
    whole = np.resize(samples, max(1, len(samples) // size) * size) if len(samples) else np.zeros(size, np.float32)
    power = (whole.astype(np.float64).reshape(-1, size) ** 2).mean(1)
    levels: Floats = 10 * np.log10(np.maximum(power, 10 ** (SILENCE / 10)))
    return levels


def _band(samples: Samples, rate: int, active: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Bandwidth and ceiling in Hz, of the active frames."""
    spectrum, step = spectrum_of(samples, rate, active)
    if not len(spectrum):
        return 0.0, 0.0
    heard = np.flatnonzero(spectrum > spectrum.max() - DEEPEST)
    ceiling = _ceiling(spectrum, step)
    highest = float((heard[-1] + 1) * step)
    return (min(ceiling, highest) if ceiling else min(highest, rate / 2)), ceiling


def spectrum_of(samples: Samples, rate: int, active: npt.NDArray[np.bool_]) -> tuple[Floats, float]:
    """Mean power of the active frames in dB over frequency, and the step in Hz; empty without active frames."""
    size = round(WINDOW * rate)
    starts = (np.flatnonzero(active) * round(FRAME * rate)).astype(np.int64)
    starts = starts[starts + size <= len(samples)]
    if not len(starts):
        return np.zeros(0), rate / size
    window, total = np.hanning(size), np.zeros(size // 2 + 1)
    for at in range(0, len(starts), BATCH):
        frames = samples[starts[at : at + BATCH, None] + np.arange(size)]
        total += (np.abs(np.fft.rfft(frames * window, axis=1)) ** 2).sum(0)
    power = total / len(starts) / (window**2).sum()
    return 10 * np.log10(np.maximum(power, 1e-14)), rate / size


def _ceiling(spectrum: Floats, step: float) -> float:
    """The frequency above which the spectrum breaks off and stays down, 0.0 if there is none."""
    wide, gap = max(2, round(STEP / step)), max(1, round(100 / step))
    sums = np.concatenate([[0.0], np.cumsum(spectrum)])
    means = (sums[wide:] - sums[:-wide]) / wide  # means[i]: of spectrum[i : i + wide]
    first, last = wide + gap + round(1000 / step), len(spectrum) - wide - gap
    if last <= first:
        return 0.0
    at = np.arange(first, last)
    drops = means[at - gap - wide] - means[at + gap]
    best = int(drops.argmax())
    edge = int(at[best])
    stays = spectrum[edge + gap :].max() < means[edge - gap - wide] - BREAK / 2
    return float(edge * step) if drops[best] >= BREAK and stays else 0.0


def _clipped(samples: Samples) -> float:
    """Share of samples in runs of three or more at the largest value, if that is near full scale."""
    size = np.abs(samples)
    if not len(size) or size.max() < 0.9:
        return 0.0
    top = size >= 0.999 * size.max()
    runs = top[:-2] & top[1:-1] & top[2:]
    return float(runs.mean()) if len(runs) else 0.0
