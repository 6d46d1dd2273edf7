"""Whether the speech in a recording bears traces of having been synthesised or put through a vocoder."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="voice",
    title="Synthetic voice",
    version="1.0",
    question=Question.VOICE,
    kinds=("audio", "video"),
    looks_for="a voice that was synthesised or passed through a vocoder",
    standing=Standing.EXPERIMENTAL,
    media_types=tuple(sorted(media.DEMUXERS)),
    shares=(
        "voice_features.py",
        "sounds.py",
        "sound_gates.py",
        "network.py",
        "weighing.py",
        "reshipping.py",
        "calibration.py",
        "explanation.py",
    ),
    preload=("detection.detectors.voice.detector",),
    needs=("onnxruntime", "scipy"),
    memory=4 << 30,
    wall=120.0,
    queue="infer",
)
