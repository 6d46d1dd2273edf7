"""Sound made for these tests: something that has the pitch, formants and syllables of speech, and is nobody's."""

import io
import wave

import numpy as np
from scipy import signal

RATE = 16_000


def voice(seconds: float = 4.0, pitch: float = 120.0, seed: int = 0) -> np.ndarray:
    """(n,) float32: pulses and breath through three moving formants, four syllables a second."""
    random = np.random.default_rng(seed)
    count = int(seconds * RATE)
    time = np.arange(count) / RATE
    phase = np.cumsum(pitch * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * time)) / RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0) + 0.03 * random.standard_normal(count)
    sound = np.zeros(count)
    for centre, width in ((600, 90), (1500, 120), (2700, 200), (4300, 400), (6200, 700)):
        poles = signal.iirpeak(centre * random.uniform(0.9, 1.1), centre / width, fs=RATE)
        sound += signal.lfilter(*poles, pulses)
    syllables = np.clip(np.sin(2 * np.pi * 2 * time + random.uniform(0, 6)) + 0.4, 0, 1)
    sound = sound * syllables + 1e-4 * random.standard_normal(count)
    return np.asarray(sound * 0.05 / sound.std(), dtype=np.float32)


def wav(sound: np.ndarray, rate: int = RATE, channels: int = 1) -> bytes:
    """A 16-bit WAV file; every channel is the same."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        whole = (np.clip(sound, -1, 1) * 32767).astype("<i2")
        file.writeframes(np.repeat(whole[:, None], channels, axis=1).tobytes())
    return buffer.getvalue()
