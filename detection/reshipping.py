"""What happens to files on their way through services: saved again, scaled, cut. An answer that one of these turns
round says more about the way than about the file, so `detection.weighing` asks again after each.

Pure and deterministic. Pictures are uint8 (H, W, 3), sound is float32 (samples,) in -1…1 at 16 kHz.
"""

import io
from collections.abc import Callable, Iterator

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import signal

from detection.pictures import Rgb

Sound = npt.NDArray[np.float32]
RATE = 16_000  # Hz
QUALITY = 70
SHRINK = 0.8
KEPT = 0.8  # of each side, and of the length of a sound
BIT_RATE = 64_000


def jpeg(picture: Rgb, quality: int = QUALITY) -> Rgb:
    """Saved once more as JPEG with the usual halved colour."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def scaled(picture: Rgb, by: float = SHRINK) -> Rgb:
    """Resized, bicubic and with the anti-aliasing of every service."""
    size = max(1, round(picture.shape[1] * by)), max(1, round(picture.shape[0] * by))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC), dtype=np.uint8)


def cropped(picture: Rgb, kept: float = KEPT) -> Rgb:
    """The middle, begun off the grid of 8 x 8 blocks where there is room for that."""
    height, width = picture.shape[:2]
    tall, wide = max(1, round(height * kept)), max(1, round(width * kept))
    top, left = (height - tall) // 2, (width - wide) // 2
    top, left = (side - 1 if side and side % 8 == 0 else side for side in (top, left))
    return np.ascontiguousarray(picture[top : top + tall, left : left + wide])


PICTURES: dict[str, Callable[[Rgb], Rgb]] = {"jpeg_70": jpeg, "scale_80": scaled, "crop": cropped}


def shipments(picture: Rgb) -> Iterator[tuple[str, Rgb]]:
    """(slug, the picture after it) for each way of re-shipping, one at a time to hold little memory."""
    return ((name, ship(picture)) for name, ship in PICTURES.items())


def companded(sound: Sound) -> Sound:
    """Through a telephone's μ-law with 8 bits (ITU-T G.711), at the rate it has."""
    loud = np.log1p(255 * np.abs(np.clip(sound, -1, 1))) / np.log(256)
    steps = np.round(loud * 127) / 127
    return np.asarray(np.sign(sound) * np.expm1(steps * np.log(256)) / 255, dtype=np.float32)


def coded(sound: Sound, bit_rate: int = BIT_RATE) -> Sound:
    """Through MP3 and back: same length, the codec's delay taken out."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = bit_rate
        whole = np.ascontiguousarray(np.clip(sound, -1, 1), dtype=np.float32)[None]
        frame = av.AudioFrame.from_ndarray(whole, format="fltp", layout="mono")
        frame.sample_rate = RATE
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    file.seek(0)
    with av.open(file, "r", format="mp3") as container:
        parts = [frame.to_ndarray().mean(axis=0) for frame in container.decode(audio=0)]
    return _aligned(np.concatenate(parts), sound) if parts else np.zeros_like(sound)


def _aligned(decoded: npt.NDArray[np.floating], sound: Sound, reach: int = 3000) -> Sound:
    """`decoded` shifted to lie over `sound`, cut or filled to its length."""
    length = min(decoded.size, sound.size, 4 * RATE)
    match = signal.correlate(decoded[:length], sound[:length], mode="full", method="fft")
    middle = length - 1
    late = max(0, int(np.argmax(match[middle : middle + reach]))) if length else 0
    shifted = decoded[late : late + sound.size].astype(np.float32)
    return np.pad(shifted, (0, sound.size - shifted.size))


def shortened(sound: Sound, kept: float = KEPT) -> Sound:
    """The middle of it."""
    length = round(sound.size * kept)
    start = (sound.size - length) // 2
    return sound[start : start + length]


SOUNDS: dict[str, Callable[[Sound], Sound]] = {"mp3_64": coded, "mu_law": companded, "crop": shortened}


def sound_shipments(sound: Sound) -> Iterator[tuple[str, Sound]]:
    """As `shipments`, for sound."""
    return ((name, ship(sound)) for name, ship in SOUNDS.items())
