"""How a picture was saved and resized before it came here."""

from detection.detectors import About, Question
from provenance import media

ABOUT = About(
    name="history",
    title="How the picture was saved",
    version="1.0",
    question=Question.HISTORY,
    kinds=("image",),
    looks_for="an earlier save as JPEG, a shifted grid or an enlargement",
    media_types=tuple(sorted(media.PICTURES)),
    preload=("detection.detectors.history.detector",),
    memory=4 << 30,
    wall=60.0,
)
