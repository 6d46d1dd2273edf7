"""What happens to a picture on its way through the world, applied to both classes alike.

A detector that sees photographs as JPEG and generated pictures as PNG, or one class larger than the other, learns that
and nothing else (detection-methods.md, pitfalls). So `matched` brings every picture to the same size and `shipped`
sends both classes through the same random saves. All functions take and give uint8 (H, W, 3) RGB.
"""

import io
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Rgb = npt.NDArray[np.uint8]
_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS, Image.Resampling.BOX)


def saved(rgb: Rgb, quality: int, form: Literal["JPEG", "WEBP"] = "JPEG", *, subsampling: int = 2) -> Rgb:
    """After one lossy save. quality: 1…100. subsampling: of JPEG's chroma, 0 = 4:4:4, 2 = 4:2:0."""
    buffer = io.BytesIO()
    options = {"subsampling": subsampling} if form == "JPEG" else {"method": 2}
    Image.fromarray(rgb).save(buffer, form, quality=quality, **options)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def resized(rgb: Rgb, factor: float, *, filter: int = 1) -> Rgb:
    """Scaled by `factor`; filter: 0 bilinear, 1 bicubic, 2 Lanczos, 3 box."""
    height, width = rgb.shape[:2]
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    return np.asarray(Image.fromarray(rgb).resize(size, _FILTERS[filter]))


def blurred(rgb: Rgb, sigma: float) -> Rgb:
    """Gaussian blur. sigma: pixels."""
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma)))


def noisy(rgb: Rgb, sigma: float, rng: np.random.Generator) -> Rgb:
    """Gaussian noise. sigma: grey levels."""
    return np.clip(rgb + rng.normal(0, sigma, rgb.shape), 0, 255).round().astype(np.uint8)


def cropped(rgb: Rgb, share: float) -> Rgb:
    """The middle, `share` of each side; starts off the 8 x 8 grid of JPEG."""
    height, width = rgb.shape[:2]
    h, w = max(8, int(height * share)), max(8, int(width * share))
    top, left = (height - h) // 2 | 1, (width - w) // 2 | 1
    return np.ascontiguousarray(rgb[top : top + h, left : left + w])


def social(rgb: Rgb, *, quality: int = 75, longest: int = 1080) -> Rgb:
    """As a social network shows it: at most `longest` pixels, scaled at least to 0.8, saved as JPEG, chroma halved."""
    return saved(resized(rgb, min(0.8, longest / max(rgb.shape[:2])), filter=2), quality)


def screenshot(rgb: Rgb) -> Rgb:
    """As photographed off a screen by software: scaled by an odd factor, a line of window around it, saved as JPEG."""
    shown = resized(rgb, 0.87, filter=0)
    framed = np.full((shown.shape[0] + 24, shown.shape[1] + 10, 3), 236, np.uint8)
    framed[19:-5, 5:-5] = shown
    return saved(framed, 88)


def smallest_side(rgb: Rgb, side: int) -> Rgb:
    """Scaled down so that the shorter side is `side` pixels; unchanged where it is not longer."""
    shorter = min(rgb.shape[:2])
    return rgb if shorter <= side else resized(rgb, side / shorter, filter=2)


def matched(rgb: Rgb, side: int, rng: np.random.Generator) -> Rgb:
    """Brought to a shorter side of about `side` pixels (x 0.8…1), by a random filter: hides size and file history."""
    target = side * rng.uniform(0.8, 1.0)
    factor = min(1.0, target / min(rgb.shape[:2]))
    return resized(rgb, factor, filter=int(rng.integers(0, 4)))


def shipped(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    """One random journey: perhaps scaled, blurred, sharpened or noisy, then saved once or twice, mostly as JPEG."""
    if rng.random() < 0.4:
        rgb = resized(rgb, rng.uniform(0.6, 1.25), filter=int(rng.integers(0, 4)))
    rgb = _disturbed(rgb, rng)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.12, 0.6, 0.28]))):
        form: Literal["JPEG", "WEBP"] = "WEBP" if rng.random() < 0.3 else "JPEG"
        rgb = saved(rgb, int(rng.integers(45, 97)), form, subsampling=int(rng.choice([0, 2])))
    return rgb


def _disturbed(rgb: Rgb, rng: np.random.Generator) -> Rgb:
    what = rng.random()
    if what < 0.12:
        return blurred(rgb, rng.uniform(0.3, 1.2))
    if what < 0.22:
        return noisy(rgb, rng.uniform(0.5, 4), rng)
    if what < 0.30:
        sharp = ImageFilter.UnsharpMask(radius=rng.uniform(0.6, 2), percent=int(rng.integers(40, 150)))
        return np.asarray(Image.fromarray(rgb).filter(sharp))
    return rgb


def window(rgb: Rgb, side: int, rng: np.random.Generator | None = None) -> Rgb:
    """A square of `side` pixels, from the middle or at random; what is smaller is scaled up to fit first."""
    if min(rgb.shape[:2]) < side:
        rgb = resized(rgb, side / min(rgb.shape[:2]) + 1e-6)
    height, width = rgb.shape[:2]
    top, left = (height - side) // 2, (width - side) // 2
    if rng is not None:
        top, left = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    return np.ascontiguousarray(rgb[top : top + side, left : left + side])
