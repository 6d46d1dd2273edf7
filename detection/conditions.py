"""What may have happened to a file before it is examined: the slugs in evaluation.json, and what people call them.

What each one does stands in `evaluation/conditions.py` (pictures), `training/sound_augmentation.py` (sound) and
`training/video_clips.py` (moving pictures); a test compares the names. Light: the web process imports it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

AS_IS: Final = "as_is"

PICTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        AS_IS: "as it is",
        "jpeg_90": "JPEG 90",
        "jpeg_70": "JPEG 70",
        "jpeg_50": "JPEG 50",
        "resize": "resized",
        "resize_jpeg_70": "resized, JPEG 70",
        "blur": "blurred",
        "screenshot": "screenshot",
        "social": "social service",
        "crop": "cropped",
    }
)
SOUNDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        AS_IS: "as it is",
        "mp3_32": "MP3 at 32 kbit/s",
        "opus_16": "Opus at 16 kbit/s",
        "noise_15": "noise 15 dB below the voice",
        "room": "in a room",
        "telephone": "telephone band",
    }
)
FILMS: Final[Mapping[str, str]] = MappingProxyType(
    {AS_IS: "as it is", "webp_70": "WebP 70", "h264_28": "H.264, CRF 28", "resize": "resized"}
)
_WORDS: Final = {**PICTURES, **SOUNDS, **FILMS}


def words(condition: str) -> str:
    """“JPEG 70”. The rules of `evaluation/` name theirs in words already, which stay as they are."""
    return _WORDS.get(condition, condition)
