"""Decoding sound for detectors, in the guarded child: any sound track as mono float samples, of bounded length.

A recording longer than `most` seconds is heard in stretches spread evenly over it, so that ten hours cost no more than
two minutes. The track may be a sound file or the first sound track of a video, with any number of channels: they are
averaged, whatever their layout is called.
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer

from core.problems import Problem
from provenance import media

Samples: TypeAlias = npt.NDArray[np.float32]

RATE = 16_000  # Hz, what voice detectors hear
MOST_SECONDS = 120.0  # of sound that is decoded and kept
STRETCH = 10.0  # seconds
HIGHEST_RATE = 48_000  # Hz: with rate=None, faster recordings are brought down to it
MAX_SECONDS = 48 * 3600.0  # a length beyond it is not believed
MAX_PACKETS = 60_000  # read for one stretch; 24 minutes of MP3
MAX_CHANNELS = 64


@dataclass(frozen=True)
class Track:
    """The sound track as it is stored. codec: FFmpeg's name (“mp3”, “pcm_s16le”). rate: Hz. seconds: what the file
    says of its length, 0.0 if it does not. bit_rate: bits/s, 0 if unknown."""

    codec: str
    rate: int
    channels: int
    seconds: float
    bit_rate: int


@dataclass(frozen=True)
class Stretch:
    """samples: (n,), -1…1, mono. start: seconds from the beginning of the recording."""

    start: float
    samples: Samples


@dataclass(frozen=True)
class Sound:
    """What was heard of a recording. rate: Hz of the samples. whole: whether the stretches are all there is."""

    stretches: tuple[Stretch, ...]
    rate: int
    track: Track
    whole: bool

    @property
    def samples(self) -> Samples:
        """(n,): all stretches, one after the other."""
        return np.concatenate([stretch.samples for stretch in self.stretches])

    @property
    def heard(self) -> float:
        """Seconds."""
        return sum(len(stretch.samples) for stretch in self.stretches) / self.rate

    def windows(self, seconds: float, hop: float) -> Iterator[tuple[float, Samples]]:
        """(start in seconds, (seconds x rate,) samples): windows that never cross from one stretch into another.

        A stretch shorter than a window gives one window, repeated from its beginning to fill it.
        """
        length, step = round(seconds * self.rate), max(1, round(hop * self.rate))
        for stretch in self.stretches:
            count = max(1, 1 + (len(stretch.samples) - length) // step)
            for index in range(count):
                part = stretch.samples[index * step : index * step + length]
                if len(part):
                    yield stretch.start + index * step / self.rate, np.resize(part, length)


def read_sound(
    path: Path | str, media_type: str, *, rate: int | None = RATE, most: float = MOST_SECONDS, stretch: float = STRETCH
) -> Sound:
    """Decode the first sound track of a sound or video file.

    rate: Hz of the samples; None: as stored, at most HIGHEST_RATE. most: seconds kept; a longer recording is heard in
    stretches of `stretch` seconds. Raises Problem `detection.no_sound` (no track, nothing decodable) or
    `detection.unreadable_sound`.
    """
    demuxer = media.DEMUXERS.get(media_type)
    if demuxer is None:
        raise no_sound()
    try:
        # A file object and not a path, so that nothing in the file can name another one to open.
        with Path(path).open("rb") as file, av.open(file, "r", format=demuxer, metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise no_sound()
            return _heard(container, container.streams.audio[0], rate, most, stretch)
    except (av.error.FFmpegError, ValueError) as error:
        raise unreadable_sound() from error


def of_samples(samples: Samples, rate: int = RATE) -> Sound:
    """A recording that is in memory already: (n,) float32, -1…1, mono."""
    track = Track("pcm_f32le", rate, 1, len(samples) / rate, 32 * rate)
    return Sound((Stretch(0.0, np.asarray(samples, dtype=np.float32)),), rate, track, True)


def _heard(container: InputContainer, stream: AudioStream, rate: int | None, most: float, stretch: float) -> Sound:
    track = _track(container, stream)
    if track.rate <= 0 or not 0 < track.channels <= MAX_CHANNELS:
        raise unreadable_sound()
    target = rate or min(track.rate, HIGHEST_RATE)
    stream.codec_context.thread_type, stream.codec_context.thread_count = "NONE", 1
    stretches, whole = _stretches(container, stream, target, track.seconds, most, stretch)
    kept = tuple(one for one in stretches if len(one.samples))
    if not kept:
        raise no_sound()
    return Sound(kept, target, track, whole)


def _track(container: InputContainer, stream: AudioStream) -> Track:
    context = stream.codec_context
    seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
    seconds = seconds or float(container.duration or 0) / av.time_base
    believed = seconds if 0 < seconds < MAX_SECONDS else 0.0
    bit_rate = context.bit_rate or (container.bit_rate if len(container.streams) == 1 else 0) or 0
    return Track(context.codec.canonical_name, context.rate or 0, context.channels or 0, believed, bit_rate)


def _stretches(
    container: InputContainer, stream: AudioStream, rate: int, seconds: float, most: float, stretch: float
) -> tuple[list[Stretch], bool]:
    if seconds <= most:  # also when the length is unknown: the first `most` seconds then
        samples, more = _decoded(container, stream, rate, most)
        return [Stretch(0.0, samples)], not more
    count = max(1, int(most // stretch))
    found: list[Stretch] = []
    for index in range(count):
        start = (seconds - stretch) * index / max(1, count - 1)
        try:
            container.seek(int(start * av.time_base), backward=True)
            found.append(Stretch(start, _decoded(container, stream, rate, stretch, start)[0]))
        except av.error.FFmpegError:
            continue  # a recording that is cut off has nothing there
    return found, False


def _decoded(
    container: InputContainer, stream: AudioStream, rate: int, most: float, start: float = 0.0
) -> tuple[Samples, bool]:
    """At most `most` seconds from `start` on, and whether there was more."""
    limit, parts, count = math.ceil(most * rate), [], 0
    for part in _resampled(container, stream, rate, start):
        parts.append(part)
        count += len(part)
        if count > limit:
            return np.concatenate(parts)[:limit], True
    return (np.concatenate(parts) if parts else np.zeros(0, np.float32)), False


def _resampled(container: InputContainer, stream: AudioStream, rate: int, start: float) -> Iterator[Samples]:
    """Mono samples at `rate`. A recording may change its rate on the way."""
    before, resampler = 0, _resampler(rate)
    for frame in _frames(container, stream, start):
        if before not in (0, frame.sample_rate):
            yield from _mono(resampler.resample(None))
            resampler = _resampler(rate)
        before = frame.sample_rate
        yield from _mono(resampler.resample(_mono_frame(frame)))
    if before:
        yield from _mono(resampler.resample(None))


def _frames(container: InputContainer, stream: AudioStream, start: float) -> Iterator[av.AudioFrame]:
    for packet in itertools.islice(container.demux(stream), MAX_PACKETS):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # players skip single broken packets
        for frame in frames:
            # A seek lands on a packet before the moment.
            if frame.time is None or frame.time + frame.samples / max(1, frame.sample_rate) > start:
                yield frame


def _resampler(rate: int) -> av.AudioResampler:
    return av.AudioResampler(format="flt", layout="mono", rate=rate)


def _mono_frame(frame: av.AudioFrame) -> av.AudioFrame:
    """The mean of the channels as a frame of one: libswresample refuses layouts it has no name for."""
    values = frame.to_ndarray()
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    mixed = av.AudioFrame.from_ndarray(_floats(values).mean(axis=0, keepdims=True), format="flt", layout="mono")
    mixed.sample_rate, mixed.pts, mixed.time_base = frame.sample_rate, frame.pts, frame.time_base
    return mixed


def _floats(values: npt.NDArray[np.generic]) -> Samples:
    """Samples of FFmpeg's integer and floating formats as -1…1."""
    floats: Samples = values.astype(np.float32)
    if values.dtype == np.uint8:
        floats = floats / np.float32(128) - np.float32(1)
    elif values.dtype.kind == "i":
        floats /= np.float32(2.0 ** (8 * values.dtype.itemsize - 1))
    return np.nan_to_num(floats, nan=0.0, posinf=0.0, neginf=0.0)


def _mono(frames: list[av.AudioFrame]) -> Iterator[Samples]:
    for frame in frames:
        yield np.asarray(frame.to_ndarray(), dtype=np.float32).reshape(-1)


def no_sound() -> Problem:
    return Problem(
        "detection.no_sound",
        "There is nothing to hear",
        status=422,
        detail="There is no sound track in this file that the examiner can read.",
        next_step="Check that the recording plays on your own device.",
    )


def unreadable_sound() -> Problem:
    return Problem(
        "detection.unreadable_sound",
        "The sound could not be decoded",
        status=422,
        detail="The file is damaged, or of a form that the examiner does not read.",
        next_step="Check that the recording plays on your own device.",
    )
