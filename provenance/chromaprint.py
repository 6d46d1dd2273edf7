"""Chromaprint of a sound: one 32-bit number for every eighth of a second, made of which notes grow louder or softer.

Pure; decodes untrusted files, so for guarded children only. The algorithm (Lukáš Lalinský, "How does Chromaprint
work?", 2011) in numpy, because no package ships the library; its parameters, the default algorithm "2" of Chromaprint
1.5, are the format and therefore its own. tests/provenance/test_fingerprints.py compares with `fpcalc -raw`.
"""

from collections.abc import Iterator
from pathlib import Path

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream

Floats = npt.NDArray[np.float64]

RATE = 11_025  # Hz, one channel
FRAME = 4_096  # samples
STEP = FRAME // 3
LOWEST, HIGHEST = 28.0, 3_520.0  # Hz
BANDS = 12  # notes of an octave
SMOOTHING = np.array([0.25, 0.75, 1.0, 0.75, 0.25])  # over successive frames
QUIET = 0.01  # norm of a frame's notes under which it is silence
LISTENED = 3_600  # seconds; what comes later is not looked at
BATCH = 512  # frames transformed at a time

# Each line: which filter, its first band, how many bands and how many frames it covers, and the three values between
# which its answer falls (of 16 × 2 bits of a number).
_CLASSIFIERS = (
    (0, 4, 3, 15, 1.98215, 2.35817, 2.63523),
    (4, 4, 6, 15, -1.03809, -0.651211, -0.282167),
    (1, 0, 4, 16, -0.298702, 0.119262, 0.558497),
    (3, 8, 2, 12, -0.105439, 0.0153946, 0.135898),
    (3, 4, 4, 8, -0.142891, 0.0258736, 0.200632),
    (4, 0, 3, 5, -0.826319, -0.590612, -0.368214),
    (1, 2, 2, 9, -0.557409, -0.233035, 0.0534525),
    (2, 7, 3, 4, -0.0646826, 0.00620476, 0.0784847),
    (2, 6, 2, 16, -0.192387, -0.029699, 0.215855),
    (2, 1, 3, 2, -0.0397818, -0.00568076, 0.0292026),
    (5, 10, 1, 15, -0.53823, -0.369934, -0.190235),
    (3, 6, 2, 10, -0.124877, 0.0296483, 0.139239),
    (2, 1, 1, 14, -0.101475, 0.0225617, 0.231971),
    (3, 5, 6, 4, -0.0799915, -0.00729616, 0.063262),
    (1, 9, 2, 12, -0.272556, 0.019424, 0.302559),
    (3, 4, 2, 14, -0.164292, -0.0321188, 0.0846339),
)
_WIDEST = 16  # frames
_GRAY = np.array([0, 1, 3, 2], dtype=np.uint32)


def of_file(path: Path, demuxer: str) -> list[int]:
    """Numbers (signed, 32 bits) of the first sound track of `path`; none without one, of silence, or of under 3 s.

    demuxer: libavformat's name of it. Raises what PyAV raises.
    """
    # A file object and not a path, so that nothing in the file can name another one to open.
    with path.open("rb") as file, av.open(file, "r", format=demuxer, metadata_errors="ignore") as container:
        if not container.streams.audio:
            return []
        return of_samples(_samples(container))


def of_samples(samples: npt.NDArray[np.int16]) -> list[int]:
    """samples: at 11,025 Hz, one channel."""
    notes = _normalised(_smoothed(_notes(samples)))
    if len(notes) < _WIDEST or not notes.any():
        return []
    numbers: list[int] = _classified(notes).view(np.int32).tolist()
    return numbers


def _samples(container: av.container.InputContainer) -> npt.NDArray[np.int16]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    stream = container.streams.audio[0]
    parts: list[npt.NDArray[np.int16]] = []
    heard = 0
    for part in _resampled(container, stream, resampler):
        parts.append(part)
        heard += len(part)
        if heard > LISTENED * RATE:
            break
    return np.concatenate(parts)[: LISTENED * RATE] if parts else np.empty(0, dtype=np.int16)


def _resampled(
    container: av.container.InputContainer, stream: AudioStream, resampler: av.AudioResampler
) -> Iterator[npt.NDArray[np.int16]]:
    for packet in container.demux(stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue  # players skip single broken packets; provenance.sounds refuses files with many
        for frame in frames:
            yield from _arrays(resampler.resample(frame))
    yield from _arrays(resampler.resample(None))


def _arrays(frames: list[AudioFrame]) -> Iterator[npt.NDArray[np.int16]]:
    for frame in frames:
        yield frame.to_ndarray()[0]


def _notes(samples: npt.NDArray[np.int16]) -> Floats:
    """Energy of each of the twelve notes in each frame, all octaves together, shape (frames, 12)."""
    count = max(0, (len(samples) - FRAME) // STEP + 1)
    window, bins = np.hamming(FRAME) / 32_767, _bins()
    frames = np.lib.stride_tricks.as_strided(
        np.ascontiguousarray(samples), (count, FRAME), (STEP * samples.itemsize, samples.itemsize), writeable=False
    )
    energies = np.empty((count, BANDS))
    for at in range(0, count, BATCH):
        spectrum = np.fft.rfft(frames[at : at + BATCH] * window, axis=1)
        energies[at : at + BATCH] = (spectrum.real**2 + spectrum.imag**2) @ bins
    return energies


def _bins() -> Floats:
    """Which note each frequency of the transform belongs to, shape (FRAME / 2 + 1, 12)."""
    numbers = np.arange(round(FRAME * LOWEST / RATE), round(FRAME * HIGHEST / RATE))
    octaves = np.log2(numbers * RATE / FRAME / (440.0 / 16.0))
    table = np.zeros((FRAME // 2 + 1, BANDS))
    table[numbers, (BANDS * (octaves - np.floor(octaves))).astype(int)] = 1
    return table


def _smoothed(notes: Floats) -> Floats:
    span = len(SMOOTHING)
    if len(notes) < span:
        return notes[:0]
    parts = [weight * notes[at : len(notes) - span + 1 + at] for at, weight in enumerate(SMOOTHING)]
    smoothed: Floats = np.sum(parts, axis=0)
    return smoothed


def _normalised(notes: Floats) -> Floats:
    norms = np.sqrt((notes**2).sum(axis=1, keepdims=True))
    return np.where(norms < QUIET, 0.0, notes / np.maximum(norms, QUIET))


def _classified(notes: Floats) -> npt.NDArray[np.uint32]:
    """One number for every frame that has fifteen more after it."""
    sums = np.zeros((len(notes) + 1, BANDS + 1))
    sums[1:, 1:] = notes.cumsum(axis=0).cumsum(axis=1)
    starts = np.arange(len(notes) - _WIDEST + 1)
    numbers = np.zeros(len(starts), dtype=np.uint32)
    for kind, band, bands, frames, *levels in _CLASSIFIERS:
        more, less = _filtered(kind, sums, starts, (int(frames), int(band), int(bands)))
        answers = np.digitize(np.log((1 + more) / (1 + less)), levels)
        numbers = (numbers << np.uint32(2)) | _GRAY[answers]
    return numbers


def _filtered(
    kind: float, sums: Floats, starts: npt.NDArray[np.int64], box: tuple[int, int, int]
) -> tuple[Floats, Floats]:
    """The two sums that filter `kind` compares, over a box of (frames, first band, bands) from each start."""
    frames, band, bands = box

    def area(first: int, last: int, low: int, high: int) -> Floats:
        """Of frames first..last and bands low..high of the box, ends not included."""
        after, before, top, bottom = starts + last, starts + first, band + high, band + low
        total: Floats = sums[after, top] - sums[before, top] - sums[after, bottom] + sums[before, bottom]
        return total

    half_f, half_b, third_f, third_b = frames // 2, bands // 2, frames // 3, bands // 3
    whole = area(0, frames, 0, bands)
    match kind:
        case 0:
            return whole, np.zeros_like(whole)
        case 1:
            more = area(0, frames, half_b, bands)
        case 2:
            more = area(half_f, frames, 0, bands)
        case 3:
            more = area(0, half_f, half_b, bands) + area(half_f, frames, 0, half_b)
        case 4:
            more = area(0, frames, third_b, 2 * third_b)
        case _:
            more = area(third_f, 2 * third_f, 0, bands)
    return more, whole - more
