"""Which files this office accepts: an allow-list of contents, told by their first bytes, never by their names.

Pure: no Django, no decoder. The dimensions are read from the headers with bounds on every step, so that a picture of
60,000 × 60,000 pixels is refused before any decoder sees it.
"""

import struct
from pathlib import Path, PurePath
from typing import BinaryIO

from core.problems import Problem

JPEG, PNG, WEBP, MP4 = "image/jpeg", "image/png", "image/webp", "video/mp4"
NAMES = {JPEG: "JPEG", PNG: "PNG", WEBP: "WebP", MP4: "MP4"}
SUFFIXES = {JPEG: ".jpg", PNG: ".png", WEBP: ".webp", MP4: ".mp4"}
ACCEPTED = "JPEG, PNG, WebP or MP4"

# What a file name says. Names that are not here say nothing.
_BY_SUFFIX = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG", ".jfif": "JPEG", ".png": "PNG", ".apng": "PNG", ".webp": "WebP",
    ".mp4": "MP4", ".m4v": "MP4", ".svg": "SVG", ".html": "HTML", ".htm": "HTML", ".gif": "GIF", ".pdf": "PDF",
    ".zip": "ZIP", ".tif": "TIFF", ".tiff": "TIFF", ".heic": "HEIC", ".avif": "AVIF", ".mov": "QuickTime",
    ".webm": "WebM", ".bmp": "BMP", ".mp3": "MP3", ".wav": "WAV", ".avi": "AVI", ".txt": "text",
}  # fmt: skip

# ISO base media files by major brand (https://mp4ra.org/registered-types/brands).
_MP4_BRANDS = {
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"avc1",
    b"M4V ", b"MSNV", b"dash", b"f4v ", b"mmp4", b"XAVC",
}  # fmt: skip
_OTHER_BRANDS = {
    b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF", b"avis": "AVIF",
    b"qt  ": "QuickTime", b"M4A ": "M4A", b"M4B ": "M4A", b"crx ": "CR3",
}  # fmt: skip

# What people try, and is not accepted: the refusal names it.
_REFUSED = [
    (b"GIF87a", "GIF"), (b"GIF89a", "GIF"), (b"%PDF-", "PDF"), (b"PK\x03\x04", "ZIP"), (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"), (b"BM", "BMP"), (b"\x1aE\xdf\xa3", "WebM or Matroska"), (b"OggS", "Ogg"), (b"ID3", "MP3"),
    (b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf", "7-Zip"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"), (b"\xff\x0a", "JPEG XL"), (b"fLaC", "FLAC"),
]  # fmt: skip
_WHY = {
    "SVG": "This office does not accept SVG: it can carry programs.",
    "HTML": "This office does not accept HTML: it can carry programs.",
}


def sniff(path: Path) -> str:
    """The media type of the file by its first bytes. Raises Problem `media.type_unsupported` for all not accepted."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp" and _is_mp4(head):
        return MP4
    raise _unsupported(_name_of(head))


def _is_mp4(head: bytes) -> bool:
    size = min(struct.unpack(">I", head[:4])[0], len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}
    return head[8:12] not in _OTHER_BRANDS and bool(brands & _MP4_BRANDS)


def _name_of(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return _OTHER_BRANDS.get(head[8:12], "")
    if head[:4] == b"RIFF":
        return {b"WAVE": "WAV", b"AVI ": "AVI"}.get(head[8:12], "")
    text = head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").replace(b"\0", b"").lower()
    if text.startswith(b"<"):
        return "SVG" if b"<svg" in text else "HTML" if b"<html" in text or b"<script" in text else "XML"
    return next((name for magic, name in _REFUSED if head.startswith(magic)), "")


def _unsupported(name: str) -> Problem:
    unknown = "The content of this file is of no kind that this office knows."
    why = _WHY.get(name, f"This file is {name}, which this office does not accept." if name else unknown)
    return Problem(
        "media.type_unsupported",
        "This kind of file is not accepted",
        status=415,
        detail=why,
        next_step=f"Send the work as {ACCEPTED}.",
    )


def check_name(filename: str, media_type: str) -> None:
    """Refuse a file whose name promises another kind than its content is.

    Such files mislead people and programs that go by the name. Raises Problem `media.name_mismatch`.
    """
    suffix = PurePath(filename.replace("\\", "/")).suffix.lower()
    promised, found = _BY_SUFFIX.get(suffix), NAMES[media_type]
    if promised in (None, found):
        return
    raise Problem(
        "media.name_mismatch",
        "The name and the content of the file do not agree",
        status=415,
        detail=f"The name ends in “{suffix}”, which says {promised}, but the content is {found}.",
        next_step=f"Give the file a name that ends in “{SUFFIXES[media_type]}”, or send the {promised} you meant.",
    )


def truncated(name: str) -> Problem:
    return Problem(
        "media.truncated",
        "The file is incomplete or damaged",
        status=422,
        detail=f"This {name} ends or breaks before its content is complete.",
        next_step="Check that the file opens on your own device; copy or export it again, then send it again.",
    )


def check_dimensions(path: Path, media_type: str, *, max_pixels: int) -> tuple[int, int]:
    """Width and height in pixels, from the header of an image alone. Raises Problem (none, too many, unreadable)."""
    read = {JPEG: _jpeg_size, PNG: _png_size, WEBP: _webp_size}[media_type]
    with path.open("rb") as file:
        try:
            width, height = read(file)
        except (struct.error, IndexError, ValueError):
            raise truncated(NAMES[media_type]) from None
    check_pixels(width, height, max_pixels=max_pixels)
    return width, height


def check_pixels(width: int, height: int, *, max_pixels: int) -> None:
    """Raises Problem for a picture without pixels or with more than `max_pixels`."""
    if width <= 0 or height <= 0:
        raise Problem(
            "media.no_pixels",
            "The picture has no pixels",
            status=422,
            detail=f"Its header says {width} × {height} pixels.",
            next_step="Check that the file opens on your own device, then send it again.",
        )
    if width * height > max_pixels:
        raise Problem(
            "media.too_many_pixels",
            "The picture is too large",
            status=422,
            detail=f"It has {width:,} × {height:,} pixels; this office accepts {max_pixels // 1_000_000} megapixels.",
            next_step="Send a smaller rendition, or ask the operator to raise ASSAY_MAX_MEGAPIXELS.",
        )


def _png_size(file: BinaryIO) -> tuple[int, int]:
    head = file.read(24)
    if head[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _webp_size(file: BinaryIO) -> tuple[int, int]:
    """RFC 9649 §2.5 to §2.7: the canvas of VP8X, else the one picture's own header."""
    head = file.read(30)
    chunk, body = head[12:16], head[20:30]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if chunk == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError


_SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _jpeg_size(file: BinaryIO) -> tuple[int, int]:
    """ITU T.81 §B.2.2: the first start-of-frame segment. Segments are skipped, so this reads a few bytes of each."""
    file.read(2)
    for _ in range(10_000):
        marker = file.read(2)
        while marker[1] == 0xFF:  # fill bytes
            marker = bytes([0xFF, file.read(1)[0]])
        if marker[0] != 0xFF or marker[1] in (0xD9, 0xDA):
            raise ValueError
        if marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD7:
            continue
        (length,) = struct.unpack(">H", file.read(2))
        if marker[1] in _SOF:
            _, height, width = struct.unpack(">BHH", file.read(5))
            return width, height
        file.seek(length - 2, 1)
    raise ValueError


def check_boxes(path: Path) -> None:
    """ISO 14496-12 §4.2: the top-level boxes must fill the file exactly. Raises Problem `media.truncated`."""
    size, at, seen = path.stat().st_size, 0, set()
    with path.open("rb") as file:
        while at < size:
            file.seek(at)
            head = file.read(16)
            length = struct.unpack(">I", head[:4])[0] if len(head) >= 8 else 2
            if length == 1 and len(head) == 16:
                (length,) = struct.unpack(">Q", head[8:])
            length = length or size - at
            if length < 8 or at + length > size:
                raise truncated("MP4")
            seen.add(head[4:8])
            at += length
    if b"moov" not in seen:
        raise truncated("MP4")
