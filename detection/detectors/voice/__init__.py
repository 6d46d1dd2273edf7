"""Whether the speech in a recording bears traces of having been synthesised."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="voice",
    title="Synthetic voice",
    version="2.0",
    question=Question.VOICE,
    kinds=("audio", "video"),
    looks_for="a voice that a machine synthesised",
    standing=Standing.EXPERIMENTAL,
    media_types=tuple(sorted(media.DEMUXERS)),
    preload=("detection.detectors.voice.detector",),
    memory=4 << 30,
    wall=120.0,
    queue="infer",
)
