"""Everything that touches untrusted bytes: pure functions, run in guarded children only (provenance.guarded).

No Django, no database, no keys: paths and JSON go in, JSON comes out, a `Problem` says in words what is wrong.
"""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import iscc_lib
import numpy as np
from PIL import Image, ImageChops, ImageCms, ImageOps, UnidentifiedImageError

from core.problems import Problem
from provenance import c2pa, media

PREVIEW_EDGE = 960  # pixels
MAX_TRACKS = 16
FIRST_FRAMES = 8
# A picture with less contrast than this (standard deviation of 8-bit grey) has no fingerprint: all flat pictures
# would look like one another.
FLAT = 2.0

_FORMATS = {media.JPEG: ("JPEG",), media.PNG: ("PNG",), media.WEBP: ("WEBP",)}
# media.check_dimensions has the limit that counts and has read it from the header; Pillow's own only warns.
Image.MAX_IMAGE_PIXELS = None


def describe(path: str, media_type: str, *, preview: str, max_pixels: int, max_seconds: int) -> dict[str, Any]:
    """Decode the file completely (a video: its first frames), write a preview, compute fingerprints.

    preview: where a JPEG of at most 960 pixels a side, without any metadata, is written.
    Returns {"kind": image|video, "width", "height": pixels as shown, "seconds": str|None,
    "preview": {"width", "height"}, "fingerprints": {algorithm: hex}}. Raises Problem.
    """
    source = Path(path)
    if media_type == media.MP4:
        picture, facts = _decode_video(source, max_pixels=max_pixels, max_seconds=max_seconds)
    else:
        picture, facts = _decode_image(source, media_type, max_pixels=max_pixels)
    shown = _flat_rgb(picture)
    shown.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE), Image.Resampling.LANCZOS)
    shown.save(preview, "JPEG", quality=82, progressive=True, optimize=True)
    size = {"width": shown.width, "height": shown.height}
    return {**facts, "preview": size, "fingerprints": fingerprints(picture)}


def read_credential(path: str, media_type: str, *, anchors: dict[str, str]) -> dict[str, Any]:
    """See provenance.c2pa.read."""
    return c2pa.read(Path(path), media_type, anchors=anchors)


def sign(
    path: str,
    target: str,
    media_type: str,
    *,
    manifest: dict[str, Any],
    ingredient: dict[str, Any] | None,
    anchors: dict[str, str],
    chain: str,
    ask: Callable[[bytes], bytes],
) -> dict[str, Any]:
    """See provenance.c2pa.sign. Returns {"store": hex of the JUMBF bytes}."""
    store = c2pa.sign(
        Path(path),
        Path(target),
        media_type,
        manifest=manifest,
        ingredient=ingredient,
        anchors=anchors,
        chain=chain,
        ask=ask,
    )
    return {"store": store.hex()}


# --- Images ------------------------------------------------------------------------------------------------------


def _decode_image(path: Path, media_type: str, *, max_pixels: int) -> tuple[Image.Image, dict[str, Any]]:
    media.check_dimensions(path, media_type, max_pixels=max_pixels)
    try:
        with Image.open(path, formats=_FORMATS[media_type]) as opened:
            media.check_pixels(*opened.size, max_pixels=max_pixels)
            opened.load()
            picture = ImageOps.exif_transpose(_in_srgb(opened))
    except Problem:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError) as error:
        raise media.truncated(media.NAMES[media_type]) from error
    return picture, {"kind": "image", "width": picture.width, "height": picture.height, "seconds": None}


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


def _flat_rgb(picture: Image.Image) -> Image.Image:
    """A new RGB picture on white, with nothing of the file but its pixels."""
    if "A" in picture.getbands() or "transparency" in picture.info:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, "white")
        ground.alpha_composite(rgba)
        picture = ground
    clean = Image.new("RGB", picture.size)
    clean.paste(picture.convert("RGB"))
    return clean


# --- Video -------------------------------------------------------------------------------------------------------


def _decode_video(path: Path, *, max_pixels: int, max_seconds: int) -> tuple[Image.Image, dict[str, Any]]:
    media.check_boxes(path)
    try:
        # A file object and not a path, so that nothing in the file can name another one to open.
        with path.open("rb") as file, av.open(file, "r", format="mov", metadata_errors="ignore") as container:
            seconds = _check_tracks(container, max_pixels=max_pixels, max_seconds=max_seconds)
            picture = _poster(container, seconds)
    except (av.error.FFmpegError, OSError, ValueError, EOFError) as error:
        raise media.truncated("MP4") from error
    shown = {"width": picture.width, "height": picture.height}
    return picture, {"kind": "video", **shown, "seconds": f"{seconds:.3f}"}


def _check_tracks(container: av.container.InputContainer, *, max_pixels: int, max_seconds: int) -> float:
    """Seconds of the video, after its limits were held. Raises Problem."""
    if not container.streams.video:
        raise Problem(
            "media.no_picture",
            "The video has no picture",
            status=422,
            detail="There is no video track in this MP4.",
            next_step="Send a video with a picture; sound alone is not accepted yet.",
        )
    if len(container.streams) > MAX_TRACKS:
        raise Problem(
            "media.too_many_tracks",
            "The video has too many tracks",
            status=422,
            detail=f"It has {len(container.streams)} tracks; this office accepts {MAX_TRACKS}.",
            next_step="Export it with one picture and the sound tracks you need.",
        )
    stream = container.streams.video[0]
    media.check_pixels(stream.width, stream.height, max_pixels=max_pixels)
    lengths = [float(one.duration * one.time_base) for one in container.streams if one.duration and one.time_base]
    seconds = max([*lengths, (container.duration or 0) / 1_000_000])
    if not math.isfinite(seconds) or seconds > max_seconds:
        raise Problem(
            "media.too_long",
            "The video is too long",
            status=422,
            detail=f"It runs {seconds:,.0f} seconds; this office accepts {max_seconds:,}.",
            next_step="Send a shorter part, or ask the operator to raise ASSAY_MAX_MINUTES.",
        )
    return seconds


def _poster(container: av.container.InputContainer, seconds: float) -> Image.Image:
    """A frame that stands for the video: one at a tenth of it, else the last of the first frames."""
    stream = container.streams.video[0]
    stream.thread_type, stream.codec_context.thread_count = "NONE", 1
    picture: Image.Image | None = None
    for number, frame in enumerate(container.decode(stream), 1):
        picture = _image(frame)
        if number == FIRST_FRAMES:
            break
    if picture is None:
        raise media.truncated("MP4")
    if seconds > 2:
        container.seek(int(seconds / 10 * 1_000_000))
        later = next(iter(container.decode(stream)), None)
        picture = _image(later) if later else picture
    return picture


def _image(frame: av.VideoFrame) -> Image.Image:
    picture: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
    return picture


# --- Fingerprints --------------------------------------------------------------------------------------------------


def fingerprints(picture: Image.Image) -> dict[str, str]:
    """Codes by algorithm, as hex; none for a flat picture.

    iscc-image-256: ISO 24138 Image-Code over the normalised picture (transparency on white, uniform border trimmed).
    dhash-64: signs of the horizontal differences of a 9 × 8 grey thumbnail (Krawetz 2013), most significant bit first.
    """
    grey = _flat_rgb(picture).convert("L")
    if float(np.asarray(grey).std()) < FLAT:
        return {}
    trimmed = _trim(grey)
    pixels = trimmed.resize((32, 32), Image.Resampling.BICUBIC).tobytes()
    code = iscc_lib.gen_image_code_v0(pixels, bits=256)
    digest: bytes = iscc_lib.iscc_decode(code.iscc)[4]
    return {"iscc-image-256": digest.hex(), "dhash-64": _dhash(grey).hex()}


def _trim(grey: Image.Image) -> Image.Image:
    """Cut a uniform border off, as iscc-core's image normalisation does."""
    corner = Image.new("L", grey.size, grey.getpixel((0, 0)))
    box = ImageChops.difference(grey, corner).getbbox()
    return grey.crop(box) if box else grey


def _dhash(grey: Image.Image) -> bytes:
    values = np.asarray(grey.resize((9, 8), Image.Resampling.LANCZOS), dtype=np.int16)
    return np.packbits(values[:, 1:] > values[:, :-1]).tobytes()
