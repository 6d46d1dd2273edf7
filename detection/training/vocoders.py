"""Recorded speech, taken apart and put together again: the voice, words and room of a person, the sound of a machine.

Such copies teach a detector the machine and not the speaker, because the same speaker is in both classes. Each takes
and gives float32 (n,) at 16 kHz. HiFi-GAN: Kong, Kim and Bae, NeurIPS 2020, somebody's trained network out of a
package, so that a neural voice is heard on everybody's own words. WORLD: Morise, Yokomori and Ozawa, IEICE 2016, by
pyworld. Griffin and Lim, IEEE TASSP 1984, from mel bands as text-to-speech had them. Linear prediction with pulses or
noise: Atal and Hanauer, JASA 1971.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import linalg, signal

Samples: TypeAlias = npt.NDArray[np.float32]
Floats: TypeAlias = npt.NDArray[np.float64]
Vocoder: TypeAlias = Callable[[Samples, np.random.Generator], Samples]

RATE = 16_000
SIZE, HOP = 1024, 200
MELS, ROUNDS = 80, 16
ORDER = 18  # of linear prediction
FRAME, STEP = 480, 160  # 30 ms, 10 ms
UNVOICED = 0.35  # of the normalised autocorrelation at the best pitch
# Of HiFi-GAN, as its authors trained it: Hz, samples, bands, Hz.
GAN_RATE, GAN_SIZE, GAN_HOP, GAN_MELS, GAN_TOP = 22_050, 1024, 256, 80, 8_000.0
GAN_PEAK = 0.6  # as loud as what it was trained on


def griffin_lim(samples: Samples, random: np.random.Generator) -> Samples:
    """From 80 mel bands alone: their phase is guessed."""
    window = signal.get_window("hann", SIZE)
    transform = signal.ShortTimeFFT(window, HOP, RATE)
    magnitude = np.abs(transform.stft(samples.astype(np.float64)))
    bands = _mels(SIZE, MELS)
    flat = np.maximum(np.linalg.pinv(bands) @ (bands @ magnitude), 1e-8)
    phase = np.exp(2j * np.pi * random.random(flat.shape))
    for _ in range(ROUNDS):
        guess = transform.istft(flat * phase, k1=len(samples))
        phase = np.exp(1j * np.angle(transform.stft(guess)))
    return np.asarray(transform.istft(flat * phase, k1=len(samples)), dtype=np.float32)


def world(samples: Samples, random: np.random.Generator) -> Samples:
    """Pitch, spectral envelope and aperiodicity; pitch and tract a little changed, as in voice conversion."""
    pyworld = _pyworld()
    sound = samples.astype(np.float64)
    pitch, times = pyworld.dio(sound, RATE)
    pitch = pyworld.stonemask(sound, pitch, times, RATE)
    envelope = pyworld.cheaptrick(sound, pitch, times, RATE)
    noise = pyworld.d4c(sound, pitch, times, RATE)
    warp = float(random.uniform(0.92, 1.08))
    envelope = np.ascontiguousarray(_warped(envelope, warp))
    said = pyworld.synthesize(pitch * float(random.uniform(0.9, 1.12)), envelope, noise, RATE)
    return np.resize(said, len(samples)).astype(np.float32)


def predicted(samples: Samples, random: np.random.Generator) -> Samples:
    """An all-pole filter driven by pulses where there is a pitch and by noise where there is none."""
    window = np.hanning(FRAME)
    out = np.zeros(len(samples) + FRAME)
    since = 0.0
    for start in range(0, len(samples) - FRAME, STEP):
        frame = samples[start : start + FRAME].astype(np.float64) * window
        correlation = signal.correlate(frame, frame, mode="full", method="fft")[FRAME - 1 :]
        if correlation[0] < 1e-6:
            continue
        poles = linalg.solve_toeplitz(
            correlation[:ORDER] + np.eye(1, ORDER)[0] * 1e-4 * correlation[0], correlation[1 : ORDER + 1]
        )
        excitation, since = _excitation(correlation, since, random)
        said = signal.lfilter([1.0], np.concatenate([[1.0], -poles]), excitation)
        gain = np.sqrt(correlation[0] / max(float((said * window) @ (said * window)), 1e-9))
        out[start : start + FRAME] += said * window * gain
    return (out[: len(samples)] * (STEP * 2 / FRAME)).astype(np.float32)


VOCODERS: dict[str, Vocoder] = {"griffin_lim": griffin_lim, "world": world, "lpc": predicted}


def hifi_gan(network: Path) -> Vocoder:
    """By the HiFi-GAN in an ONNX file that takes (1, 80, frames) mel bands; drawing changes nothing."""

    def copied(samples: Samples, _: np.random.Generator) -> Samples:
        sound = signal.resample_poly(samples, 441, 320)
        gain = GAN_PEAK / max(float(np.abs(sound).max()), 1e-6)
        said = _session(network).run(None, {"mel": _log_mels(sound * gain)[None]})[0].ravel() / gain
        copy = signal.resample_poly(said, 320, 441).astype(np.float32)[: len(samples)]
        return np.pad(copy, (0, len(samples) - len(copy)))

    return copied


@lru_cache(maxsize=1)
def _session(network: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])


def _log_mels(sound: Samples) -> Samples:
    """(80, frames): natural logarithms of magnitudes in mel bands, as HiFi-GAN's authors take them."""
    padded = np.pad(sound, (GAN_SIZE - GAN_HOP) // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, GAN_SIZE)[::GAN_HOP]
    power = np.abs(np.fft.rfft(frames * signal.get_window("hann", GAN_SIZE), axis=1)) ** 2
    return np.log(np.maximum(_slaney_mels() @ np.sqrt(power + 1e-9).T, 1e-5)).astype(np.float32)


@lru_cache(maxsize=1)
def _slaney_mels() -> Floats:
    """(80, 513) triangles of equal area, spaced as in Slaney's Auditory Toolbox (1998): linear below 1 kHz."""
    edges = np.linspace(0.0, 15 + 27 * np.log(GAN_TOP / 1000) / np.log(6.4), GAN_MELS + 2)
    linear, curved = 200 / 3 * edges, 1000 * np.exp(np.log(6.4) * (edges - 15) / 27)
    hertz = np.where(edges < 15, linear, curved)
    frequencies = np.fft.rfftfreq(GAN_SIZE, 1 / GAN_RATE)
    rising = (frequencies - hertz[:-2, None]) / (hertz[1:-1] - hertz[:-2])[:, None]
    falling = (hertz[2:, None] - frequencies) / (hertz[2:] - hertz[1:-1])[:, None]
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(weights * (2 / (hertz[2:] - hertz[:-2]))[:, None])


def _excitation(correlation: Floats, since: float, random: np.random.Generator) -> tuple[Floats, float]:
    """Pulses at the pitch of this frame, going on where the last frame's stopped, or noise. since: samples since one.

    Returns them and `since` of the next frame.
    """
    low, high = RATE // 350, RATE // 70
    lag = low + int(np.argmax(correlation[low:high]))
    if correlation[lag] < UNVOICED * correlation[0]:
        return random.standard_normal(FRAME), 0.0
    first = (lag - since) % lag
    pulses = np.zeros(FRAME)
    pulses[np.arange(first, FRAME, lag).astype(int)] = 1.0
    return pulses + 0.02 * random.standard_normal(FRAME), (since + STEP) % lag


def _warped(envelope: Floats, by: float) -> Floats:
    """Each row stretched along frequency."""
    places = np.minimum(np.arange(envelope.shape[1]) * by, envelope.shape[1] - 1)
    low = places.astype(int)
    high = np.minimum(low + 1, envelope.shape[1] - 1)
    return np.asarray(envelope[:, low] * (1 - (places - low)) + envelope[:, high] * (places - low))


def _mels(size: int, count: int) -> Floats:
    """(count, size // 2 + 1) triangles, equally spaced in mel (O'Shaughnessy's formula)."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, count + 2) / 2595) - 1)
    frequencies = np.fft.rfftfreq(size, 1 / RATE)
    rising = (frequencies - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - frequencies) / (edges[2:] - edges[1:-1])[:, None]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def _pyworld() -> Any:
    import pyworld

    return pyworld
