"""Recorded speech, taken apart and put together again: the voice, words and room of a person, the sound of a machine.

Such copies teach a detector the machine and not the speaker, because the same speaker is in both classes. Each takes
and gives float32 (n,) at 16 kHz. WORLD: Morise, Yokomori and Ozawa, IEICE 2016, by pyworld. Griffin and Lim, IEEE
TASSP 1984, from mel bands as text-to-speech had them. Linear prediction with pulses or noise: Atal and Hanauer, JASA
1971.
"""

from collections.abc import Callable
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
