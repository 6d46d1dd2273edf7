"""Whether one part of a picture shows the same as another, pixel for pixel, and which two."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="copy_move",
    title="Parts that occur twice",
    version="1.0",
    question=Question.EDITED,
    looks_for="a part that was copied to another place in the same picture",
    standing=Standing.EXPERIMENTAL,
    kinds=("image",),
    media_types=tuple(sorted(media.PICTURES)),
    shares=("pictures.py", "heatmap.py", "places.py", "weighing.py", "calibration.py", "reshipping.py"),
    preload=("detection.detectors.copy_move.detector",),
    memory=6 << 30,
    wall=120.0,
)
