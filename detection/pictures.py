"""Decoding for pixel detectors, in the guarded child: pictures and video frames as luma arrays of bounded size."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pillow_heif
import pillow_jxl  # noqa: F401 - registers JPEG XL with Pillow
from PIL import Image

from core.problems import Problem
from provenance import containers, media

MAX_PIXELS = 120_000_000  # refused above this, whatever the operator's own limit is
FULL_PIXELS = 16_000_000  # examined at full size up to this; above, reduced by a whole number
MAX_FORWARD = 120  # frames decoded to get from a key frame to a moment
MIN_SIDE = 128  # pixels; below it there are too few blocks to compare
Luma = npt.NDArray[np.float32]

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF", "HEIF", "JXL", "BMP")
pillow_heif.register_heif_opener(thumbnails=False)
# The size is checked here, from the header, before a pixel is decoded; Pillow’s own limit only warns.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True)
class Picture:
    """luma: (H, W), 0…255, as stored, not rotated. width, height: of the file. reduced: by which factor (1 = not at
    all). quantisation: the JPEG luma table in row order, () for other formats.
    """

    luma: Luma
    width: int
    height: int
    reduced: int
    quantisation: tuple[int, ...]


def read_picture(path: str) -> Picture:
    """Decode an image file. Raises Problem when it is too small, too large or not readable."""
    if media.sniff(Path(path)) == media.JXL:  # its decoder decodes as soon as it opens
        containers.check_dimensions(Path(path), media.JXL, max_pixels=MAX_PIXELS)
    try:
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(*image.size)
            table = tuple(getattr(image, "quantization", {}).get(0, ()))
            grey = image.convert("L")
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable() from error
    width, height = grey.size
    factor = _factor(width, height)
    if factor > 1:
        grey = grey.reduce(factor)
    return Picture(_luma(grey), width, height, factor, table if factor == 1 else ())


def read_frames(path: str, media_type: str, most: int) -> Iterator[tuple[str, Picture]]:
    """Up to `most` frames spread evenly over a video, each with its time in seconds as text.

    Seeks to the key frame before each moment and decodes on from there, at most MAX_FORWARD frames, so that a long
    video costs no more than a short one.
    """
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
                yield _seconds(frame), _frame_picture(frame)
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
    return Picture(_luma(grey.reduce(factor) if factor > 1 else grey), frame.width, frame.height, factor, ())


def _seconds(frame: av.VideoFrame) -> str:
    return f"{float((frame.pts or 0) * (frame.time_base or Fraction(0))):.2f}"


def resaved(luma: Luma, quality: int) -> Luma:
    """The picture after one more save as JPEG."""
    buffer = io.BytesIO()
    Image.fromarray(luma.round().clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return _luma(image)


def _luma(image: Image.Image) -> Luma:
    return np.asarray(image, dtype=np.float32)


def _factor(width: int, height: int) -> int:
    factor = 1
    while (width // factor) * (height // factor) > FULL_PIXELS:
        factor += 1
    return factor


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise Problem("detection.too_large", "The picture is too large to examine", status=422,
                      detail=f"It has {width:,} × {height:,} pixels; examinations stop at {MAX_PIXELS:,}.")  # fmt: skip
    if min(width, height) < MIN_SIDE:
        raise Problem("detection.too_small", "The picture is too small to examine", status=422,
                      detail=f"It has {width} × {height} pixels; {MIN_SIDE} on each side are needed.")  # fmt: skip


def unreadable() -> Problem:
    return Problem(
        "detection.unreadable",
        "The picture could not be decoded",
        status=422,
        detail="The file is damaged, or of a form that the examiner does not read.",
        next_step="Check that the file opens on your own device.",
    )
