"""Sounds and videos made of numbers, long enough to have a fingerprint, and what happens to them on their way."""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image

from tests.provenance.photographs_made import photograph

Sound = npt.NDArray[np.float64]
RATE = 44_100  # Hz
FRAME = (320, 240)  # pixels
FPS = 25


def tune(seed: int, seconds: float = 15.0) -> Sound:
    """Chords of notes with overtones that swell and fade, -1 to 1."""
    rng = np.random.default_rng([seed, 7])
    sound = np.zeros(int(RATE * seconds))
    at = 0
    while at < len(sound):
        length = int(RATE * rng.uniform(0.2, 0.7))
        time = np.arange(min(length, len(sound) - at)) / RATE
        for note in rng.choice(np.arange(45, 80), size=int(rng.integers(1, 5)), replace=False):
            pitch = 440.0 * 2 ** ((note - 69) / 12)
            tone = sum(np.sin(2 * np.pi * pitch * part * time) / part for part in range(1, 6))
            sound[at : at + len(time)] += tone * np.minimum(1, 30 * time) * np.exp(-2.5 * time)
        at += length
    loudest: Sound = 0.8 * sound / np.abs(sound).max()
    return loudest


def encoded(
    sound: Sound, muxer: str = "wav", codec: str = "pcm_s16le", *, rate: int = RATE, bit_rate: int = 0
) -> bytes:
    """The sound as a file of one channel. rate: Hz, of the file."""
    out = io.BytesIO()
    samples = np.clip(sound * 32_767, -32_768, 32_767).astype(np.int16)[None]
    with av.open(out, "w", format=muxer) as container:
        stream = cast(AudioStream, container.add_stream(codec, rate=rate, layout="mono"))
        if bit_rate:
            stream.bit_rate = bit_rate
        fifo = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate, frame_size=1024)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for part in [*fifo.resample(frame), *fifo.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return out.getvalue()


def scenes(seed: int, seconds: float = 6.0) -> list[Image.Image]:
    """Frames of three scenes; in each a camera wanders over a photograph."""
    rng = np.random.default_rng([seed, 9])
    count = int(seconds * FPS)
    frames: list[Image.Image] = []
    while len(frames) < count:
        view = photograph(500 + 10 * seed + len(frames), 480, 360)
        start, end = rng.uniform(0, 1, 2), rng.uniform(0, 1, 2)
        for share in np.linspace(0, 1, count // 3 + 1):
            left, top = ((1 - share) * start + share * end) * (view.width - FRAME[0], view.height - FRAME[1])
            frames.append(view.crop((int(left), int(top), int(left) + FRAME[0], int(top) + FRAME[1])))
    return frames[:count]


def filmed(
    frames: list[Image.Image], muxer: str = "mp4", codec: str = "libx264", *, fps: int = FPS, crf: int = 23
) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as container:
        options = {"crf": str(crf), "b": "400k", "preset": "veryfast"}
        stream = cast(VideoStream, container.add_stream(codec, rate=fps, options=options))
        stream.width, stream.height = frames[0].size
        stream.pix_fmt = "yuv420p"
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.asarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def at_fps(frames: list[Image.Image], fps: int) -> Iterator[Image.Image]:
    """Some of the frames, as another camera would have kept them."""
    for number in range(len(frames) * fps // FPS):
        yield frames[number * FPS // fps]
