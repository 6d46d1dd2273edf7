"""Noise and compression inconsistency of a picture with itself.

1. Each block of 16 x 16 pixels gets features of its fine noise (SRM high-pass residuals, their slope over scales, their
   correlation) and of its answer to saving again as JPEG at ten qualities (JPEG ghosts).
2. A robust regression on this picture predicts them from what the block shows (gradients, brightness, contrast);
   what is left over, in units of the picture's own spread, is the deviation. No other picture is involved: nothing
   was trained.
3. The deviation, averaged over 5 x 5 blocks, is the map. The areas that stand out are marked.

It says where to look. An untouched photograph has a most deviant area too: how far the peak stands out does not tell
edited from unedited (card.yaml has the figures), so the strength is never above “weak”.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detection import runtime
from detection.detectors import Answer, Media, Reading, Region, Span, Strength, examination
from detection.explanation import described
from detection.heatmap import write_heatmap
from detection.pictures import FULL_PIXELS, Picture, read_frames, read_picture, resaved, unreadable
from detection.runtime import Array

BLOCK = 16  # pixels
WINDOW = 5  # blocks a side
QUALITIES = range(50, 96, 5)
CLIP = 8.0  # spreads; beyond this a block is just very deviant
MARKED = 4.0  # spreads above the median
# Far above what the four unedited photographs of the tests reach after each kind of saving; not an error rate.
STANDS_OUT, ALONE = 12.0, 1.5
MOST_REGIONS = 5
FRAMES = 8


@dataclass(frozen=True)
class Inconsistency:
    """heat: (h, w), spreads above the median. peak: its maximum. rival: the maximum away from the peak."""

    heat: Array
    peak: float
    rival: float

    @property
    def isolation(self) -> float:
        return self.peak / max(self.rival, 1.0)

    @property
    def stands_out(self) -> bool:
        return self.peak >= STANDS_OUT and self.isolation >= ALONE


def analyze(media: Media, region: Region | None = None) -> list[Reading]:
    """See the module. With a region only that part of the map is looked at. Raises Problem."""
    if media.media_type.startswith("video/"):
        return [_video(media, region)]
    media.report(10, "Decoding the picture")
    picture = read_picture(str(media.path))
    media.report(30, "Measuring fine noise and compression")
    found = within(inconsistency(picture), region)
    media.report(90, "Drawing the map")
    return [_reading(found, picture, media, _details(found, picture))]


examine = examination(analyze)


def _video(media: Media, region: Region | None) -> Reading:
    """The sampled frame that deviates most is drawn; the moments are those of frames in which an area stands out."""
    frames, moments, best = [], [], None
    for index, (seconds, picture) in enumerate(read_frames(str(media.path), media.media_type, FRAMES)):
        media.report(10 + index * 80 // FRAMES, f"Examining the frame at {seconds} s")
        found = within(inconsistency(picture), region)
        frames.append({"seconds": seconds, "peak": f"{found.peak:.2f}", "isolation": f"{found.isolation:.2f}"})
        moments += [Span(float(seconds), float(seconds))] if found.stands_out else []
        if best is None or found.peak > best[0].peak:
            best = (found, picture, seconds)
    if best is None:
        raise unreadable()
    details = {**_details(best[0], best[1]), "frame_seconds": best[2], "frames": frames}
    return _reading(best[0], best[1], media, details, moments)


def within(found: Inconsistency, region: Region | None) -> Inconsistency:
    """The part of the map that lies in `region`; zero elsewhere. The yardstick stays the whole picture."""
    if region is None:
        return found
    rows, columns = (np.indices(found.heat.shape) + 0.5) / np.array(found.heat.shape)[:, None, None]
    inside = (abs(columns - region.x - region.width / 2) <= region.width / 2) & (
        abs(rows - region.y - region.height / 2) <= region.height / 2
    )
    heat = np.where(inside, found.heat, 0).astype(np.float32)
    return Inconsistency(heat, float(heat.max()), _rival(heat) if inside.all() else _peak(found.heat[~inside]))


def _peak(values: Array) -> float:
    return float(values.max()) if values.size else 0.0


def inconsistency(picture: Picture) -> Inconsistency:
    """The map of one picture. Pure and deterministic."""
    noise, content = runtime.noise_features(picture.luma, BLOCK)
    slope = noise[:3] - noise[3:4]
    answers = runtime.ghosts(picture.luma, [resaved(picture.luma, q) for q in QUALITIES], BLOCK)
    kinds = (
        runtime.explained(np.concatenate([noise, slope]), content),
        runtime.explained(answers, content),
        # The answer to compression that even the block's own noise level does not explain.
        runtime.explained(answers, np.concatenate([content, noise[:1]])),
    )
    total = sum(_one_map(layers) for layers in kinds)
    heat = runtime.standardised(np.asarray(total, dtype=np.float32))
    return Inconsistency(heat, float(heat.max()), _rival(heat))


def _one_map(layers: Array) -> Array:
    return runtime.standardised(runtime.distance(runtime.window_means(layers, WINDOW))).clip(0, CLIP)


def _rival(heat: Array) -> float:
    """How far the most deviant place away from the peak stands out: the picture's own yardstick for the peak."""
    rows, columns = np.indices(heat.shape)
    top, left = np.unravel_index(int(heat.argmax()), heat.shape)
    reach = max(WINDOW, 0.2 * min(heat.shape))
    return _peak(heat[np.maximum(abs(rows - top), abs(columns - left)) > reach])


def regions(heat: Array) -> list[dict[str, str]]:
    """Boxes around connected blocks above MARKED, most deviant first, as fractions of width and height."""
    left = heat > MARKED
    found: list[tuple[float, list[tuple[int, int]]]] = []
    while left.any():
        members = _grow(left, *map(int, np.unravel_index(int(left.argmax()), left.shape)))
        if len(members) >= 4:
            found.append((max(float(heat[at]) for at in members), members))
    found.sort(key=lambda item: -item[0])
    return [_box(members, peak, heat.shape) for peak, members in found[:MOST_REGIONS]]


def _grow(left: Any, row: int, column: int) -> list[tuple[int, int]]:
    """The connected blocks around (row, column), taken out of `left`."""
    members, todo = [], [(row, column)]
    left[row, column] = False
    while todo:
        at = todo.pop()
        members.append(at)
        for near in ((at[0] - 1, at[1]), (at[0] + 1, at[1]), (at[0], at[1] - 1), (at[0], at[1] + 1)):
            if 0 <= near[0] < left.shape[0] and 0 <= near[1] < left.shape[1] and left[near]:
                left[near] = False
                todo.append(near)
    return members


def _box(members: list[tuple[int, int]], peak: float, shape: tuple[int, ...]) -> dict[str, str]:
    rows, columns = zip(*members, strict=True)
    box = {
        "x": min(columns) / shape[1],
        "y": min(rows) / shape[0],
        "width": (max(columns) + 1 - min(columns)) / shape[1],
        "height": (max(rows) + 1 - min(rows)) / shape[0],
    }
    return {**{name: f"{value:.4f}" for name, value in box.items()}, "peak": f"{peak:.2f}"}


def _details(found: Inconsistency, picture: Picture) -> dict[str, Any]:
    return {
        "regions": regions(found.heat),
        "alternative": described(found.heat),
        "peak": f"{found.peak:.2f}",
        "peak_elsewhere": f"{found.rival:.2f}",
        "isolation": f"{found.isolation:.2f}",
        "marked_share": f"{float((found.heat > MARKED).mean()):.4f}",
        "unit": "1.4826 x the median absolute deviation of this picture’s own blocks",
        "blocks": [found.heat.shape[1], found.heat.shape[0]],
        "examined": _examined(picture),
    }


def _examined(picture: Picture) -> str:
    if picture.reduced == 1:
        return "at full size"
    return f"reduced {picture.reduced} times to stay within {FULL_PIXELS:,} pixels, which hides fine traces"


def _reading(
    found: Inconsistency, picture: Picture, media: Media, details: dict[str, Any], moments: Sequence[Span] = ()
) -> Reading:
    name = "heatmap.png"
    write_heatmap(found.heat / CLIP, media.out / name, (picture.width, picture.height))
    return Reading(
        signal="noise_inconsistency",
        strength=Strength.WEAK if found.stands_out else Strength.NONE,
        statement=STANDS_OUT_WORDS if found.stands_out else NOTHING_WORDS,
        score=f"{found.peak:.2f}",
        details=details,
        heatmap=name,
        answer=Answer.SIGNALS if found.stands_out else Answer.NO_SIGNALS,
        timeline=moments,
        regions=[Region(*(float(box[side]) for side in ("x", "y", "width", "height"))) for box in details["regions"]],
    )


STANDS_OUT_WORDS = (
    "The marked area differs in fine noise from the rest; that is consistent with, but not proof of, local editing; "
    "strong blur, text overlays and smooth skies do the same."
)
NOTHING_WORDS = (
    "No area stands out clearly in fine noise. The map shows where the picture differs most from itself; "
    "saving again as JPEG hides such traces, so this rules nothing out."
)
