"""What detectors show: where in a picture, when in a sound, each in words too (`described`, `spans_described`).

Runs in a guarded child without torch. A map is what the network itself localises (an output that is a map), or
`occlusion` (Zeiler & Fergus, ECCV 2014): what the score loses when a cell is painted over, at a pass a cell. Whether it
is better than a random map is measured in `detection.evaluation.faithfulness`. What would change an answer is told by
`detection.weighing`.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from detection.detectors import Span
from detection.heatmap import HUE

Array = npt.NDArray[np.float32]
# (n, 3, H, W), the net's own preprocessing not yet applied, 0…255 → (n,) logits.
Scores = Callable[[Array], Array]

MARKED = 0.5  # of the map's own maximum
NAMES = (("upper left", "upper middle", "upper right"), ("left", "middle", "right"),
         ("lower left", "lower middle", "lower right"))  # fmt: skip


# --- Pictures ---------------------------------------------------------------------------------------------------------


def occlusion(scores: Scores, picture: Array, *, cells: int = 7, batch: int = 8) -> Array:
    """What the score loses when a cell is painted in its own mean colour.

    picture: (3, H, W), 0…255. Returns (cells, cells) in units of the score, positive where the cell speaks for signals.
    Costs cells² + 1 passes.
    """
    plain = float(scores(picture[None])[0])
    boxes = cell_boxes(picture.shape[1:], cells)
    lost = []
    for start in range(0, len(boxes), batch):
        part = np.stack([_painted(picture, box) for box in boxes[start : start + batch]])
        lost.append(plain - scores(part))
    return np.concatenate(lost).reshape(cells, cells).astype(np.float32)


def cell_boxes(shape: tuple[int, ...], cells: int) -> list[tuple[slice, slice]]:
    """The cells of a picture (H, W), row by row."""
    rows, columns = (np.linspace(0, side, cells + 1).round().astype(int) for side in shape)
    return [
        (slice(rows[r], rows[r + 1]), slice(columns[c], columns[c + 1])) for r in range(cells) for c in range(cells)
    ]


def _painted(picture: Array, box: tuple[slice, slice]) -> Array:
    painted = picture.copy()
    cell = painted[(slice(None), *box)]
    cell[:] = cell.mean(axis=(1, 2), keepdims=True)
    return painted


def normalised(heat: Array) -> Array:
    """A map as 0…1: what speaks against signals is 0, its strongest place 1. All 0 where nothing speaks for them."""
    positive = np.where(np.isfinite(heat), heat, 0).clip(0, None)
    top = float(positive.max(initial=0.0))
    return np.asarray(positive / top if top > 0 else positive, dtype=np.float32)


def described(heat: Array) -> str:
    """The text alternative of a map: where it is strongest and how much of the picture it marks."""
    shown = normalised(heat)
    if not shown.any():
        return "The map is empty: no part of the picture speaks for such signals."
    share = float((shown >= MARKED).mean())
    thirds = [[float(shown[r, c].mean()) for c in _thirds(shown.shape[1])] for r in _thirds(shown.shape[0])]
    row, column = np.unravel_index(int(np.argmax(thirds)), (3, 3))
    if share > 0.5:
        return f"The map marks most of the picture ({share:.0%} of it), a little more in the {NAMES[row][column]}."
    return f"The map is strongest in the {NAMES[row][column]} of the picture; it marks {share:.0%} of its area."


def _thirds(side: int) -> list[slice]:
    """Three stretches of a side; the same one again where there are fewer than three places."""
    edges = [round(side * part / 3) for part in range(4)]
    return [slice(min(a, side - 1), max(b, min(a, side - 1) + 1)) for a, b in itertools.pairwise(edges)]


# --- Time -------------------------------------------------------------------------------------------------------------


def spans_described(spans: Sequence[Span], length: float) -> str:
    """The text alternative of a time line. length: of the whole in seconds."""
    if not spans:
        return f"No stretch of the {length:.1f} seconds stands out."
    share = min(1.0, sum(span.end - span.start for span in spans) / length) if length else 1.0
    named = ", ".join(f"{span.start:.1f} to {span.end:.1f} s" for span in spans[:5])
    more = f" and {len(spans) - 5} more" if len(spans) > 5 else ""
    return f"Marked: {named}{more}; {share:.0%} of the {length:.1f} seconds."


SPECTROGRAM = "spectrogram"  # `picture` in a reading's details: one of its own, that is laid over nothing
SIZE = (960, 320)  # pixels
WINDOW = 0.032  # seconds
DYNAMIC = 80.0  # dB shown below the loudest


def draw_spectrogram(sound: Array, rate: int, spans: Sequence[Span], path: Path) -> str:
    """A grey spectrogram of `sound` (mono, n samples at `rate` Hz), the spans marked; returns its text alternative.

    At most as many columns as the picture is wide are computed, so an hour costs no more than a minute.
    """
    width, height = SIZE
    levels = _levels(sound, rate, width)
    grey = ((1 + levels.clip(-DYNAMIC, 0) / DYNAMIC) * 255).astype(np.uint8)
    picture = Image.fromarray(grey[::-1]).resize(SIZE, Image.Resampling.BILINEAR).convert("RGBA")
    length = len(sound) / rate
    marks = Image.new("RGBA", SIZE, (0, 0, 0, 0))
    pen = ImageDraw.Draw(marks)
    for span in spans if length else ():
        left, right = (min(round(at / length * width), width - 1) for at in (span.start, span.end))
        pen.rectangle((left, 0, max(left, right), height - 1), fill=(*HUE, 70), outline=(*HUE, 255))
    Image.alpha_composite(picture, marks).save(path, "PNG", optimize=False)
    return f"Spectrogram, low tones below, 0 to {rate // 2:,} Hz. {spans_described(spans, length)}"


def _levels(sound: Array, rate: int, columns: int) -> Array:
    """(frequencies, at most `columns`) in dB below the loudest."""
    size = max(16, int(WINDOW * rate))
    padded = np.pad(sound, (0, max(0, size - len(sound))))
    count = min(columns, max(1, (len(padded) - size) // (size // 2) + 1))
    starts = np.linspace(0, len(padded) - size, count).astype(int)
    frames = padded[starts[:, None] + np.arange(size)] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames, axis=1)).T ** 2
    return np.asarray(10 * np.log10((power + 1e-10) / (power.max() + 1e-10)), dtype=np.float32)
