"""Whether one area of a picture carries other fine noise than the rest of it, and where."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="forensics",
    title="Noise and compression inconsistency",
    version="1.2",
    question=Question.EDITED,
    looks_for="an area edited after the picture was taken",
    # Its peak does not tell edited pictures from others across sources; it shows where to look.
    standing=Standing.EXPERIMENTAL,
    kinds=("image", "video"),
    media_types=(
        *sorted(media.PICTURES),
        *sorted(one for one in media.DEMUXERS if one.startswith("video/")),
    ),
    preload=("detection.detectors.forensics.detector",),
    memory=4 << 30,
    wall=120.0,
)
