"""Faces in a film: the still face net's score at each place, and how steadily the landmarks move between frames.

Neither is calibrated on films, for want of a film with a swapped face and its truth: the reading says that nothing can
be said, and tells a reviewer at which moments a face was seen and which of them the net likes least.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from core.problems import Problem
from detection import faces
from detection.clips import Clip, Pixels
from detection.detectors.face import scoring
from detection.faces import Face, Finder
from detection.network import opened

FEWEST = 5  # frames of a stretch in which the face is followed
NEAR = 0.5  # of its side: how far a face may be from where it was


@dataclass(frozen=True)
class Seen:
    """The largest face of a stretch. logit: of the still net, at full size; jitter: see `jitter`, None where it could
    not be followed."""

    start: float
    end: float
    logit: float
    jitter: float | None


Look = Callable[[Clip], Seen | None]


def looker() -> Look | None:
    """None where the networks of the face detector are not installed."""
    try:
        finder, net = faces.installed(), opened(scoring.MODEL)
        scoring.tower()
    except Problem:
        return None
    return lambda clip: _look(clip, finder, net)


def _look(clip: Clip, finder: Finder, net: scoring.Net) -> Seen | None:
    found = scoring.faces_in(clip.still, finder)
    if not found:
        return None
    logit = scoring.logit_of(net, found[0][1])
    return Seen(clip.start, clip.end, logit, jitter(_track(clip.squares, finder)))


def _track(squares: Pixels, finder: Finder) -> list[Face]:
    """The face that is largest in the first frame that has one, as long as it stays near."""
    track: list[Face] = []
    for square in squares:
        near = [face for face in finder.faces(square) if not track or _distance(face, track[-1]) < NEAR * face.side]
        if near:
            track.append(near[0])
        elif track:
            break
    return track


def _distance(one: Face, other: Face) -> float:
    return float(np.hypot(*(one.points.mean(axis=0) - other.points.mean(axis=0))))


def jitter(track: Sequence[Face]) -> float | None:
    """Median over frames of how far the five landmarks are from half way between before and after, less what they all
    do together, in units of the face's side. None for fewer than FEWEST frames.
    """
    if len(track) < FEWEST:
        return None
    points = np.stack([face.points for face in track])
    bent = points[1:-1] - (points[:-2] + points[2:]) / 2
    own = bent - bent.mean(axis=1, keepdims=True)
    sides = np.array([face.side for face in track[1:-1]])
    return float(np.median(np.hypot(own[..., 0], own[..., 1]).mean(axis=1) / sides))
