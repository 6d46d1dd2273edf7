"""Photographs made of numbers, and what happens to photographs on their way through the web.

`photograph(seed)` has what likeness is told by: large shapes before a graded sky, texture like that of ground and
clouds (noise that is strong in the large and weak in the small), light from one side, a vignette, grain.
"""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageOps

Floats = npt.NDArray[np.float64]
Change = Callable[[Image.Image], Image.Image]


def photograph(seed: int, width: int = 840, height: int = 560) -> Image.Image:
    rng = np.random.default_rng([seed, 2026])
    picture = _sky(rng, width, height)
    texture = 40 * (_noise(rng, width, height, 1.1)[..., None] - 0.5)
    for _ in range(int(rng.integers(4, 9))):
        picture = _with_shape(rng, picture, texture)
    light = 1 + 0.5 * (_noise(rng, width, height, 1.3)[..., None] - 0.5)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - 0.18 * (x**2 + y**2)[..., None]
    grain = rng.normal(0, 2.0, (height, width, 1))
    return Image.fromarray(np.clip(picture * light * vignette + grain, 0, 255).astype(np.uint8))


def _sky(rng: np.random.Generator, width: int, height: int) -> Floats:
    """Two colours into each other in some direction, with clouds."""
    one, other = rng.uniform(30, 230, (2, 3))
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    along = (np.cos(angle) * x + np.sin(angle) * y)[..., None]
    graded = one + (other - one) * (along - along.min()) / np.ptp(along)
    clouds: Floats = graded + rng.uniform(30, 90) * (_noise(rng, width, height, 1.4)[..., None] - 0.5)
    return clouds


def _noise(rng: np.random.Generator, width: int, height: int, fall: float) -> Floats:
    """Noise whose strength falls with frequency, 0 to 1."""
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    frequency = np.hypot(x, y * height / width)
    frequency[0, 0] = 1
    spectrum = rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)
    values = np.fft.irfft2(spectrum / frequency**fall, (height, width))
    scaled: Floats = (values - values.min()) / np.ptp(values)
    return scaled


def _with_shape(rng: np.random.Generator, picture: Floats, texture: Floats) -> Floats:
    """A thing in the picture: an ellipse or a polygon in one colour, not smooth."""
    height, width = picture.shape[:2]
    mask = Image.new("L", (width, height))
    pen = ImageDraw.Draw(mask)
    centre = rng.uniform(0, 1, 2) * (width, height)
    size = rng.uniform(0.08, 0.35) * height
    if rng.random() < 0.5:
        reach = size * rng.uniform(0.5, 1.5, 2)
        pen.ellipse([*(centre - reach), *(centre + reach)], fill=255)
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        corners = centre + size * rng.uniform(0.6, 1.4, (len(angles), 1)) * np.c_[np.cos(angles), np.sin(angles)]
        pen.polygon([tuple(corner) for corner in corners], fill=255)
    share = np.asarray(mask, dtype=np.float64)[..., None] / 255
    own = np.roll(texture, rng.integers(0, height, 2), axis=(0, 1))
    shaped: Floats = picture * (1 - share) + (rng.uniform(10, 245, 3) + own) * share
    return shaped


# --- What happens to photographs -----------------------------------------------------------------------------------


def jpeg(quality: int) -> Change:
    def change(picture: Image.Image) -> Image.Image:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        return Image.open(io.BytesIO(out.getvalue())).convert("RGB")

    return change


def resized(share: float) -> Change:
    return lambda picture: picture.resize((round(picture.width * share), round(picture.height * share)))


def tight_screenshot(picture: Image.Image) -> Image.Image:
    """The picture as a screen showed it, cut out with a pixel too many here and there, a little brighter."""
    shown = resized(0.83)(picture).point(lambda level: min(255, round(255 * (level / 255) ** 0.92)))
    return shown.crop((1, 2, shown.width - 2, shown.height - 1))


def captioned(below: bool) -> Change:
    """A bar with words over the lowest 15 % (dark) or the highest (light)."""
    ground, ink = ((20, 20, 24), "white") if below else ((246, 246, 240), "black")

    def change(picture: Image.Image) -> Image.Image:
        captioned = picture.copy()
        pen = ImageDraw.Draw(captioned)
        height = round(picture.height * 0.15)
        top = picture.height - height if below else 0
        pen.rectangle((0, top, picture.width, top + height), fill=ground)
        pen.text((picture.width * 0.04, top + height * 0.2), "WHAT REALLY HAPPENED", fill=ink, font_size=height * 0.5)
        return captioned

    return change


def cropped(share: float) -> Change:
    """`share` of the width and of the height is gone, half of it on each side."""

    def change(picture: Image.Image) -> Image.Image:
        left, top = round(picture.width * share / 2), round(picture.height * share / 2)
        return picture.crop((left, top, picture.width - left, picture.height - top))

    return change


def cropped_left(picture: Image.Image) -> Image.Image:
    """A tenth is gone on the left."""
    return picture.crop((round(picture.width * 0.1), 0, picture.width, picture.height))


def turned(degrees: int) -> Change:
    """Clockwise."""
    return lambda picture: picture.rotate(-degrees, expand=True)


def mirrored(picture: Image.Image) -> Image.Image:
    return ImageOps.mirror(picture)


def on_paper(picture: Image.Image) -> Image.Image:
    """With a broad light border, more below, that is not quite even."""
    rng = np.random.default_rng(picture.width)
    paper = rng.integers(228, 236, (picture.height + 200, picture.width + 120, 1), dtype=np.uint8)
    shown = Image.fromarray(np.repeat(paper, 3, axis=2))
    shown.paste(picture, (60, 40))
    return shown


def in_a_browser(picture: Image.Image) -> Image.Image:
    """A screenshot with the frame of a browser around the picture: a tenth on each side, not even."""
    rng = np.random.default_rng(picture.width)
    frame = rng.integers(0, 255, (picture.height * 10 // 8, picture.width * 10 // 8, 3), dtype=np.uint8)
    shown = Image.fromarray(frame)
    shown.paste(picture, ((shown.width - picture.width) // 2, (shown.height - picture.height) // 2))
    return shown
