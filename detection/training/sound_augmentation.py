"""What happens to sound on its way through the world, drawn alike for recorded and synthetic speech.

The codec must never be the label: collections of real speech come in one codec each and synthesisers give none. So
every clip of both classes is first shipped once (`shipped`), and for training then goes through a drawn chain of room,
noise, band, colour, level and a second codec (`augmented`). `CONDITIONS` are the same things one at a time, for
evaluation.

Sound is float32 (n,), 16 kHz, -1…1, and keeps its length. A codec's delay is left in: nothing here looks at absolute
time.
"""

import io
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import av
import numpy as np
import numpy.typing as npt
from scipy import signal

Sound: TypeAlias = npt.NDArray[np.float32]
Random: TypeAlias = np.random.Generator
Change: TypeAlias = Callable[[Sound, Random], Sound]

RATE = 16_000
LEVEL = 0.05  # root mean square


# --- One thing at a time ---------------------------------------------------------------------------------------------


def coded(sound: Sound, container: str, codec: str, bit_rate: int = 0) -> Sound:
    """Through a codec of FFmpeg's and back. Raises av's error where that codec is not there."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as writer:
        stream: Any = writer.add_stream(codec, rate=RATE, layout="mono")  # typed by name for few codecs only
        if bit_rate:
            stream.bit_rate = bit_rate
        context = stream.codec_context
        context.open(strict=False)
        shaped = av.AudioResampler(
            format=context.format.name, layout="mono", rate=context.sample_rate, frame_size=context.frame_size or 1600
        )
        for frame in [*shaped.resample(_frame(sound)), *shaped.resample(None)]:
            writer.mux(stream.encode(frame))
        writer.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r", format=container) as reader:
        back = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = [one for frame in reader.decode(audio=0) for one in back.resample(frame)]
        parts = [frame.to_ndarray().ravel() for frame in [*frames, *back.resample(None)]]
    return _long_as(np.concatenate(parts), sound)


def vorbis(sound: Sound) -> Sound:
    """Through Ogg Vorbis at libsndfile's own quality."""
    import soundfile  # of the training only; the release gate uses the rest of this module

    file = io.BytesIO()
    soundfile.write(file, np.clip(sound, -1, 1), RATE, format="OGG", subtype="VORBIS")
    file.seek(0)
    return _long_as(soundfile.read(file, dtype="float32")[0], sound)


g722 = partial(coded, container="g722", codec="g722")
mp3 = partial(coded, container="mp3", codec="libmp3lame")
opus = partial(coded, container="ogg", codec="libopus")
aac = partial(coded, container="adts", codec="aac")


def noisy(sound: Sound, snr: float, random: Random, tilt: float = 1.0) -> Sound:
    """With noise whose power falls as 1 / frequency^tilt, snr dB below the sound."""
    spectrum = np.fft.rfft(random.standard_normal(len(sound)))
    frequencies = np.maximum(np.fft.rfftfreq(len(sound), 1 / RATE), 50.0)
    noise = np.fft.irfft(spectrum * frequencies ** (-tilt / 2), len(sound))
    return np.asarray(sound + noise * (rms(sound) / rms(noise) * 10 ** (-snr / 20)), dtype=np.float32)


def in_room(sound: Sound, seconds: float, random: Random, direct: float = 1.0) -> Sound:
    """With a room's decay of `seconds` for 60 dB (noise under an exponential), the direct sound first."""
    length = max(2, round(seconds * RATE))
    decay = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    decay *= 1 / np.sqrt((decay**2).sum())
    decay[0] += direct
    return np.asarray(signal.fftconvolve(sound, decay)[: len(sound)], dtype=np.float32)


def band(sound: Sound, low: float, high: float) -> Sound:
    """Only what lies between two frequencies in Hz, softly."""
    edges = [low, min(high, RATE / 2 - 50)]
    sections = signal.butter(4, edges, "bandpass", fs=RATE, output="sos")
    return np.asarray(signal.sosfilt(sections, sound), dtype=np.float32)


def coloured(sound: Sound, random: Random, most: float = 6.0) -> Sound:
    """Through a smooth, drawn colouring of up to `most` dB, as of a microphone."""
    gains = 10 ** (random.uniform(-most, most, 6) / 20)
    taps = signal.firwin2(129, np.linspace(0, 1, 6), gains)
    return np.asarray(signal.fftconvolve(sound, taps, mode="same"), dtype=np.float32)


def compressed(sound: Sound, drive: float) -> Sound:
    """Loud parts softly limited, as a studio does."""
    peak = np.abs(sound).max() + 1e-9
    return np.asarray(np.tanh(sound / peak * drive) * peak, dtype=np.float32)


def stretched(sound: Sound, by: float) -> Sound:
    """Faster or slower together with its pitch; by = 1.05: 5 % faster."""
    places = np.arange(0, len(sound) - 1, by)
    return _long_as(np.interp(places, np.arange(len(sound)), sound), sound)


def levelled(sound: Sound, level: float = LEVEL) -> Sound:
    return np.asarray(sound * (level / max(rms(sound), 1e-9)), dtype=np.float32)


# --- Drawn -----------------------------------------------------------------------------------------------------------


def shipped(sound: Sound, random: Random) -> Sound:
    """Through one of the two codecs that the recordings came in: what every clip of both classes goes through first."""
    ship = (g722, vorbis)[int(random.integers(2))]
    return levelled(ship(levelled(sound)))


# (chance, change), in the order things happen to a voice: mouth, room, microphone, recorder, network.
CHAIN: tuple[tuple[float, Change], ...] = (
    (0.25, lambda sound, random: stretched(sound, random.uniform(0.94, 1.06))),
    (0.35, lambda sound, random: in_room(sound, random.uniform(0.1, 0.5), random, random.uniform(0.6, 2.5))),
    (0.70, lambda sound, random: noisy(sound, random.uniform(12, 45), random, random.uniform(0, 2))),
    (0.50, lambda sound, random: coloured(sound, random)),
    (0.30, lambda sound, random: band(sound, random.uniform(40, 250), random.uniform(5_600, 7_900))),
    (0.15, lambda sound, random: compressed(sound, random.uniform(1, 4))),
    (0.20, lambda sound, random: mp3(sound, bit_rate=int(random.choice([24_000, 32_000, 48_000, 64_000])))),
    (0.12, lambda sound, random: opus(sound, bit_rate=int(random.choice([16_000, 24_000, 32_000])))),
    (0.12, lambda sound, random: aac(sound, bit_rate=int(random.choice([24_000, 32_000, 48_000])))),
    (0.12, lambda sound, random: g722(sound)),
)


def augmented(sound: Sound, random: Random) -> Sound:
    """Through a drawn part of `CHAIN`."""
    for chance, change in CHAIN:
        if random.random() < chance:
            sound = levelled(change(sound, random))
    return sound


# One thing each, for the tables: slug → change.
CONDITIONS: dict[str, Change] = {
    "as_is": lambda sound, random: sound,
    "mp3_32": lambda sound, random: mp3(sound, bit_rate=32_000),
    "opus_16": lambda sound, random: opus(sound, bit_rate=16_000),
    "noise_15": lambda sound, random: noisy(sound, 15.0, random),
    "room": lambda sound, random: in_room(sound, 0.4, random),
    "telephone": lambda sound, random: band(sound, 300, 3_400),
}


def rms(sound: npt.NDArray[np.floating]) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


def _frame(sound: Sound) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.clip(sound, -1, 1).astype(np.float32)[None], format="flt", layout="mono")
    frame.sample_rate = RATE
    return frame


def _long_as(values: npt.NDArray[np.floating], sound: Sound) -> Sound:
    short = max(0, len(sound) - len(values))
    return np.pad(values[: len(sound)].astype(np.float32), (0, short))
