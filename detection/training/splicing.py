"""Pictures edited on purpose: a part pasted in, copied, filled or blended, with the mask of what was touched.

A picture is float32, (H, W, 3) RGB or (H, W) luma, 0…255; a mask (H, W), 0…1. The pasted part has a history of its own
(an earlier JPEG on another grid, another resampling), because that, and not what is shown, is what a later examination
can find. Both classes are published in the same way (`published`), so that no codec or size gives an edited picture
away.

Self-blending follows Shiohara & Yamasaki, “Detecting Deepfakes with Self-Blended Images” (CVPR 2022): source and target
are the same picture, one of them slightly changed.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

Pixels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Random = np.random.Generator

KINDS = ("splice", "copy_move", "fill", "self_blend")
CUT_OUT = "cut_out"  # a splice of an object with soft transparency of its own
MOVED = "moved"  # a copy-move without anything else, made to measure with and not to train
TURNED = "turned"  # a copy-move that is also turned or resized, made to measure with
SMALLEST, LARGEST = 0.02, 0.25  # share of the picture that an edit covers
MARGIN = 8  # pixels more than asked for, so that a JPEG grid can start anywhere
REDUCED = (0.72, 0.97)  # by how much pictures are made smaller when published


@dataclass(frozen=True)
class Edited:
    """pixels: (H, W) or (H, W, 3). mask: (H, W), 0…1, how much of each pixel is new; all zero if untouched."""

    pixels: Pixels
    mask: Mask


@dataclass(frozen=True)
class CutOut:
    """An object by itself. pixels: (h, w, 3) RGB. alpha: (h, w), 0…1."""

    pixels: Pixels
    alpha: Mask


def edited(host: Pixels, donor: Pixels, kind: str, rng: Random) -> Edited:
    """`host` with one edit of this kind. host, donor: at least 64 pixels a side and of equal shape; from `donor` only a
    splice takes anything. Raises KeyError for an unknown kind."""
    shape = (host.shape[0], host.shape[1])
    mask = feathered(outline(shape, rng), rng)
    return blended(host, _PARTS[kind](host, donor, mask, rng), mask)


def with_object(host: Pixels, cut: CutOut, rng: Random) -> Edited:
    """`host` (H, W, 3) with the object somewhere on it, mostly inside, at 2 % to 25 % of its area as far as it has the
    pixels."""
    height, width = host.shape[:2]
    area = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * height * width
    scale = float(np.clip(np.sqrt(area / max(float(cut.alpha.sum()), 1.0)), 0.1, 1.3))
    size = (max(8, round(cut.alpha.shape[0] * scale)), max(8, round(cut.alpha.shape[1] * scale)))
    turned = slice(None, None, -1 if rng.random() < 0.5 else 1)
    part = resized(cut.pixels, to=size)[:, turned]
    alpha = _share(resized(cut.alpha * 255, to=size)[:, turned])
    top, left = (
        int(rng.integers(-side // 4, max(edge - side * 3 // 4, 1)))
        for side, edge in zip(size, (height, width), strict=True)
    )
    inside = _placed(aged(part, rng), (height, width), top, left)
    mask = _placed(alpha, (height, width), top, left)
    return blended(host, _near_in_tone(host, inside, mask, rng), mask)


def blended(host: Pixels, part: Pixels, mask: Mask) -> Edited:
    weight = _over(mask, host)
    return Edited(np.asarray(host + weight * (part - host), np.float32).clip(0, 255), mask)


def untouched(host: Pixels) -> Edited:
    return Edited(host, np.zeros(host.shape[:2], np.float32))


def outline(shape: tuple[int, int], rng: Random) -> Mask:
    """A wavy blob, or a rectangle or ellipse: what a selection tool gives. (H, W), 0 or 1."""
    return blob(shape, rng, waves=0.12) if rng.random() < 0.7 else _simple(shape, rng)


def _simple(shape: tuple[int, int], rng: Random) -> Mask:
    height, width = shape
    area = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * height * width
    stretch = float(rng.uniform(0.6, 1.7))
    across, down = np.sqrt(area * stretch) / 2, np.sqrt(area / stretch) / 2
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    canvas = Image.new("L", (width, height))
    draw = ImageDraw.Draw(canvas)
    (draw.rectangle if rng.random() < 0.5 else draw.ellipse)((x - across, y - down, x + across, y + down), fill=1)
    return np.asarray(canvas, np.float32)


def blob(shape: tuple[int, int], rng: Random, waves: float = 0.12) -> Mask:
    """One closed shape with a wavy outline that covers about SMALLEST…LARGEST of the picture: (H, W), 0 or 1."""
    height, width = shape
    area = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * height * width
    stretch = float(rng.uniform(0.6, 1.7))
    radius = np.sqrt(area / np.pi)
    across, down = radius * np.sqrt(stretch), radius / np.sqrt(stretch)
    # Anywhere, also over the border: a network must not learn that edits are in the middle.
    centre = (rng.uniform(0, width), rng.uniform(0, height))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wavy = sum(rng.normal(0, waves / k) * np.cos(k * angles + rng.uniform(0, 6.3)) for k in range(2, 6))
    reach = 1 + np.asarray(wavy)
    corners = zip(centre[0] + across * reach * np.cos(angles), centre[1] + down * reach * np.sin(angles), strict=True)
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in corners], fill=1)
    return np.asarray(canvas, np.float32)


def feathered(mask: Mask, rng: Random) -> Mask:
    """The mask with a soft edge, and sometimes not fully opaque."""
    soft = ndimage.gaussian_filter(mask, rng.uniform(0.4, 2.5))
    return np.asarray(soft * rng.uniform(0.75, 1.0), np.float32)


def aged(pixels: Pixels, rng: Random, least: int = 50) -> Pixels:
    """The same picture after a life of its own: sometimes resampled, often saved as JPEG on a grid that starts
    anywhere. Same shape."""
    height, width = pixels.shape[:2]
    if rng.random() < 0.4:
        pixels = resized(resized(pixels, float(rng.uniform(0.55, 0.95))), to=(height, width))
    if rng.random() < 0.75:
        top, left = rng.integers(0, MARGIN, 2)
        edges = ((top, MARGIN - top), (left, MARGIN - left), (0, 0))
        room = np.pad(pixels, edges[: pixels.ndim], mode="reflect")
        saved = as_jpeg(room, int(rng.integers(least, 96)), subsampling=int(rng.choice([0, 2])))
        pixels = saved[top : top + height, left : left + width]
    return pixels


@dataclass(frozen=True)
class Publishing:
    """How one picture reaches an office. factor: of both sides; softness: in pixels; quality: of a JPEG, 0 for none."""

    factor: float
    softness: float
    quality: int

    def before(self, side: int) -> int:
        """The side that a picture must have to be published with `side` pixels."""
        return int(np.ceil(side / self.factor))


def drawn_publishing(rng: Random) -> Publishing:
    """A third as a social network does it, a third as it is or saved again, a third anything between."""
    choice = rng.random()
    if choice < 0.35:
        return Publishing(0.8, 0, int(rng.integers(70, 81)))
    if choice < 0.6:
        return Publishing(1.0, 0, 0 if rng.random() < 0.5 else int(rng.integers(65, 97)))
    softness = float(rng.uniform(0.4, 0.9)) if rng.random() < 0.15 else 0.0
    factor = float(rng.uniform(*REDUCED)) if rng.random() < 0.6 else 1.0
    return Publishing(factor, softness, int(rng.integers(60, 97)) if rng.random() < 0.85 else 0)


def published(picture: Edited, how: Publishing, side: int) -> Edited:
    """With `side` pixels a side, in whole grey levels. The mask follows."""
    pixels, mask = picture.pixels, picture.mask
    if pixels.shape[:2] != (side, side):
        pixels, mask = resized(pixels, to=(side, side)), _share(resized(mask * 255, to=(side, side)))
    if how.softness:
        pixels = _softened(pixels, how.softness)
    if how.quality:
        pixels = as_jpeg(pixels, how.quality)
    return Edited(pixels.round().clip(0, 255), mask)


def as_jpeg(pixels: Pixels, quality: int, *, subsampling: int = 2) -> Pixels:
    buffer = io.BytesIO()
    _image(pixels).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    with Image.open(buffer) as image:
        return np.asarray(image, np.float32)


def resized(pixels: Pixels, scale: float = 1.0, *, to: tuple[int, int] | None = None) -> Pixels:
    """Bicubic; `to` is (height, width). Colour is rounded to whole levels first, as in a file."""
    height, width = to or (round(pixels.shape[0] * scale), round(pixels.shape[1] * scale))
    image = _image(pixels) if pixels.ndim == 3 else Image.fromarray(pixels)
    return np.asarray(image.resize((width, height), Image.Resampling.BICUBIC), np.float32).clip(0, 255)


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def _share(levels: Pixels) -> Mask:
    return np.asarray(levels / 255, np.float32)


def _over(mask: npt.NDArray[Any], pixels: Pixels) -> npt.NDArray[Any]:
    """The mask with as many axes as the picture."""
    return mask[..., None] if pixels.ndim == 3 else mask


def _softened(pixels: Pixels, sigma: float) -> Pixels:
    return np.asarray(ndimage.gaussian_filter(pixels, (sigma, sigma, 0)[: pixels.ndim]), np.float32)


def _placed(part: Pixels, shape: tuple[int, int], top: int, left: int) -> Pixels:
    """`part` on an empty canvas; what lies outside is cut off."""
    canvas = np.zeros((*shape, *part.shape[2:]), np.float32)
    high, wide = part.shape[:2]
    rows, columns = slice(max(top, 0), min(top + high, shape[0])), slice(max(left, 0), min(left + wide, shape[1]))
    canvas[rows, columns] = part[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    return canvas


def _pasted(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """Part of another picture, at times brought near to the tone of the place it goes to."""
    return _near_in_tone(host, aged(donor, rng), mask, rng)


def _near_in_tone(host: Pixels, part: Pixels, mask: Mask, rng: Random) -> Pixels:
    inside = mask > 0.3
    if inside.any() and rng.random() < 0.5:
        part = part + (host[inside].mean(axis=0) - part[inside].mean(axis=0)) * float(rng.uniform(0.3, 1))
    return np.asarray(part, np.float32)


def _copied(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """Another part of the same picture: moved, at times mirrored or resampled a little."""
    height, width = host.shape[:2]
    part = host[:, ::-1] if rng.random() < 0.25 else host
    if rng.random() < 0.6:
        scale = float(rng.uniform(1.02, 1.3))
        larger = resized(np.ascontiguousarray(part), scale)
        top, left = ((larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2)
        part = larger[top : top + height, left : left + width]
    return _shifted(part, rng)


def _moved(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """Another part of the same picture, as it is."""
    return _shifted(host, rng)


def _turned(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """Another part of the same picture, turned by up to 30 degrees and resized by up to a fifth."""
    height, width = host.shape[:2]
    turn, scale = float(rng.uniform(-30, 30)), float(rng.uniform(0.8, 1.2))
    image = _image(host).rotate(turn, Image.Resampling.BICUBIC)
    size = (round(width * scale), round(height * scale))
    part = np.asarray(image.resize(size, Image.Resampling.BICUBIC), np.float32)
    canvas = host.copy()
    top, left = (height - part.shape[0]) // 2, (width - part.shape[1]) // 2
    placed = _placed(part, (height, width), top, left)
    there = _placed(np.ones(part.shape[:2], np.float32), (height, width), top, left) > 0
    canvas[there] = placed[there]
    return _shifted(canvas, rng)


def _shifted(pixels: Pixels, rng: Random) -> Pixels:
    return np.roll(pixels, [int(rng.integers(side // 4, 3 * side // 4)) for side in pixels.shape[:2]], (0, 1))


def _filled(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """What removing an object leaves: the surroundings run in, bare, with made-up grain, or with grain from nearby."""
    hole = mask > 0.05
    smooth = run_in(host, hole) if rng.random() < 0.5 else diffused(host, hole)
    choice = rng.integers(0, 3)
    if choice == 0:
        return smooth
    grain = host - _softened(host, 1.5)
    if choice == 1:
        noise = rng.normal(0, max(float(grain[~hole].std()), 0.5) * 0.7, host.shape)
        return np.asarray(smooth + _softened(np.asarray(noise, np.float32), 0.5) * 1.5, np.float32)
    shift = (int(rng.integers(12, 40)), int(rng.integers(12, 40)))
    return np.asarray(smooth + np.roll(grain, shift, (0, 1)), np.float32)


def _self_blended(host: Pixels, donor: Pixels, mask: Mask, rng: Random) -> Pixels:
    """The same picture, slightly changed in tone, sharpness, history and place."""
    part = aged(host, rng) if rng.random() < 0.7 else host
    if rng.random() < 0.5:
        part = _softened(part, float(rng.uniform(0.4, 1.2)))
    elif rng.random() < 0.6:
        part = part + float(rng.uniform(0.5, 1.5)) * (part - _softened(part, 1.0))
    gain, lift = float(rng.uniform(0.88, 1.14)), float(rng.uniform(-10, 10))
    if host.ndim == 3:  # a tint as well
        part = part + rng.uniform(-6, 6, 3).astype(np.float32)
    away = (*rng.uniform(-2, 2, 2), 0)[: host.ndim]
    return np.asarray(ndimage.shift(part * gain + lift, away, order=1, mode="nearest"), np.float32)


def diffused(pixels: Pixels, hole: npt.NDArray[np.bool_], steps: int = 60) -> Pixels:
    """`pixels` with the hole filled by diffusion from its border (Bertalmio et al., “Image Inpainting”, SIGGRAPH 2000,
    without the transport of edges), begun from `run_in`."""
    filled, inside = run_in(pixels, hole), _over(hole, pixels)
    size = (3, 3, 1)[: pixels.ndim]
    for _ in range(steps):
        filled = np.where(inside, ndimage.uniform_filter(filled, size), pixels)
    return np.asarray(filled, np.float32)


def run_in(pixels: Pixels, hole: npt.NDArray[np.bool_]) -> Pixels:
    """`pixels` with the hole filled from its border, by averaging over ever coarser grids and back (push–pull: Gortler
    et al., “The Lumigraph”, SIGGRAPH 1996, section 3.4.1)."""
    if pixels.ndim == 3:
        return np.stack([run_in(pixels[..., plane], hole) for plane in range(pixels.shape[2])], axis=2)
    weight = np.where(hole, 0.0, 1.0).astype(np.float32)
    return np.asarray(np.where(hole, _pull(pixels * weight, weight), pixels), np.float32)


def _pull(total: Pixels, weight: Pixels) -> Pixels:
    """total: sum of known values, weight: how many; both (H, W). A value for every place: (H, W)."""
    if min(total.shape) <= 2 or weight.min() > 0:
        return np.asarray(
            total.sum() / max(float(weight.sum()), 1e-6) * (weight <= 0) + _mean(total, weight), np.float32
        )
    height, width = total.shape
    coarse = _pull(_halved(total), _halved(weight))
    up = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)[:height, :width]
    return np.asarray(np.where(weight > 0, _mean(total, weight), up), np.float32)


def _mean(total: Pixels, weight: Pixels) -> Pixels:
    return np.asarray(np.where(weight > 0, total / np.maximum(weight, 1e-6), 0), np.float32)


def _halved(values: Pixels) -> Pixels:
    height, width = values.shape
    room = np.pad(values, ((0, height % 2), (0, width % 2)))
    return np.asarray(room.reshape(room.shape[0] // 2, 2, room.shape[1] // 2, 2).sum((1, 3)), np.float32)


_PARTS: Mapping[str, Callable[[Pixels, Pixels, Mask, Random], Pixels]] = {
    "splice": _pasted,
    "copy_move": _copied,
    MOVED: _moved,
    TURNED: _turned,
    "fill": _filled,
    "self_blend": _self_blended,
}
