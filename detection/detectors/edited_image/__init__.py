"""Whether one part of a picture carries other traces than the rest of it, by a small network, and where."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="edited_image",
    title="Parts that do not fit the rest",
    version="2.0",
    question=Question.EDITED,
    looks_for="a part that was pasted, filled, blended or changed",
    standing=Standing.EXPERIMENTAL,
    kinds=("image",),
    media_types=tuple(sorted(media.PICTURES)),
    preload=("detection.detectors.edited_image.detector",),
    memory=6 << 30,
    wall=120.0,
    queue="infer",
)
