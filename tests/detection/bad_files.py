"""Files that do harm to careless readers: very long, very wide, very small, cut off, with bytes turned round."""

import io
import random
from pathlib import Path

import av
import numpy as np
import pillow_heif
from PIL import Image

from tests.detection import media
from tests.detection.test_clips import five_thousand, moving, sparse_video


def _turned(data: bytes, every: int) -> bytes:
    """One byte in so many is another, the first hundred left as they are."""
    drawn = random.Random(1)
    changed = bytearray(data)
    for place in range(100, len(changed), every):
        changed[place] ^= 1 << drawn.randrange(8)
    return bytes(changed)


def _heic() -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    pillow_heif.from_pillow(Image.fromarray(noise)).save(buffer)
    return buffer.getvalue()


def _sound(codec: str, form: str, channels: int, seconds: float = 4.0) -> bytes:
    layout = {1: "mono", 8: "7.1"}[channels]
    buffer = io.BytesIO()
    rng = np.random.default_rng(2)
    with av.open(buffer, "w", format=form) as container:
        stream = container.add_stream(codec, rate=16_000, layout=layout)
        assert isinstance(stream, av.AudioStream)
        samples = rng.normal(0, 3000, (1, int(seconds * 16_000) * channels)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return buffer.getvalue()


def _ten_hours(folder: Path) -> bytes:
    moments = [hour * 600 + step * 0.1 for hour in range(60) for step in range(12)]
    return sparse_video(folder / "ten-hours", moments).read_bytes()


def every(folder: Path) -> dict[str, bytes]:
    """By file name."""
    heic, film = _heic(), media.video(moving(20))
    flac, wide = _sound("flac", "flac", 1), _sound("pcm_s16le", "wav", 8)
    return {
        "ten-hours.mp4": _ten_hours(folder),
        "eight-channels.wav": wide,
        "one-pixel.png": media.png(Image.new("RGB", (1, 1), "red")),
        "5000-frames.webp": five_thousand("WEBP"),
        "cut-off.heic": heic[: len(heic) * 2 // 3],
        "turned.heic": _turned(heic, 400),
        "cut-off.mp4": film[: len(film) * 2 // 3],
        "turned.mp4": _turned(film, 300),
        "cut-off.flac": flac[: len(flac) * 2 // 3],
        "turned.flac": _turned(flac, 300),
    }
