"""Making faces that no camera took out of faces that one did, for training and measuring (`detectors/face`).

Blended with itself: a slightly changed copy of the face is laid over it inside an oval about eyes, nose and mouth (SBI:
Shiohara & Yamasaki, CVPR 2022). Swapped: another person's features, turned and scaled so that the landmarks agree and
brought near in colour, are laid in the same way; what the classical programs for swapping faces do. Landmarks are the
five points of the finder (`detection.faces`). Pictures are uint8 (H, W, 3); points (5, 2), x and y in pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from detection.training import augmentation
from detection.training.augmentation import Rgb

Random = np.random.Generator
Points = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.float32]
SELF_BLEND, SWAP, ENLARGED = "self_blend", "swap", "realesrgan"
KINDS = (SELF_BLEND, SWAP, ENLARGED)


@dataclass(frozen=True)
class Portrait:
    """A square cut out of a picture, with one face, and where its eyes, nose and corners of the mouth are."""

    rgb: Rgb
    points: Points

    def at_most(self, side: int) -> "Portrait":
        """Scaled down to `side` pixels where it is larger."""
        factor = side / self.rgb.shape[0]
        if factor >= 1:
            return self
        return Portrait(augmentation.resized(self.rgb, factor, filter=2), self.points * np.float32(factor))


def self_blended(face: Portrait, rng: Random) -> Rgb:
    """The face over itself, inside an oval: another tone, sharpness or history of saving there, and a shifted edge."""
    changed = _changed(face.rgb, rng)
    moved = ndimage.shift(changed, (*rng.uniform(-0.02, 0.02, 2) * face.rgb.shape[0], 0), order=1, mode="nearest")
    strength = rng.choice([0.5, 0.75, 1.0, 1.0])
    return _laid(face.rgb, moved, strength * oval(face, rng))


def swapped(host: Portrait, donor: Portrait, rng: Random) -> Rgb:
    """The donor's features in the host's picture."""
    matrix = _similarity(donor.points, host.points)
    turned = _warped(donor.rgb, matrix, host.rgb.shape[0])
    mask = oval(host, rng)
    return _laid(host.rgb, _near_in_tone(turned, host.rgb, mask, rng.uniform(0.6, 1.0)), mask)


def oval(face: Portrait, rng: Random) -> Pixels:
    """(H, W), 0…1: from the brows to the chin, wavy, soft at the edge."""
    eyes, mouth = face.points[:2].mean(axis=0), face.points[3:].mean(axis=0)
    down = mouth - eyes
    long = float(np.hypot(*down)) or 1.0
    wide = max(float(np.hypot(*(face.points[1] - face.points[0]))), 0.6 * long)
    size = rng.uniform(0.7, 1.0, 2) * (wide, 1.1 * long)
    centre = eyes + down * rng.uniform(0.5, 0.75)
    y, x = np.mgrid[: face.rgb.shape[0], : face.rgb.shape[1]] - centre[::-1, None, None]
    along, across = (x * down[0] + y * down[1]) / long, (x * down[1] - y * down[0]) / long
    angle = np.arctan2(along / size[1], across / size[0])
    waves = 1 + sum(rng.normal(0, 0.05) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in (1, 2, 3))
    inside = (np.hypot(along / size[1], across / size[0]) < waves).astype(np.float32)
    return np.asarray(ndimage.gaussian_filter(inside, float(rng.uniform(0.03, 0.15)) * long), np.float32)


def _changed(rgb: Rgb, rng: Random) -> Pixels:
    part = rgb
    if rng.random() < 0.6:
        part = augmentation.resized(part, rng.uniform(0.4, 0.9), filter=int(rng.integers(0, 4)))
        part = np.asarray(Image.fromarray(part).resize(rgb.shape[1::-1], Image.Resampling.BICUBIC))
    if rng.random() < 0.5:
        part = augmentation.saved(part, int(rng.integers(40, 90)))
    toned = part.astype(np.float32) * rng.uniform(0.9, 1.1, 3) + rng.uniform(-12, 12, 3)
    return np.asarray(toned, np.float32)


def _similarity(source: Points, target: Points) -> npt.NDArray[np.float64]:
    """(2, 3): turning, scaling and moving that brings `source` nearest to `target` in the sense of least squares."""
    first, second = (points - points.mean(axis=0) for points in (source, target))
    power = float((first**2).sum()) or 1.0
    a = float((first * second).sum()) / power
    b = float((first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum()) / power
    turn = np.array([[a, -b], [b, a]])
    return np.concatenate([turn, (target.mean(axis=0) - turn @ source.mean(axis=0))[:, None]], axis=1)


def _warped(rgb: Rgb, matrix: npt.NDArray[np.float64], side: int) -> Pixels:
    """(side, side, 3), black where nothing of it comes to lie."""
    back = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2].ravel()
    image = Image.fromarray(rgb).transform((side, side), Image.Transform.AFFINE, tuple(back), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32)


def _near_in_tone(part: Pixels, host: Rgb, mask: Pixels, share: float) -> Pixels:
    """Mean and spread of each colour inside the mask, `share` of the way to the host's."""
    inside = mask > 0.5
    if inside.sum() < 4:
        return part
    ours, theirs = part[inside], host[inside].astype(np.float32)
    spread = (theirs.std(axis=0) + 1) / (ours.std(axis=0) + 1)
    told = (part - ours.mean(axis=0)) * spread + theirs.mean(axis=0)
    return np.asarray(part + share * (told - part), np.float32)


def _laid(host: Rgb, part: Pixels, mask: Pixels) -> Rgb:
    return np.asarray((host + mask[..., None] * (part - host)).clip(0, 255).round(), np.uint8)


def enlarged(face: Portrait, enlarge: Callable[[Rgb], Rgb], rng: Random) -> Rgb:
    """Made small, and large again by a network: what programs that “enhance” a face leave. enlarge: four times."""
    side = face.rgb.shape[0]
    factor = rng.uniform(0.25, 0.5) * min(1.0, 160 / side)
    small = augmentation.resized(face.rgb, factor, filter=int(rng.integers(0, 4)))
    large = Image.fromarray(enlarge(small))
    return np.asarray(large.resize((side, side), Image.Resampling.LANCZOS))
