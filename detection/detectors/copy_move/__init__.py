"""Whether one part of a picture shows the same as another, pixel for pixel, and which two."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="copy_move",
    title="Parts that occur twice",
    version="2.0",
    question=Question.EDITED,
    looks_for="a part that was copied to another place in the same picture",
    standing=Standing.EXPERIMENTAL,
    kinds=("image",),
    media_types=tuple(sorted(media.PICTURES)),
    preload=("detection.detectors.copy_move.detector",),
    memory=6 << 30,
    wall=120.0,
)
