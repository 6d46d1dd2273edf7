"""Decoding pictures: pure functions on untrusted bytes, run in guarded children only.

A picture is decoded with all its frames before it is let in, so that half a file is refused; the preview and the
fingerprints are of the first frame.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pillow_heif
import pillow_jxl  # noqa: F401 - registers JPEG XL with Pillow
from PIL import Image, ImageCms, ImageOps

from core.problems import Problem
from provenance import containers, fingerprints, media

PREVIEW_EDGE = 960  # pixels

pillow_heif.register_heif_opener(thumbnails=False)
# check_dimensions and check_pixels have the limit that counts, before pixels are decoded; Pillow's own only warns.
Image.MAX_IMAGE_PIXELS = None

_FORMATS = {
    media.JPEG: ("JPEG",), media.PNG: ("PNG",), media.WEBP: ("WEBP",), media.TIFF: ("TIFF",), media.GIF: ("GIF",),
    media.AVIF: ("AVIF",), media.HEIC: ("HEIF",), media.JXL: ("JXL",), media.BMP: ("BMP",),
}  # fmt: skip
# Formats whose further frames belong to the picture. A JPEG may carry others (MPF previews, gain maps): they do not.
_MOVING = {media.PNG, media.WEBP, media.TIFF, media.GIF, media.AVIF}


def describe(picture: Image.Image, *, preview: str, search: bool) -> dict[str, Any]:
    """See provenance.parsing.describe. picture: as `decode` gives it."""
    codes, queries = codes_of(picture, search=search)
    return {
        "kind": "image",
        "width": picture.width,
        "height": picture.height,
        "seconds": None,
        "preview": write_preview(picture, preview),
        "fingerprints": codes,
        "queries": queries,
    }


def codes_of(picture: Image.Image, *, search: bool) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """Its fingerprints and, to search with, those of what it may have been made of, as hex."""
    codes = {name: code.hex() for name, code in fingerprints.of_image(picture).items()}
    found = fingerprints.queries(picture) if search else {}
    return codes, {name: [(how, code.hex()) for how, code in those] for name, those in found.items()}


def decode(path: Path, media_type: str, *, max_pixels: int) -> Image.Image:
    """The picture as shown: in sRGB where it names another profile, upright. Every frame of it has been decoded.

    Raises Problem media.truncated, media.no_pixels, media.too_many_pixels or media.too_many_frames.
    """
    containers.check_dimensions(path, media_type, max_pixels=max_pixels)
    with _decoding(media_type), Image.open(path, formats=_FORMATS[media_type]) as opened:
        media.check_pixels(*opened.size, max_pixels=max_pixels)
        opened.load()
        picture = _in_srgb(opened)
        picture = picture.copy() if _is_upright(opened) else ImageOps.exif_transpose(picture)
        if media_type in _MOVING:
            _decode_others(opened, max_pixels)
    return picture


def _is_upright(opened: Image.Image) -> bool:
    """Whether the decoder has turned the picture itself: HEIF and JPEG XL keep the orientation apart from EXIF, which
    does not count then. A JPEG packed into JPEG XL comes out as the JPEG it was.
    """
    return opened.format == "HEIF" or (opened.format == "JXL" and not getattr(opened, "jpeg", False))


@contextmanager
def _decoding(media_type: str) -> Iterator[None]:
    """What decoders raise for broken files becomes one Problem, and what they print is not for our log."""
    try:
        with _unheard():
            yield
    except Problem:
        raise
    except Exception as error:  # Pillow's readers raise whatever the bytes make them
        raise media.truncated(media.name_of(media_type)) from error


@contextmanager
def _unheard() -> Iterator[None]:
    """libtiff writes a line for every strip it cannot read, and Pillow warns; a hostile file has any number of them."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _decode_others(opened: Image.Image, max_pixels: int) -> None:
    """Every frame after the first. Pages of a TIFF have sizes of their own."""
    count, pixels = getattr(opened, "n_frames", 1), opened.width * opened.height
    _check_frames(count, count * pixels if opened.format != "TIFF" else pixels)
    for number in range(1, count):
        opened.seek(number)
        media.check_pixels(*opened.size, max_pixels=max_pixels)
        pixels += opened.width * opened.height
        _check_frames(count, pixels)
        opened.load()


def _check_frames(count: int, pixels: int) -> None:
    media.check_frames(count, pixels, max_frames=containers.MAX_FRAMES, max_pixels=containers.MAX_FRAME_PIXELS)


def _in_srgb(picture: Image.Image) -> Image.Image:
    """A preview loses its colour profile with all other metadata, so the colours are converted first."""
    profile = picture.info.get("icc_profile")
    if not profile or picture.mode not in ("RGB", "CMYK", "L"):
        return picture
    try:
        source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture  # a broken profile: every viewer shows the plain values too
    if converted is None:
        return picture
    converted.info.update({key: value for key, value in picture.info.items() if key == "exif"})
    return converted


def write_preview(picture: Image.Image, target: str) -> dict[str, int]:
    """A JPEG of at most 960 pixels a side, without any metadata. Returns its width and height."""
    shown = flat_rgb(picture)
    shown.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE), Image.Resampling.LANCZOS)
    shown.save(target, "JPEG", quality=82, progressive=True, optimize=True)
    return {"width": shown.width, "height": shown.height}


def flat_rgb(picture: Image.Image) -> Image.Image:
    """A new RGB picture on white, with nothing of the file but its pixels."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        ground.alpha_composite(rgba)
        picture = ground
    clean = Image.new("RGB", picture.size)
    clean.paste(picture.convert("RGB"))
    return clean
