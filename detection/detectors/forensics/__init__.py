"""Whether one area of a picture carries other fine noise than the rest of it, and where."""

from detection.detectors import About
from provenance import media

ABOUT = About(
    name="forensics",
    title="Noise and compression inconsistency",
    version="1.1",
    kinds=("image", "video"),
    media_types=(
        *sorted(media.PICTURES),
        *sorted(one for one in media.DEMUXERS if one.startswith("video/")),
    ),
    shares=("runtime.py", "pictures.py", "heatmap.py"),
    preload=("detection.detectors.forensics.detector",),
    memory=8 << 30,  # torch maps far more address space than it uses
    wall=120.0,
)
