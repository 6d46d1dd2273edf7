"""Whether a file is built the way what it says of itself would have it."""

from detection.detectors import About, Question
from provenance import media

ABOUT = About(
    name="structure",
    title="File structure",
    version="1.0",
    question=Question.HISTORY,
    kinds=("image", "video", "audio"),
    looks_for="a change after the metadata were written",
    media_types=(*sorted(media.PICTURES), *sorted(media.DEMUXERS)),
    preload=("detection.detectors.structure.detector",),
    wall=60.0,
)
