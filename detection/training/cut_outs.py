"""Objects cut out of photographs, with soft transparency, to be pasted into others: stamps of a drawing program.

About half of them train and half measure, by the digest of their name: no object does both.
"""

import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from detection.training import data
from detection.training.sources import Registry, Source, Use
from detection.training.splicing import CutOut

STAMPS = Source(
    "cut-outs",
    Registry.DEBIAN,
    "tuxpaint-stamps-default",
    "2022.06.04-1",
    "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
    "GPL-2+ / public domain (per file)",
    r"stamps/(animals|clothes|food|hobbies|household|medical|plants|seasonal|space|sports|vehicles)/.*\.png$",
    r"cartoon|toys",
)
LEAST_SIDE = 64  # pixels
SOLID = (0.05, 0.95)  # share of the picture that the object may cover


def cut_outs(root: Path, use: Use) -> list[CutOut]:
    """Those of this use; fetched and unpacked if they are not there yet."""
    paths = sorted(data.unpack(STAMPS, root).glob("*.png"))
    found = (_read(path) for path in paths if use_of(path.name) is use)
    return [one for one in found if one is not None]


def use_of(name: str) -> Use:
    return Use.TEST if hashlib.sha256(name.encode()).digest()[0] % 2 else Use.TRAIN


def _read(path: Path) -> CutOut | None:
    """None for what has no transparency or is too small."""
    with Image.open(path) as image:
        if image.mode not in ("RGBA", "LA", "P") or min(image.size) < LEAST_SIDE:
            return None
        rgba = np.asarray(image.convert("RGBA"), np.float32)
    alpha = np.asarray(rgba[..., 3] / 255, np.float32)
    if not SOLID[0] < float(alpha.mean()) < SOLID[1]:
        return None
    return CutOut(np.ascontiguousarray(rgba[..., :3]), alpha)
