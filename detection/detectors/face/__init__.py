"""Whether a face in a picture carries traces of having been generated or blended in."""

from detection.detectors import About, Question, Standing
from provenance import media

ABOUT = About(
    name="face",
    title="Generated or blended faces",
    version="2.0",
    question=Question.FACE,
    looks_for="a face that was generated or blended in",
    standing=Standing.SHIPPED,
    kinds=("image",),
    media_types=tuple(sorted(media.PICTURES)),
    preload=("detection.detectors.face.detector",),
    weights=("clip-vit-b16",),
    memory=6 << 30,
    wall=120.0,
    queue="infer",
)
