"""How often `structure` sees that a preview is not of the picture: previews and edits made by us.

The preview is what a camera would write: 160 pixels wide, sharpened, saved as JPEG. Then the picture is changed and
the preview is not. The limits in `structure.detector` were chosen on the sources that those of `history` were.
"""

import io
import struct
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from detection import metrics
from detection.detectors import Answer, Reading
from detection.detectors.structure import detector
from detection.evaluation import tables
from detection.evaluation.history import CHOSEN_ON, originals_of
from detection.evaluation.suite import Item, sources
from detection.pictures import opened
from detection.training import data
from detection.training.sources import SOURCES, publisher

MOST = 12
SEED = 5
FOLDER = Path(detector.__file__).parent
PREVIEW = 160  # pixels

Change = Callable[[Image.Image], Image.Image]


def with_preview(picture: Image.Image, shown: Image.Image, quality: int = 90) -> bytes:
    """`picture` as JPEG whose EXIF has a preview of `shown` (EXIF 3.0 §4.5.5, IFD1)."""
    small = shown.copy()
    small.thumbnail((PREVIEW, PREVIEW), Image.Resampling.BICUBIC)
    preview = _jpeg(small.filter(ImageFilter.SHARPEN), 80)
    exif = b"Exif\0\0" + _tiff(preview)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality, exif=exif)
    return buffer.getvalue()


def _tiff(preview: bytes) -> bytes:
    """A little-endian TIFF header, an IFD0 with an orientation, an IFD1 that points to the preview behind it."""
    first = struct.pack("<HHHII", 1, 0x0112, 3, 1, 1) + struct.pack("<I", 26)
    entries = [(0x0103, 3, 6), (0x0201, 4, 26 + 2 + 3 * 12 + 4), (0x0202, 4, len(preview))]
    second = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<I", 8) + first + struct.pack("<H", 3) + second + struct.pack("<I", 0) + preview


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _part_replaced(share: float) -> Change:
    def change(image: Image.Image) -> Image.Image:
        side = int((image.width * image.height * share) ** 0.5)
        side = min(side, image.width, image.height)
        at = (image.width - side) // 3, (image.height - side) // 2
        patch = image.resize((side, side)).transpose(Image.Transpose.ROTATE_180)
        edited = image.copy()
        edited.paste(patch, at)
        return edited

    return change


CHANGES: dict[str, Change] = {
    "another picture's place: mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "a tenth of the area replaced": _part_replaced(0.1),
    "a fiftieth of the area replaced": _part_replaced(0.02),
    "cropped by a tenth at one side": lambda image: image.crop((image.width // 10, 0, image.width, image.height)),
    "cropped by a tenth all round": lambda image: image.crop(
        (image.width // 10, image.height // 10, image.width - image.width // 10, image.height - image.height // 10)
    ),
    "brighter by a fifth": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
}


def reading(file: bytes) -> Reading:
    with tempfile.NamedTemporaryFile() as kept:
        kept.write(file)
        kept.flush()
        with opened(Path(kept.name)) as image:
            return detector.preview(image)[0]


def rows(items: Sequence[Item], say: Callable[[str], object]) -> list[dict[str, Any]]:
    found = []
    for source in (name for name in sources(items) if name not in CHOSEN_ON):
        originals = originals_of([item for item in items if item.source == source], MOST)
        say(f"{source}: {len(originals)} pictures")
        if len(originals) < 5:
            continue
        without = [reading(with_preview(image, image)) for image in originals]
        for condition, change in CHANGES.items():
            having = [reading(with_preview(change(image), image)) for image in originals]
            found.append(row(source, condition, without, having))
    return found


def row(source: str, condition: str, without: Sequence[Reading], having: Sequence[Reading]) -> dict[str, Any]:
    low, high = (np.asarray([float(one.score) for one in side]) for side in (without, having))
    return {
        "split": "unseen", "held_out": source, "condition": condition, "signal": "preview_differs",
        "n_real": len(without), "n_fake": len(having), "abstained": 0.0,
        "auc": [metrics.auc(low, high), *metrics.auc_interval(low, high, seed=SEED)],
        "fpr": _rate(without), "tpr": _rate(having),
    }  # fmt: skip


def _rate(said: Sequence[Reading]) -> list[float]:
    count = sum(one.answer is Answer.SIGNALS for one in said)
    return [count / len(said), *metrics.rate_interval(count, len(said))]


def evaluate(root: Path, say: Callable[[str], object], *, seed: int = SEED, folder: Path = FOLDER) -> None:
    """Write evaluation.json. root: the data folder."""
    known = [source for source in SOURCES if not source.generator]
    found = rows(data.items(root, known), say)
    used = {name: one for name, one in data.manifest(root, known).items() if one["pictures"]}
    tables.write(
        folder,
        command="manage.py evaluate structure",
        seed=seed,
        rows=found,
        data=[{**one, "use": "test"} for one in tables.data_rows(used) if publisher(one["name"]) not in CHOSEN_ON],
        notes=[
            "“Real” are pictures with a preview of themselves; “looked for” the same with the old preview after the "
            "change.",
            "Tones are fitted before comparing, so that a brighter picture is hardly ever found; nor should it be.",
            f"The limits were chosen on {' and '.join(CHOSEN_ON)}, of which no row is shown.",
        ],
    )
