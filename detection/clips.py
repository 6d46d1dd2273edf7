"""Short stretches of a moving picture for detectors, in the guarded child: bounded work whatever its length.

Of a video file up to `most` stretches are decoded, spread evenly over it: seek to the key frame before each, decode on,
at most MAX_FORWARD frames. Ten hours cost no more than two minutes. The frames of an animated WebP or GIF can only be
had in order; the first MAX_ANIMATION are (fewer of large ones), and the time line says how far that reached.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from core.problems import Problem
from detection import places
from detection.detectors import Region
from detection.pictures import MAX_ANIMATION, MAX_FORWARD, MAX_PIXELS, unreadable
from provenance import media

Pixels = npt.NDArray[np.uint8]

SIDE = 128  # pixels, of the square in which motion is compared
MIDDLE = 0.7  # of the shorter side: borders carry logos, captions and black bars
STEP = 1 / 15  # seconds between two compared frames, or more where there are fewer
LEAST_STEP = 0.85 * STEP  # animations round to hundredths
FRAMES = 9  # in a stretch: eight changes
MOST_CLIPS = 8
MAX_ANIMATED_PIXELS = 1_500_000_000  # decoded in all
MAX_STILL = 40_000_000  # pixels of a frame
MIN_SIDE = 96  # pixels
MAX_SECONDS = 48 * 3600.0  # a length beyond it is not believed
ANIMATED = ("image/webp", "image/gif")


@dataclass(frozen=True)
class Clip:
    """A stretch. squares: (n, SIDE, SIDE, 3), the middle of each frame, at least STEP apart; still: (H, W, 3), its
    first frame at full size; moments: seconds from the beginning, n of them.
    """

    squares: Pixels
    still: Pixels
    moments: tuple[float, ...]

    @property
    def start(self) -> float:
        return self.moments[0]

    @property
    def end(self) -> float:
        return self.moments[-1]

    @property
    def step(self) -> float:
        """Seconds between two frames, the median; 0 for a single frame."""
        return float(np.median(np.diff(self.moments))) if len(self.moments) > 1 else 0.0


def is_animated(path: Path, media_type: str) -> bool:
    """Whether a picture of a type that may move does. Raises Problem when it cannot be read."""
    if media_type not in ANIMATED:
        return False
    try:
        with Image.open(path, formats=("WEBP", "GIF")) as image:
            return bool(getattr(image, "is_animated", False))
    except (OSError, ValueError, SyntaxError) as error:
        raise unreadable() from error


def read_clips(path: Path, media_type: str, most: int = MOST_CLIPS, region: Region | None = None) -> Iterator[Clip]:
    """Up to `most` stretches in order of time, of the whole frame or of `region`. Raises Problem for what cannot be
    decoded, or is too large or small.
    """
    if media_type in ANIMATED:
        return _of_animation(path, most, region)
    return _of_video(path, media_type, most, region)


# --- Videos -----------------------------------------------------------------------------------------------------------


def _of_video(path: Path, media_type: str, most: int, region: Region | None) -> Iterator[Clip]:
    try:
        # A file object and not a path, so that nothing in the file can name another one to open.
        with (
            path.open("rb") as file,
            av.open(file, "r", format=media.DEMUXERS[media_type], metadata_errors="ignore") as container,
        ):
            stream = container.streams.video[0]
            stream.thread_type, stream.codec_context.thread_count = "NONE", 1
            _check(stream.codec_context.width, stream.codec_context.height)
            yield from _stretches(container, stream, most, region)
    except (av.error.FFmpegError, IndexError, StopIteration, MemoryError) as error:
        raise unreadable() from error


def _stretches(
    container: av.container.InputContainer, stream: av.VideoStream, most: int, region: Region | None
) -> Iterator[Clip]:
    length = _length(container)
    last = -1.0
    for index in range(most):
        moment = length * (index + 0.25) / most
        if length:
            container.seek(int(moment * av.time_base), backward=True)
        clip = _stretch(container.decode(stream), max(moment, last + STEP), region)
        if clip is None:
            continue
        last = clip.end
        yield clip


def _length(container: av.container.InputContainer) -> float:
    length = float(container.duration or 0) / av.time_base
    return length if 0 < length <= MAX_SECONDS else 0.0


def _stretch(frames: Iterator[av.VideoFrame], moment: float, region: Region | None) -> Clip | None:
    """From the first frame at or after `moment`; None where the file ends before, or no frame is near enough."""
    squares: list[Pixels] = []
    moments: list[float] = []
    still = None
    for frame in itertools.islice(frames, MAX_FORWARD + 8 * FRAMES):
        at = float((frame.pts or 0) * (frame.time_base or Fraction(0)))
        if at < moment - 1e-6 or (moments and at < moments[-1] + LEAST_STEP):
            continue
        if still is None:
            _check(frame.width, frame.height)
            still = _whole(frame, region)
        squares.append(_square(frame) if region is None else middle(Image.fromarray(_whole(frame, region))))
        moments.append(at)
        if len(squares) == FRAMES:
            break
    return Clip(np.stack(squares), still, tuple(moments)) if still is not None else None


def _whole(frame: av.VideoFrame, region: Region | None) -> Pixels:
    return np.asarray(places.cut(frame.to_ndarray(format="rgb24"), region), dtype=np.uint8)


def _square(frame: av.VideoFrame) -> Pixels:
    """The scaler reduces the whole frame first: an 8K frame is never converted at full size for this."""
    scale = SIDE / (MIDDLE * min(frame.width, frame.height))
    width, height = (max(SIDE, round(side * scale)) for side in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="rgb24", interpolation="AREA").to_ndarray()
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    return np.asarray(small[top : top + SIDE, left : left + SIDE], dtype=np.uint8)


# --- Animated pictures ------------------------------------------------------------------------------------------------


def _of_animation(path: Path, most: int, region: Region | None) -> Iterator[Clip]:
    try:
        with Image.open(path, formats=("WEBP", "GIF")) as image:
            _check(*image.size)
            frames = list(_in_order(image, region))
    except (OSError, ValueError, SyntaxError, MemoryError) as error:
        raise unreadable() from error
    yield from cut(frames, most)


def _in_order(image: Image.Image, region: Region | None) -> Iterator[tuple[float, Pixels, Image.Image | None]]:
    """(seconds, square, the whole frame for some of them)."""
    at = 0.0
    affordable = min(MAX_ANIMATION, max(FRAMES, MAX_ANIMATED_PIXELS // (image.width * image.height)))
    every = max(1, affordable // (2 * MOST_CLIPS))
    for index in range(affordable):
        try:
            image.seek(index)
        except EOFError:
            return
        whole = Image.fromarray(places.cut(np.asarray(image.convert("RGB")), region))
        yield at, middle(whole), whole if index % every == 0 else None
        at += max(0.01, float(image.info.get("duration") or 0) / 1000)


def middle(image: Image.Image) -> Pixels:
    """The middle of a picture as a square of SIDE pixels."""
    side = MIDDLE * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX, box=box), dtype=np.uint8)


def cut(frames: Iterable[tuple[float, Pixels, Image.Image | None]], most: int) -> Iterator[Clip]:
    """Stretches from frames that are all at hand."""
    kept = list(frames)
    if not kept:
        return
    starts = sorted({round(index * max(0, len(kept) - 1) / most) for index in range(most)})
    end = -1.0
    for start in starts:
        if kept[start][0] <= end:
            continue
        chosen = _spaced(kept[start:])
        still = next(whole for _, _, whole in reversed(kept[: start + 1]) if whole is not None)
        clip = Clip(np.stack([one[1] for one in chosen]), np.asarray(still), tuple(one[0] for one in chosen))
        end = clip.end
        yield clip


def _spaced(
    frames: list[tuple[float, Pixels, Image.Image | None]],
) -> list[tuple[float, Pixels, Image.Image | None]]:
    chosen = [frames[0]]
    for frame in frames[1:]:
        if frame[0] >= chosen[-1][0] + LEAST_STEP:
            chosen.append(frame)
        if len(chosen) == FRAMES:
            break
    return chosen


def _check(width: int, height: int) -> None:
    if width * height > min(MAX_STILL, MAX_PIXELS):
        raise Problem("detection.too_large", "The picture is too large to examine", status=422,
                      detail=f"A frame has {width:,} × {height:,} pixels; {MAX_STILL:,} are the most.")  # fmt: skip
    if min(width, height) < MIN_SIDE:
        raise Problem("detection.too_small", "The picture is too small to examine", status=422,
                      detail=f"A frame has {width} × {height} pixels; {MIN_SIDE} on each side are needed.")  # fmt: skip
