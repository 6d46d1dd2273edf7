"""What a video shows, as one vector of 380 numbers that ISCC's video hash takes: which blocks are brighter, or darker.

Decodes untrusted files, so for guarded children only. ISO 24138 takes the frame signatures of MPEG-7 (ISO/IEC 15938-3
Amd 4), whose table of blocks is to be had under the GPL only. These vectors follow its idea with a layout of their own:
averages of blocks and differences of their halves, at four sizes, on a grid of 32 × 32. Codes made of them are near one
another under the same changes, and mean nothing to other implementations.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import av
import av.container
import av.error
import numpy as np
import numpy.typing as npt
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

Floats = npt.NDArray[np.float64]

GRID = 32
LENGTH = 380
APART = 0.2  # seconds between frames that are looked at, as iscc-sdk does
# Seconds up to which all frames are decoded; of a longer video only those that stand alone are. By its length alone, so
# that a smaller copy is looked at in the same way.
WHOLE = 60.0
MOST_PIXELS = 10_000_000_000  # in all frames together; with more, only those that stand alone either (8K)
FRAMES = 600  # looked at, at most
FLAT = 2.0  # standard deviation of the grid under which a frame shows nothing
_STEP = 4
_SIDES = (8, 16, 24, 32)
_ALIKE = 0.333  # the share of the values of one kind that count as alike


def of_file(path: Path, demuxer: str) -> list[int]:
    """The vector of the first video track: of each frame looked at 0 (darker), 1 (alike) or 2, weighted by the
    milliseconds until the next one. Empty when there is no track, or nothing to be seen.

    demuxer: libavformat's name of it. Raises what PyAV raises.
    """
    # A file object and not a path, so that nothing in the file can name another one to open.
    with path.open("rb") as file, av.open(file, "r", format=demuxer, metadata_errors="ignore") as container:
        # A cover on a piece of music is no track of pictures.
        tracks = (one for one in container.streams.video if not one.disposition & Disposition.attached_pic)
        stream = next(tracks, None)
        seen = [(frame.time or 0.0, _grid(frame)) for frame in _frames(container, stream)] if stream else []
    return _weighted([(time, _vector(grid)) for time, grid in seen if float(grid.std()) >= FLAT])


def _weighted(vectors: Sequence[tuple[float, npt.NDArray[np.int64]]]) -> list[int]:
    if not vectors:
        return []
    times = [time for time, _ in vectors]
    lasting = [max(1, round(1000 * (later - time))) for time, later in pairwise(times)]
    lasting.append(round(float(np.median(lasting))) if lasting else 1)
    total: list[int] = (np.array(lasting) @ np.array([vector for _, vector in vectors])).tolist()
    return total


def _frames(container: av.container.InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames at least a fifth of a second apart, and of a long video further."""
    context = stream.codec_context
    stream.thread_type, context.thread_count = "NONE", 1
    context.options = {"skip_loop_filter": "all"}  # the grid is coarser than what it smooths
    seconds = _seconds(container, stream)
    apart, due, told = max(APART, seconds / FRAMES), 0.0, 0
    pixels = stream.width * stream.height * seconds * float(stream.average_rate or 25)
    for frame in _decoded(container, stream, apart if seconds > WHOLE or pixels > MOST_PIXELS else 0.0):
        if (frame.time or 0.0) >= due and told < FRAMES:
            yield frame
            due, told = (frame.time or 0.0) + apart, told + 1


def _seconds(container: av.container.InputContainer, stream: VideoStream) -> float:
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def _decoded(container: av.container.InputContainer, stream: VideoStream, apart: float) -> Iterator[VideoFrame]:
    """Frames in the order shown, without those that do not decode: players skip them too.

    apart: seconds between those that stand alone, which then are all that is decoded; 0 for every frame.
    """
    if apart:
        stream.codec_context.skip_frame = "NONKEY"
    packets = container.demux(stream)
    for packet in _standing_alone(packets, apart) if apart else packets:
        try:
            yield from packet.decode()
        except av.error.FFmpegError:
            continue


def _standing_alone(packets: Iterator["Packet[VideoStream]"], apart: float) -> Iterator["Packet[VideoStream]"]:
    due = 0.0
    for packet in packets:
        if packet.dts is None:
            yield packet  # the last one, which makes the decoder hand out what it holds
        elif packet.is_keyframe and float(packet.dts * packet.time_base) >= due:
            due = float(packet.dts * packet.time_base) + apart
            yield packet


def _grid(frame: VideoFrame) -> Floats:
    """Mean brightness in 32 × 32 cells."""
    grey = frame.reformat(width=_at_least(frame.width), height=_at_least(frame.height), format="gray").to_ndarray()
    cells = grey.reshape(GRID, grey.shape[0] // GRID, GRID, grey.shape[1] // GRID)
    grid: Floats = cells.mean(axis=(1, 3), dtype=np.float64)
    return grid


def _at_least(pixels: int) -> int:
    """A multiple of 32, at most 256."""
    return GRID * min(8, max(1, pixels // GRID))


def _vector(grid: Floats) -> npt.NDArray[np.int64]:
    sums = np.zeros((GRID + 1, GRID + 1))
    sums[1:, 1:] = grid.cumsum(axis=0).cumsum(axis=1)
    kinds = [kind for side in _SIDES for kind in _compared(sums, side)]
    kinds.append(_means(sums, 8, 4).ravel() - 128)
    return np.concatenate([_ternary(kind) for kind in kinds])[:LENGTH]


def _means(sums: Floats, height: int, width: int) -> Floats:
    """Means of blocks at every fourth row and column; height and width: of a block, cells."""
    rows, columns = np.arange(0, GRID - height + 1, _STEP), np.arange(0, GRID - width + 1, _STEP)
    lower, right = rows[:, None] + height, columns + width
    total = sums[lower, right] - sums[rows[:, None], right] - sums[lower, columns] + sums[rows[:, None], columns]
    means: Floats = total / (height * width)
    return means


def _compared(sums: Floats, side: int) -> Iterator[Floats]:
    """Of every square with that side: left with right, upper with lower, the diagonals, the middle with all."""
    half, quarter = side // 2, side // 4
    last = (GRID - side) // _STEP + 1

    def at(block: Floats, row: int, column: int) -> Floats:
        """That block of each square; row, column: where in the square it begins, cells."""
        row, column = row // _STEP, column // _STEP
        return block[row : row + last, column : column + last]

    tall, wide, corner = _means(sums, side, half), _means(sums, half, side), _means(sums, half, half)
    yield (at(tall, 0, 0) - at(tall, 0, half)).ravel()
    yield (at(wide, 0, 0) - at(wide, half, 0)).ravel()
    yield (at(corner, 0, 0) + at(corner, half, half) - at(corner, 0, half) - at(corner, half, 0)).ravel()
    yield (_middle(sums, side, quarter) - _means(sums, side, side)).ravel()


def _middle(sums: Floats, side: int, quarter: int) -> Floats:
    starts = np.arange(0, GRID - side + 1, _STEP) + quarter
    ends = starts + side - 2 * quarter
    rows, lower = starts[:, None], ends[:, None]
    total = sums[lower, ends] - sums[rows, ends] - sums[lower, starts] + sums[rows, starts]
    middle: Floats = total / (side - 2 * quarter) ** 2
    return middle


def _ternary(values: Floats) -> npt.NDArray[np.int64]:
    """0, 1 or 2; alike is the third of the values that is nearest to nothing."""
    strengths = np.sort(np.abs(values))
    least = strengths[int(len(strengths) * _ALIKE)]
    return np.where(values > least, 2, np.where(values < -least, 0, 1))
