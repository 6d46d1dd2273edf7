"""Decoding for pixel detectors, in the guarded child: pictures, animations and video frames as arrays of bounded size.

`read_picture` and `read_frames` give luma for what is measured by rule, `read_rgb` and `rgb_frames` colour for
networks.
"""

import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pillow_heif
import pillow_jxl  # noqa: F401 - registers JPEG XL with Pillow
from PIL import Image, ImageFile, ImageSequence

from core.problems import Problem
from detection.conditions import AS_IS
from provenance import containers, media

MAX_PIXELS = 120_000_000  # refused above this, whatever the operator's own limit is
FULL_PIXELS = 16_000_000  # examined at full size up to this; above, reduced by a whole number
MAX_FORWARD = 120  # frames decoded to get from a key frame to a moment
MIN_SIDE = 128  # pixels; below it there are too few blocks to compare
MAX_ANIMATION = 400  # frames of an animated picture that are decoded; they cannot be skipped
Luma = npt.NDArray[np.float32]
Rgb = npt.NDArray[np.uint8]  # (H, W, 3)

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "HEIF", "JXL", "BMP")
pillow_heif.register_heif_opener(thumbnails=False)
# Where few bytes for each pixel mean that traces are gone.
_LOSSY = frozenset({media.JPEG, media.WEBP, media.AVIF, media.HEIC, media.JXL})
# The size is checked here, from the header, before a pixel is decoded; Pillow’s own limit only warns.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """luma: (H, W), 0…255, as stored, not rotated. width, height: of the file. reduced: by which factor (1 = not at
    all).
    """

    luma: Luma
    width: int
    height: int
    reduced: int


def read_picture(path: str) -> Picture:
    """Decode an image file. Raises Problem when it is too small, too large or not readable."""
    _check_before_decoding(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(*image.size)
            grey = image.convert("L")
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable() from error
    width, height = grey.size
    factor = _factor(width, height)
    if factor > 1:
        grey = grey.reduce(factor)
    return Picture(_luma(grey), width, height, factor)


def read_rgb(source: str | Path | av.VideoFrame) -> Rgb:
    """A picture file (of an animation its first frame) or a decoded video frame as uint8 (H, W, 3).

    Reduced by a whole number above FULL_PIXELS; transparent parts are white; as stored, whatever its EXIF says. Any
    size from one pixel: what is too small is for `detection.weighing`. Raises Problem when it is too large or not
    readable.
    """
    if isinstance(source, av.VideoFrame):
        _check_large(source.width, source.height)
        return _rgb(Image.fromarray(source.to_ndarray(format="rgb24")))
    _check_before_decoding(str(source))
    try:
        with Image.open(source, formats=_FORMATS) as image:
            _check_large(*image.size)
            return _rgb(image)
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable() from error


def rgb_frames(path: str | Path, media_type: str, most: int) -> Iterator[tuple[float, Rgb]]:
    """Up to `most` frames of a video or an animated picture, spread evenly, each with its time in seconds.

    Of an animation the first MAX_ANIMATION frames count; a still picture has one frame, at 0. Raises Problem.
    """
    if media_type in media.DEMUXERS:
        for frame in _video_frames(str(path), media_type, most):
            yield frame.time or 0.0, read_rgb(frame)
        return
    yield from _animation_frames(str(path), most)


def compression(path: str | Path, media_type: str) -> float | None:
    """Bytes of the file for each pixel; None where the format loses nothing, or the file cannot be read."""
    if media_type not in _LOSSY:
        return None
    try:
        with Image.open(path, formats=_FORMATS) as image:
            return Path(path).stat().st_size / (image.width * image.height)
    except (OSError, ValueError, SyntaxError, ZeroDivisionError):
        return None


# The sum of libjpeg's luminance table at quality 75 (ITU-T T.81, table K.1, halved as jcparam.c does).
_COARSE = 1858


def saved_as(path: str | Path) -> str:
    """Which of `detection.conditions` this file is like: “jpeg_70” for a JPEG whose last save was at libjpeg's quality
    75 or lower, else “as_is”.
    """
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            return "jpeg_70" if sum(getattr(image, "quantization", {}).get(0, ())) >= _COARSE else AS_IS
    except (OSError, ValueError, SyntaxError):
        return AS_IS


def _animation_frames(path: str, most: int) -> Iterator[tuple[float, Rgb]]:
    _check_before_decoding(path)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_large(*image.size)
            count = min(int(getattr(image, "n_frames", 1)), MAX_ANIMATION)
            wanted = {int(count * (index + 0.5) / min(most, count)) for index in range(min(most, count))}
            seconds = 0.0
            for index, frame in enumerate(itertools.islice(ImageSequence.Iterator(image), count)):
                if index in wanted:
                    yield seconds, _rgb(frame)
                seconds += float(frame.info.get("duration") or 0) / 1000
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise unreadable() from error


def read_frames(path: str, media_type: str, most: int) -> Iterator[tuple[str, Picture]]:
    """Up to `most` frames spread evenly over a video, each with its time in seconds as text.

    Seeks to the key frame before each moment and decodes on from there, at most MAX_FORWARD frames, so that a long
    video costs no more than a short one.
    """
    for frame in _video_frames(path, media_type, most):
        yield _seconds(frame), _frame_picture(frame)


def _video_frames(path: str, media_type: str, most: int) -> Iterator[av.VideoFrame]:
    try:
        # A file object and not a path, so that nothing in the file can name another one to open.
        demuxer = media.DEMUXERS[media_type]
        with Path(path).open("rb") as file, av.open(file, "r", format=demuxer, metadata_errors="ignore") as container:
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            length = float(container.duration or 0) / av.time_base
            seen: set[int] = set()
            for index in range(most):
                moment = length * (index + 0.5) / most
                if length:
                    container.seek(int(moment * av.time_base), backward=True)
                frame = _frame_at(container.decode(stream), moment)
                if frame is None or (frame.pts or 0) in seen:
                    continue
                seen.add(frame.pts or 0)
                yield frame
    except (av.error.FFmpegError, IndexError, StopIteration) as error:
        raise unreadable() from error


def _frame_at(frames: Iterator[av.VideoFrame], moment: float) -> av.VideoFrame | None:
    """The first frame at or after `moment` (seconds), or the last one looked at."""
    last = None
    for last in itertools.islice(frames, MAX_FORWARD):
        if last.time is None or last.time >= moment:
            break
    return last


def _frame_picture(frame: av.VideoFrame) -> Picture:
    _check_size(frame.width, frame.height)
    grey = Image.fromarray(frame.to_ndarray(format="gray"))
    factor = _factor(*grey.size)
    return Picture(_luma(grey.reduce(factor) if factor > 1 else grey), frame.width, frame.height, factor)


def _seconds(frame: av.VideoFrame) -> str:
    return f"{float((frame.pts or 0) * (frame.time_base or Fraction(0))):.2f}"


def resaved(luma: Luma, quality: int) -> Luma:
    """The picture after one more save as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(luma.round().clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return _luma(image)


@contextmanager
def opened(path: str | Path) -> Iterator[ImageFile.ImageFile]:
    """A picture file of a size that is examined, opened and not decoded. What goes wrong inside becomes a Problem."""
    _check_before_decoding(str(path))
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(*image.size)
            yield image
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable() from error


def _rgb(image: Image.Image) -> Rgb:
    """Deep pictures lose their low bits, not their highlights; what shows through is white."""
    if image.mode.startswith("I"):
        deep = np.asarray(image.convert("I"))
        image = Image.fromarray((deep >> 8).clip(0, 255).astype(np.uint8))
    elif image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        see_through = image.convert("RGBA")
        image = Image.new("RGBA", image.size, "white")
        image.alpha_composite(see_through)
    flat = image.convert("RGB")
    factor = _factor(*flat.size)
    return np.asarray(flat.reduce(factor) if factor > 1 else flat, dtype=np.uint8)


def _luma(image: Image.Image) -> Luma:
    return np.asarray(image, dtype=np.float32)


def _factor(width: int, height: int) -> int:
    factor = 1
    while (width // factor) * (height // factor) > FULL_PIXELS:
        factor += 1
    return factor


def _check_before_decoding(path: str) -> None:
    if media.sniff(Path(path)) == media.JXL:  # its decoder decodes as soon as it opens
        containers.check_dimensions(Path(path), media.JXL, max_pixels=MAX_PIXELS)


def _check_size(width: int, height: int) -> None:
    _check_large(width, height)
    if min(width, height) < MIN_SIDE:
        raise Problem("detection.too_small", "The picture is too small to examine", status=422,
                      detail=f"It has {width} × {height} pixels; {MIN_SIDE} on each side are needed.")  # fmt: skip


def _check_large(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Problem("detection.too_large", "The picture is too large to examine", status=422,
                      detail=f"It has {width:,} × {height:,} pixels; examinations stop at {MAX_PIXELS:,}.")  # fmt: skip


def unreadable() -> Problem:
    return Problem(
        "detection.unreadable",
        "The picture could not be decoded",
        status=422,
        detail="The file is damaged, or of a form that the examiner does not read.",
        next_step="Check that the file opens on your own device.",
    )
