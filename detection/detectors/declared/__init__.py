"""What the file itself says about how it was made."""

from detection.detectors import About

ABOUT = About(
    name="declared",
    title="Declared origin",
    version="1.1",
    kinds=("image", "video", "audio", "document"),
    shares=("hostile_text.py",),
    preload=("detection.detectors.declared.detector", "provenance.c2pa"),
    wall=60.0,
)
