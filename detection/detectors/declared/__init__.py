"""What the file itself says about how it was made."""

from detection.detectors import About, Question

ABOUT = About(
    name="declared",
    title="Declared origin",
    version="1.2",
    question=Question.DECLARED,
    looks_for="a file that says a machine made it",
    kinds=("image", "video", "audio", "document"),
    preload=("detection.detectors.declared.detector", "provenance.c2pa"),
    wall=60.0,
)
