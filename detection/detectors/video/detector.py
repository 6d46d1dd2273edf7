"""Moving pictures, two readings: how the frames look one by one, and how one becomes the next; a third for faces.

1. *Frames*: up to four stills spread over the file go through the net of the synthetic-image detector; the 90th
   percentile of their logits is weighed, and their share above the threshold is told, never the mean alone.
2. *Changes*: stretches of nine frames go through the temporal net (`changes` has its input); the median of their
   logits is weighed. Stretches that cross a cut are left out.

Both ask again after re-shipping (`detection.weighing`), both have a time line, and each has a calibration of its own on
moving pictures, so that neither borrows the other's error rates.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from detection import reshipping
from detection.calibration import AS_IS, Calibration
from detection.clips import ANIMATED, FRAMES, MOST_CLIPS, SIDE, Clip, Pixels, is_animated, read_clips
from detection.detectors import Media, Reading, Region, Span, examination
from detection.detectors.video import ABOUT, followed, stills
from detection.detectors.video.changes import Array, changes, has_cut
from detection.network import Network, opened
from detection.pictures import unreadable
from detection.weighing import Reason, Weighed, as_reading, cant_say, judged, unlike

FOLDER = Path(__file__).resolve().parent
MODEL, CALIBRATION = "model.onnx", "calibration.json"
FRAMES_CALIBRATION = "frames.calibration.json"
SLOWEST = 0.14  # seconds between two frames; a slide show has no motion to compare
HIGH = 0.9  # quantile of the frames
EVERY = 2  # stretches: the first frame of every second one is the still; its net is the dearest part
FACES = "a face that was generated or blended in"
SHIPMENTS: Mapping[str, Callable[[Pixels], Pixels]] = reshipping.PICTURES


@dataclass
class Looked:
    """What the stretches gave. changes, frames: logits by way of re-shipping, one for each stretch that could be
    compared, and for each still; features: of the stretches, for the domain check; unlike: stills of which the still
    net says nothing, such as drawings."""

    changes: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in (AS_IS, *SHIPMENTS)})
    frames: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in (AS_IS, *SHIPMENTS)})
    features: list[Array] = field(default_factory=list)
    compared: list[Clip] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    unlike: int = 0
    places: int = 0
    faces: list[followed.Seen] = field(default_factory=list)
    cuts: int = 0


def analyze(media: Media, region: Region | None = None) -> Sequence[Reading]:
    """Two readings, a third where faces are seen; none for a still picture. Raises Problem for what is broken."""
    if media.media_type in ANIMATED and not is_animated(media.path, media.media_type):
        return []
    net, score, follow = opened((media.model or FOLDER) / MODEL), stills.scorer(), followed.looker()
    looked = Looked()
    for index, clip in enumerate(read_clips(media.path, media.media_type, region=region)):
        media.report(10 + 80 * index // MOST_CLIPS, f"Examining {clip.start:.1f} s")
        _look(looked, clip, net, score if index % EVERY == 0 else None)
        looked.faces += [seen] if follow and (seen := follow(clip)) else []
    if not looked.places:
        raise unreadable()
    media.report(95, "Weighing")
    folder = media.model or FOLDER
    return [_of_frames(looked, folder), _of_changes(looked, folder), *_of_faces(looked)]


def _look(looked: Looked, clip: Clip, net: Network, score: stills.Score | None) -> None:
    looked.places += 1
    if score:
        _look_at(looked, clip, score)
    if len(clip.squares) < FRAMES or clip.step > SLOWEST:
        return
    rows = changes(clip.squares)
    if has_cut(rows):
        looked.cuts += 1
        return
    looked.compared.append(clip)
    looked.features.append(rows.mean(axis=0))
    shipped = [changes(_shipped(clip.squares, ship)) for ship in SHIPMENTS.values()]
    logits = net.run(np.stack([rows, *shipped]))
    for name, logit in zip((AS_IS, *SHIPMENTS), logits, strict=True):
        looked.changes[name].append(float(logit))


def _look_at(looked: Looked, clip: Clip, score: stills.Score) -> None:
    logits = {AS_IS: score(clip.still)}
    if np.isfinite(logits[AS_IS]):
        logits |= {name: score(ship(clip.still)) for name, ship in SHIPMENTS.items()}
    if not np.isfinite(list(logits.values())).all():
        looked.unlike += 1
        return
    looked.seen.append(clip.start)
    for name, logit in logits.items():
        looked.frames[name].append(logit)


def _shipped(squares: Pixels, ship: Callable[[Pixels], Pixels]) -> Pixels:
    """Each frame of a stretch re-shipped and brought back to its size."""
    copies = [Image.fromarray(ship(square)) for square in squares]
    return np.stack([np.asarray(copy.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for copy in copies])


# --- Readings ---------------------------------------------------------------------------------------------------------


def _of_changes(looked: Looked, folder: Path) -> Reading:
    calibration = Calibration.beside(folder)
    weighed = _weighed(looked.changes, calibration, 0.5, looked.features)
    ends = [clip.end for clip in looked.compared]
    timeline = _timeline([clip.start for clip in looked.compared], ends, looked.changes[AS_IS], calibration)
    details = {
        "statistic": "median over the stretches of the temporal net",
        "stretches": len(looked.compared),
        "left_out_for_a_cut": looked.cuts,
        **_told(looked.changes[AS_IS], calibration, timeline),
    }
    return as_reading("changes_synthetic", weighed, calibration, ABOUT.looks_for, details=details, timeline=timeline)


def _of_frames(looked: Looked, folder: Path) -> Reading:
    calibration = Calibration.beside(folder, FRAMES_CALIBRATION)
    weighed = _weighed(looked.frames, calibration, HIGH, [])
    if looked.unlike and not looked.seen:
        weighed = cant_say(Reason.OUT_OF_DOMAIN)
    timeline = _timeline(looked.seen, looked.seen, looked.frames[AS_IS], calibration)
    details = {
        "statistic": "90th percentile over the frames of the synthetic-image net",
        "frames": len(looked.seen),
        "left_out_as_drawn": looked.unlike,
        **_told(looked.frames[AS_IS], calibration, timeline),
    }
    return as_reading("frames_synthetic", weighed, calibration, ABOUT.looks_for, details=details, timeline=timeline)


def _of_faces(looked: Looked) -> list[Reading]:
    if not looked.faces:
        return []
    steady = [seen.jitter for seen in looked.faces if seen.jitter is not None]
    highest = max(looked.faces, key=lambda seen: seen.logit)
    details = {
        "places_with_faces": len(looked.faces),
        "places": looked.places,
        "highest_score": f"{highest.logit:.2f}",
        "highest_at_seconds": f"{highest.start:.2f}",
        "landmark_jitter": f"{np.median(steady):.4f}" if steady else "",
    }
    timeline = [Span(round(seen.start, 2), round(seen.end, 2)) for seen in looked.faces]
    weighed = cant_say(Reason.NOT_CALIBRATED)
    return [as_reading("faces_in_film", weighed, None, FACES, details=details, timeline=timeline)]


def _weighed(
    logits: Mapping[str, Sequence[float]], calibration: Calibration | None, quantile: float, features: Sequence[Array]
) -> Weighed:
    if calibration is None:
        return cant_say(Reason.NOT_CALIBRATED)
    if not logits[AS_IS]:
        return cant_say(Reason.TOO_SHORT)
    if unlike(calibration, np.mean(features, axis=0) if features else None):
        return cant_say(Reason.OUT_OF_DOMAIN)
    return judged({name: float(np.quantile(told, quantile)) for name, told in logits.items()}, calibration)


def _timeline(
    starts: Sequence[float], ends: Sequence[float], logits: Sequence[float], calibration: Calibration | None
) -> list[Span]:
    if calibration is None or not logits:
        return []
    told = [calibration.llr(logit)[0] for logit in logits]
    return [Span(round(a, 2), round(b, 2), f"{llr:.2f}") for a, b, llr in zip(starts, ends, told, strict=True)]


def _told(logits: Sequence[float], calibration: Calibration | None, timeline: Sequence[Span]) -> dict[str, Any]:
    """The share above the threshold, and the time line in words."""
    if calibration is None or not logits:
        return {}
    above = [calibration.raw(logit) >= calibration.threshold for logit in logits]
    marked = [span for span, over in zip(timeline, above, strict=True) if over]
    return {"share_with_signals": f"{np.mean(above):.2f}", "time_line": described(marked, len(timeline))}


def described(marked: Sequence[Span], total: int) -> str:
    """The text alternative of the time line."""
    if not marked:
        return f"None of the {total} places that were examined stands out."
    named = ", ".join(f"{span.start:.1f} s" for span in marked)
    return f"{len(marked)} of the {total} places that were examined stand out: at {named}."


examine = examination(analyze)
