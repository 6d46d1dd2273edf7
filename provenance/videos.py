"""Decoding video: pure functions on untrusted bytes, run in guarded children only.

The first frames and one at a tenth of the video are decoded; the rest is the player's concern. That the file is whole
is told by its boxes (provenance.containers). A container without a picture track is sound (provenance.sounds).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import av
import av.container
import av.error
from av.stream import Disposition, Stream
from av.video.stream import VideoStream
from PIL import Image

from core.problems import Problem
from provenance import fingerprints, images, media

MAX_TRACKS = 16
Track = TypeVar("Track", bound=Stream)
FIRST_FRAMES = 8
BROKEN = (av.error.FFmpegError, OSError, ValueError, EOFError, IndexError)


@contextmanager
def opened(path: Path, media_type: str) -> Iterator[av.container.InputContainer]:
    """The file in libav. What libav raises for a broken one becomes Problem `media.truncated`."""
    try:
        # A file object and not a path, and the demuxer named: nothing in the file can name another one to open.
        with (
            path.open("rb") as file,
            av.open(file, "r", format=media.DEMUXERS[media_type], metadata_errors="ignore") as container,
        ):
            yield container
    except BROKEN as error:
        raise media.truncated(media.name_of(media_type)) from error


def picture_track(container: av.container.InputContainer) -> VideoStream | None:
    """The track with the picture; a cover on a piece of music is none. Raises Problem `media.unknown_codec`."""
    track = next((one for one in container.streams.video if not one.disposition & Disposition.attached_pic), None)
    return track and decodable(track)


def decodable(track: Track) -> Track:
    """The track, if libav has a decoder for it. Raises Problem `media.unknown_codec`."""
    if track.codec_context is not None:
        return track
    raise Problem(
        "media.unknown_codec",
        "This office cannot decode the file",
        status=422,
        detail=f"Its {track.type} track is coded in a way that this office does not know.",
        next_step="Export it in a common form, such as H.264 with AAC, or register it by its SHA-256 alone.",
    )


def describe(
    path: Path, media_type: str, *, preview: str, max_pixels: int, max_seconds: int, search: bool
) -> dict[str, Any] | None:
    """See provenance.parsing.describe; None when the file has no picture track."""
    with opened(path, media_type) as container:
        media.check_tracks(len(container.streams), max_tracks=MAX_TRACKS)
        track = picture_track(container)
        if track is None:
            return None
        media.check_pixels(track.width, track.height, max_pixels=max_pixels)
        seconds = length(container, max_seconds=max_seconds)
        picture = _poster(container, track, seconds, media_type)
    codes, queries = images.codes_of(picture, search=search)
    moving = codes_of(path, fingerprints.of_video, fingerprints.of_sound)
    return {
        "kind": "video",
        "width": picture.width,
        "height": picture.height,
        "seconds": f"{seconds:.3f}",
        "preview": images.write_preview(picture, preview),
        "fingerprints": {**codes, **moving},
        "queries": queries,
    }


def codes_of(path: Path, *makers: Callable[[Path], Mapping[str, bytes]]) -> dict[str, str]:
    """The codes of all makers as hex; a track that breaks in the middle has none."""
    codes: dict[str, str] = {}
    for make in makers:
        with suppress(*BROKEN, KeyError):
            codes |= {name: code.hex() for name, code in make(path).items()}
    return codes


def length(container: av.container.InputContainer, *, max_seconds: int) -> float:
    """Seconds of the longest track, by the container. Raises Problem `media.too_long`."""
    tracks = [float(one.duration * one.time_base) for one in container.streams if one.duration and one.time_base]
    seconds = max([*tracks, (container.duration or 0) / av.time_base])
    media.check_seconds(seconds if math.isfinite(seconds) else -1.0, max_seconds=max_seconds)
    return seconds


def _poster(container: av.container.InputContainer, track: VideoStream, seconds: float, media_type: str) -> Image.Image:
    """A frame that stands for the video: one at a tenth of it, else the last of the first frames."""
    track.thread_type, track.codec_context.thread_count = "NONE", 1
    picture: Image.Image | None = None
    for number, frame in enumerate(container.decode(track), 1):
        picture = _image(frame)
        if number == FIRST_FRAMES:
            break
    if picture is None:
        raise media.truncated(media.name_of(media_type))
    if seconds > 2:
        container.seek(int(seconds / 10 * av.time_base))
        later = next(iter(container.decode(track)), None)
        picture = _image(later) if later else picture
    return picture


def _image(frame: av.VideoFrame) -> Image.Image:
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return picture
