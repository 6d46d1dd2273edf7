"""Pictures edited on purpose: a part pasted in, copied, filled or blended, with the mask of what was touched.

Everything is luma, float32, (H, W), 0…255. The pasted part has a history of its own (an earlier JPEG on another grid,
another resampling), because that, and not what is shown, is what a later examination can find. Both classes are
published in the same way (`published`), so that no codec or size gives an edited picture away.

Self-blending follows Shiohara & Yamasaki, “Detecting Deepfakes with Self-Blended Images” (CVPR 2022): source and target
are the same picture, one of them slightly changed.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy import ndimage

Luma = npt.NDArray[np.float32]
Mask = npt.NDArray[np.float32]
Random = np.random.Generator

KINDS = ("splice", "copy_move", "fill", "self_blend")
MOVED = "moved"  # a copy-move without anything else, made to measure with and not to train
SMALLEST, LARGEST = 0.02, 0.25  # share of the picture that an edit covers
MARGIN = 8  # pixels more than asked for, so that a JPEG grid can start anywhere


@dataclass(frozen=True)
class Edited:
    """luma: (H, W). mask: (H, W), 0…1, how much of each pixel is new; all zero for an untouched picture."""

    luma: Luma
    mask: Mask


def edited(host: Luma, donor: Luma, kind: str, rng: Random) -> Edited:
    """`host` with one edit of this kind. host, donor: at least 64 pixels a side and of equal shape; from `donor` only a
    splice takes anything. Raises KeyError for an unknown kind."""
    shape = (host.shape[0], host.shape[1])
    mask = feathered(blob(shape, rng), rng)
    part = _PARTS[kind](host, donor, mask, rng)
    return Edited(np.asarray(host + mask * (part - host), np.float32).clip(0, 255), mask)


def untouched(host: Luma) -> Edited:
    return Edited(host, np.zeros_like(host))


def blob(shape: tuple[int, int], rng: Random) -> Mask:
    """One closed shape with a wavy outline that covers about SMALLEST…LARGEST of the picture: (H, W), 0 or 1."""
    height, width = shape
    area = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(LARGEST)))) * height * width
    stretch = float(rng.uniform(0.6, 1.7))
    radius = np.sqrt(area / np.pi)
    across, down = radius * np.sqrt(stretch), radius / np.sqrt(stretch)
    # Anywhere, also over the border: a network must not learn that edits are in the middle.
    centre = (rng.uniform(0, width), rng.uniform(0, height))
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    waves = sum(rng.normal(0, 0.12 / k) * np.cos(k * angles + rng.uniform(0, 6.3)) for k in range(2, 6))
    reach = 1 + np.asarray(waves)
    outline = zip(centre[0] + across * reach * np.cos(angles), centre[1] + down * reach * np.sin(angles), strict=True)
    canvas = Image.new("L", (width, height))
    ImageDraw.Draw(canvas).polygon([(float(x), float(y)) for x, y in outline], fill=1)
    return np.asarray(canvas, np.float32)


def feathered(mask: Mask, rng: Random) -> Mask:
    """The mask with a soft edge, and sometimes not fully opaque."""
    soft = ndimage.gaussian_filter(mask, rng.uniform(0.4, 2.5))
    return np.asarray(soft * rng.uniform(0.75, 1.0), np.float32)


def aged(luma: Luma, rng: Random, least: int = 50) -> Luma:
    """The same picture after a life of its own: sometimes resampled, often saved as JPEG on a grid that starts
    anywhere. Same shape."""
    height, width = luma.shape
    if rng.random() < 0.4:
        luma = resized(resized(luma, float(rng.uniform(0.55, 0.95))), to=(height, width))
    if rng.random() < 0.75:
        top, left = rng.integers(0, MARGIN, 2)
        room = np.pad(luma, ((top, MARGIN - top), (left, MARGIN - left)), mode="reflect")
        luma = as_jpeg(room, int(rng.integers(least, 96)))[top : top + height, left : left + width]
    return luma


def published(picture: Edited, rng: Random) -> Edited:
    """How a picture reaches an office: resized, or softened, and usually saved as JPEG. The mask follows."""
    luma, mask = picture.luma, picture.mask
    if rng.random() < 0.3:
        shape = (luma.shape[0], luma.shape[1])
        scale = float(rng.uniform(0.7, 0.95))
        luma = resized(resized(luma, scale), to=shape)
    if rng.random() < 0.1:
        luma = np.asarray(ndimage.gaussian_filter(luma, rng.uniform(0.4, 0.9)), np.float32)
    if rng.random() < 0.7:
        luma = as_jpeg(luma, int(rng.integers(60, 97)))
    return Edited(luma.round(), mask)


def as_jpeg(luma: Luma, quality: int) -> Luma:
    buffer = io.BytesIO()
    _image(luma).save(buffer, "JPEG", quality=quality)
    with Image.open(buffer) as image:
        return np.asarray(image, np.float32)


def resized(luma: Luma, scale: float = 1.0, *, to: tuple[int, int] | None = None) -> Luma:
    """Bicubic; `to` is (height, width)."""
    height, width = to or (round(luma.shape[0] * scale), round(luma.shape[1] * scale))
    image = Image.fromarray(luma).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32).clip(0, 255)


def _image(luma: Luma) -> Image.Image:
    return Image.fromarray(luma.round().clip(0, 255).astype(np.uint8))


def _pasted(host: Luma, donor: Luma, mask: Mask, rng: Random) -> Luma:
    """Part of another picture, brought near to the brightness of the place it goes to."""
    part = aged(donor, rng)
    inside = mask > 0.3
    if inside.any() and rng.random() < 0.5:
        part = part + (float(host[inside].mean()) - float(part[inside].mean())) * float(rng.uniform(0.3, 1))
    return np.asarray(part, np.float32)


def _copied(host: Luma, donor: Luma, mask: Mask, rng: Random) -> Luma:
    """Another part of the same picture: moved, at times mirrored or resampled a little."""
    height, width = host.shape
    part = host[:, ::-1] if rng.random() < 0.25 else host
    if rng.random() < 0.6:
        scale = float(rng.uniform(1.02, 1.3))
        larger = resized(np.ascontiguousarray(part), scale)
        top, left = ((larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2)
        part = larger[top : top + height, left : left + width]
    shift = [int(rng.integers(side // 4, 3 * side // 4)) for side in (height, width)]
    return np.roll(part, shift, (0, 1))


def _moved(host: Luma, donor: Luma, mask: Mask, rng: Random) -> Luma:
    """Another part of the same picture, as it is."""
    return np.roll(host, [int(rng.integers(side // 4, 3 * side // 4)) for side in host.shape], (0, 1))


def _filled(host: Luma, donor: Luma, mask: Mask, rng: Random) -> Luma:
    """What removing an object leaves: the surroundings run in, bare, with made-up grain, or with grain from nearby."""
    smooth = run_in(host, mask > 0.05)
    choice = rng.integers(0, 3)
    if choice == 0:
        return smooth
    grain = host - np.asarray(ndimage.gaussian_filter(host, 1.5), np.float32)
    if choice == 1:
        noise = rng.normal(0, max(float(grain[mask <= 0.05].std()), 0.5) * 0.7, host.shape)
        return np.asarray(smooth + ndimage.gaussian_filter(noise, 0.5) * 1.5, np.float32)
    shift = (int(rng.integers(12, 40)), int(rng.integers(12, 40)))
    return np.asarray(smooth + np.roll(grain, shift, (0, 1)), np.float32)


def _self_blended(host: Luma, donor: Luma, mask: Mask, rng: Random) -> Luma:
    """The same picture, slightly changed in tone, sharpness, history and place."""
    part = aged(host, rng) if rng.random() < 0.7 else host
    if rng.random() < 0.5:
        part = np.asarray(ndimage.gaussian_filter(part, rng.uniform(0.4, 1.2)), np.float32)
    elif rng.random() < 0.6:
        part = part + float(rng.uniform(0.5, 1.5)) * (part - ndimage.gaussian_filter(part, 1.0))
    gain, lift = float(rng.uniform(0.88, 1.14)), float(rng.uniform(-10, 10))
    return np.asarray(ndimage.shift(part * gain + lift, rng.uniform(-2, 2, 2), order=1, mode="nearest"), np.float32)


def run_in(luma: Luma, hole: npt.NDArray[np.bool_]) -> Luma:
    """`luma` with the hole filled from its border, by averaging over ever coarser grids and back (push–pull: Gortler et
    al., “The Lumigraph”, SIGGRAPH 1996, section 3.4.1)."""
    weight = np.where(hole, 0.0, 1.0).astype(np.float32)
    return np.asarray(np.where(hole, _pull(luma * weight, weight), luma), np.float32)


def _pull(total: Luma, weight: Luma) -> Luma:
    """total: sum of known values, weight: how many; both (H, W). A value for every place: (H, W)."""
    if min(total.shape) <= 2 or weight.min() > 0:
        return np.asarray(
            total.sum() / max(float(weight.sum()), 1e-6) * (weight <= 0) + _mean(total, weight), np.float32
        )
    height, width = total.shape
    coarse = _pull(_halved(total), _halved(weight))
    up = ndimage.zoom(coarse, 2, order=1, mode="nearest", grid_mode=True)[:height, :width]
    return np.asarray(np.where(weight > 0, _mean(total, weight), up), np.float32)


def _mean(total: Luma, weight: Luma) -> Luma:
    return np.asarray(np.where(weight > 0, total / np.maximum(weight, 1e-6), 0), np.float32)


def _halved(values: Luma) -> Luma:
    height, width = values.shape
    room = np.pad(values, ((0, height % 2), (0, width % 2)))
    return np.asarray(room.reshape(room.shape[0] // 2, 2, room.shape[1] // 2, 2).sum((1, 3)), np.float32)


_PARTS: Mapping[str, Callable[[Luma, Luma, Mask, Random], Luma]] = {
    "splice": _pasted,
    "copy_move": _copied,
    MOVED: _moved,
    "fill": _filled,
    "self_blend": _self_blended,
}
