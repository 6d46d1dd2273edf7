"""The invisible watermark as this process sees it: whether it is on, which code a work gets, the marked copy of a file.

The optional extra of requirements/watermark.txt, off unless ASSAY_WATERMARK says otherwise; provenance.watermark does
the work, in a guarded child.
"""

import hashlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from core import storage
from core.problems import Problem
from provenance import guarded, media

PARTS: Final = ("onnxruntime", "imwatermark")


def missing() -> list[str]:
    """What the watermark needs and is not installed."""
    return [name for name in PARTS if importlib.util.find_spec(name) is None]


def code_of(asset: str) -> bytes:
    """The four bytes by which the work `asset` ("asset:…") is marked: a key to look up, not a proof."""
    return hashlib.sha256(f"org.assay.watermark:{asset}".encode()).digest()[:4]


@contextmanager
def marked(path: Path, media_type: str, asset: str) -> Iterator[Path]:
    """A scratch file with the picture in `path` and the code of `asset` in it.

    It is encoded anew, and keeps its EXIF. Raises Problem where this office, or this format, does not do that.
    """
    if not settings.ASSAY_WATERMARK:
        raise Problem(
            "asset.watermark_off",
            "This office does not mark pictures",
            detail="The invisible watermark is switched off here.",
            next_step="Register the work without it, or ask the operator to set ASSAY_WATERMARK.",
        )
    if lacking := missing():
        raise Problem(
            "asset.watermark_off",
            "This office does not mark pictures",
            status=503,
            detail=f"The invisible watermark is not installed here: {', '.join(lacking)} cannot be found.",
            next_step="Register the work without it, or ask the operator to install requirements/watermark.txt.",
        )
    if media_type not in guarded.MARKED:
        raise Problem(
            "asset.watermark_format",
            "Files of this kind cannot be marked",
            status=422,
            detail=f"The invisible watermark goes into JPEG, PNG and WebP; this is {media.name_of(media_type)}.",
            next_step="Register the work without it, or send it in one of these formats.",
        )
    with storage.scratch_path(media.suffix(media_type)) as target:
        guarded.mark(path, target, media_type, code_of(asset))
        yield target
