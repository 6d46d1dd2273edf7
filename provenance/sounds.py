"""Decoding sound: pure functions on untrusted bytes, run in guarded children only.

A recording is decoded from its beginning to its end before it is let in, so that half a file is refused. Its preview is
a picture of its loudness over time.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from PIL import Image, ImageDraw

from core.problems import Problem
from provenance import fingerprints, images, media, videos

RATE = 8_000  # Hz, one channel: enough to draw
PEAKS_A_SECOND = 50
WIDTH, HEIGHT = 960, 240  # pixels
PAPER, INK = "#f4f1ea", "#3d4a45"
# What a whole recording may lack against its header, in seconds and as a share: encoder delay, a last packet that only
# primes; nothing where every sample is counted (but for rounding to whole peaks).
SLACK, SLACK_LOSSLESS = (0.5, 0.02), (0.03, 0.0)
LOSSLESS = {media.FLAC, media.WAV, media.AIFF}
MAX_BROKEN_SHARE = 0.02  # of packets that do not decode; players skip single ones

Peaks = npt.NDArray[np.int16]


def describe(path: Path, media_type: str, *, preview: str, max_seconds: int) -> dict[str, Any]:
    """See provenance.parsing.describe."""
    with videos.opened(path, media_type) as container:
        media.check_tracks(len(container.streams), max_tracks=videos.MAX_TRACKS)
        if not container.streams.audio:
            raise _nothing(media_type)
        declared = videos.length(container, max_seconds=max_seconds)
        peaks = _peaks(container, videos.decodable(container.streams.audio[0]), media_type, max_seconds)
    seconds = len(peaks) / PEAKS_A_SECOND
    slack, share = SLACK_LOSSLESS if media_type in LOSSLESS else SLACK
    if not len(peaks) or seconds < declared * (1 - share) - slack:
        raise media.truncated(media.name_of(media_type))
    return {
        "kind": "audio",
        "width": None,
        "height": None,
        "seconds": f"{declared or seconds:.3f}",
        "preview": images.write_preview(draw(peaks), preview),
        "fingerprints": videos.codes_of(path, fingerprints.of_sound),
    }


def _nothing(media_type: str) -> Problem:
    return Problem(
        "media.no_picture",
        "There is nothing to see or to hear",
        status=422,
        detail=f"There is neither a picture nor a sound track in this {media.name_of(media_type)}.",
        next_step="Check that the file plays on your own device, then send it again.",
    )


def _peaks(container: av.container.InputContainer, track: AudioStream, media_type: str, max_seconds: int) -> Peaks:
    """The loudest sample of every fiftieth of a second, of the whole recording."""
    step = RATE // PEAKS_A_SECOND
    rest, found, samples = np.zeros(0, np.int16), [], 0
    for chunk in _samples(container, track, media_type):
        samples += len(chunk)
        media.check_seconds(samples / RATE, max_seconds=max_seconds + 1)
        rest = np.concatenate([rest, chunk])
        whole = len(rest) // step * step
        found.append(_loudest(rest[:whole].reshape(-1, step)))
        rest = rest[whole:]
    if len(rest):
        found.append(_loudest(rest[np.newaxis]))
    return np.concatenate(found) if found else rest


def _loudest(rows: npt.NDArray[np.int16]) -> Peaks:
    return np.asarray(np.abs(rows.astype(np.int32)).max(axis=1, initial=0).clip(0, 32767), dtype=np.int16)


def _samples(
    container: av.container.InputContainer, track: AudioStream, media_type: str
) -> Iterator[npt.NDArray[np.int16]]:
    """Mono samples at RATE. Raises Problem when too many packets do not decode."""
    smaller = _Smaller()
    packets = broken = 0
    for packet in container.demux(track):
        packets += 1
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            broken += 1
            continue
        for frame in frames:
            yield from smaller.of(frame)
    if broken > max(1, packets * MAX_BROKEN_SHARE):
        raise media.truncated(media.name_of(media_type))
    yield from smaller.of(None)


class _Smaller:
    """Frames of any kind, one after the other, to mono samples at RATE; a recording may change its kind on the way."""

    def __init__(self) -> None:
        self._kind: tuple[str, str, int] | None = None
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)

    def of(self, frame: av.AudioFrame | None) -> Iterator[npt.NDArray[np.int16]]:
        """What comes out when `frame` goes in; None: the rest."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate) if frame else self._kind
        if self._kind not in (None, kind):
            yield from self.of(None)
            self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        self._kind = kind
        for small in self._resampler.resample(frame):
            yield np.asarray(small.to_ndarray(), dtype=np.int16).reshape(-1)


def draw(peaks: Peaks) -> Image.Image:
    """Loudness over time, as bars about a middle line."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen, columns = ImageDraw.Draw(picture), WIDTH // 4
    edges = np.linspace(0, len(peaks), columns + 1)
    for column in range(columns):
        part = peaks[math.floor(edges[column]) : max(math.floor(edges[column]) + 1, math.floor(edges[column + 1]))]
        half = 1 + int(part.max(initial=0)) * (HEIGHT // 2 - 12) // 32767
        pen.rectangle((column * 4, HEIGHT // 2 - half, column * 4 + 2, HEIGHT // 2 + half), fill=INK)
    return picture
