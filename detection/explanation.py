"""Why a detector answered as it did: where in a picture, when in a sound or video, in words, and what would change it.

Runs in a guarded child without torch. A map of a picture is, best first:

1. what the net itself localises (an output that is a map);
2. its class activation map: an output `cam` (n, h, w) of the exported net, the head's weights applied before the mean
   over places (Zhou et al., CVPR 2016). For a head of one mean and one linear layer that is Grad-CAM (Selvaraju et
   al., ICCV 2017) up to a factor, and costs no second pass;
3. `occlusion` (Zeiler & Fergus, ECCV 2014): what the score loses when a cell is painted over. One pass a cell.

Which of them is better than a random map, and by how much, is measured in `detection.evaluation.faithfulness`; a
detector whose map is not does not show it. Every picture has a text alternative (`described`, `spans_described`).
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from detection import places
from detection.detectors import Region, Span
from detection.heatmap import HUE, write_heatmap

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


def draw(heat: Array, path: Path, size: tuple[int, int]) -> str:
    """Draw a map as a PNG to lay over the picture of `size` (width, height); returns its text alternative."""
    shown = normalised(heat)
    write_heatmap(shown, path, size)
    return described(shown)


def regions(heat: Array) -> list[Region]:
    """Boxes around the connected places above half of the map's maximum, largest first; none in an empty map."""
    shown = normalised(heat)
    return places.boxes(shown >= MARKED) if shown.any() else []


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


def spans_above(scores: Sequence[float], starts: Sequence[float], length: float, line: float) -> list[Span]:
    """The windows that score at or above `line`, those that touch joined to one, each with the highest score in it.

    starts: seconds, rising. length: of a window in seconds.
    """
    found: list[tuple[float, float, float]] = []
    for score, start in zip(scores, starts, strict=True):
        if score < line:
            continue
        if found and start <= found[-1][1] + 1e-6:
            found[-1] = (found[-1][0], start + length, max(found[-1][2], score))
        else:
            found.append((start, start + length, score))
    return [Span(round(start, 2), round(end, 2), f"{score:.2f}") for start, end, score in found]


def spans_described(spans: Sequence[Span], length: float) -> str:
    """The text alternative of a time line. length: of the whole in seconds."""
    if not spans:
        return f"No stretch of the {length:.1f} seconds stands out."
    share = min(1.0, sum(span.end - span.start for span in spans) / length) if length else 1.0
    named = ", ".join(f"{span.start:.1f} to {span.end:.1f} s" for span in spans[:5])
    more = f" and {len(spans) - 5} more" if len(spans) > 5 else ""
    return f"Marked: {named}{more}; {share:.0%} of the {length:.1f} seconds."


SPECTROGRAM = (960, 320)  # pixels
WINDOW = 0.032  # seconds
DYNAMIC = 80.0  # dB shown below the loudest


def draw_spectrogram(sound: Array, rate: int, spans: Sequence[Span], path: Path) -> str:
    """A grey spectrogram of `sound` (mono, n samples at `rate` Hz), the spans marked; returns its text alternative.

    At most as many columns as the picture is wide are computed, so an hour costs no more than a minute.
    """
    width, height = SPECTROGRAM
    levels = _levels(sound, rate, width)
    grey = ((1 + levels.clip(-DYNAMIC, 0) / DYNAMIC) * 255).astype(np.uint8)
    picture = Image.fromarray(grey[::-1]).resize(SPECTROGRAM, Image.Resampling.BILINEAR).convert("RGBA")
    length = len(sound) / rate
    marks = Image.new("RGBA", SPECTROGRAM, (0, 0, 0, 0))
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


# --- What would change this -------------------------------------------------------------------------------------------


def what_would_change(llr: float, threshold: float, lower: float, *, held_back: str = "") -> str:
    """One sentence: how far this is from another answer.

    llr: log10 likelihood ratio. threshold: from there on the public answer is “signals”. lower: below it “no signals”.
    held_back: why the answer is “can't say” although the number alone would decide, in words.
    """
    if held_back:
        return f"The number alone would decide; it does not, because {held_back}. Without that, it would."
    if llr >= threshold:
        return (
            f"“Signals” begins at {threshold:.2f}; this is {llr:.2f}. Evidence the other way of more than"
            f" {_times(llr - threshold)} would be needed for another answer."
        )
    if llr < lower:
        return (
            f"“No such signals” ends at {lower:.2f}; this is {llr:.2f}. Evidence of at least {_times(lower - llr)}"
            " more would be needed for another answer."
        )
    return (
        f"Between {lower:.2f} and {threshold:.2f} the office does not say; this is {llr:.2f}. “Signals” would need"
        f" {_times(threshold - llr)} more."
    )


def _times(distance: float) -> str:
    """A distance in log10 as a factor, for people."""
    factor = 10 ** min(abs(distance), 6)
    return f"a factor of {factor:.1f}" if factor < 100 else f"a factor of {factor:,.0f}"


def without(scores: Scores, picture: Array, heat: Array, line: float, *, steps: int = 8) -> float | None:
    """How much of the picture, strongest place of the map first, must be painted over for the score to fall below
    `line`: a share 0…1; 0 when it lies below already, None when painting over half of it is not enough.
    """
    if float(scores(picture[None])[0]) < line:
        return 0.0
    boxes = cell_boxes(picture.shape[1:], min(heat.shape))
    grid = _resized(heat, min(heat.shape))
    order = np.argsort(-grid.ravel(), kind="stable")
    painted = picture
    most = len(order) // 2
    for start in range(0, most, max(1, most // steps)):
        for index in order[start : start + max(1, most // steps)]:
            painted = _painted(painted, boxes[index])
        if float(scores(painted[None])[0]) < line:
            return min(0.5, (start + max(1, most // steps)) / len(order))
    return None


def _resized(heat: Array, cells: int) -> Array:
    image = Image.fromarray(np.asarray(heat, dtype=np.float32))
    return np.asarray(image.resize((cells, cells), Image.Resampling.BOX), dtype=np.float32)
