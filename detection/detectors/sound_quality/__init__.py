"""What a recording can still tell: band, noise, codec; and whether its band betrays an earlier, narrower save."""

from detection.detectors import About, Question
from provenance import media

ABOUT = About(
    name="sound_quality",
    title="Quality of the sound",
    version="1.0",
    question=Question.HISTORY,
    kinds=("audio", "video"),
    looks_for="an earlier save with a narrower band",
    media_types=tuple(sorted(media.DEMUXERS)),
    preload=("detection.detectors.sound_quality.detector",),
    memory=2 << 30,
    wall=60.0,
)
