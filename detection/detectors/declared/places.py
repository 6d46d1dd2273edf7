"""Where a file can say how it was made: XMP packets, PNG text, EXIF, IPTC-IIM, MP4 tags. Bounded reads, no decoding
of pixels.

Every reader yields `Said(where, name, value)` with the value as it stands in the file (bounded), and yields nothing
for a part it cannot read: a damaged comment does not make the file unreadable.
"""

import html
import mmap
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import av
import pillow_heif
from PIL import ExifTags, Image, ImageFile, IptcImagePlugin

from provenance import media

pillow_heif.register_heif_opener(thumbnails=False)
MAX_VALUE = 64 << 10  # bytes of one value that are looked at
MAX_XMP = 1 << 20
MAX_PACKETS = 8
MAX_SEARCH = 256 << 20
MAX_CHUNKS = 10_000
# Only headers are read here, so a picture’s size costs nothing; Pillow’s limit would hide its metadata.
Image.MAX_IMAGE_PIXELS = None


class Said(NamedTuple):
    where: str
    name: str
    value: str


# Regular expressions and not an XML parser: no entities, no recursion, linear time, and damaged packets still speak.
# Attribute, element, rdf:resource and the first item of an rdf:Alt/Seq/Bag.
_XMP_NAMES = "DigitalSourceType|CreatorTool|Credit|AISystemUsed|AISystemVersionUsed|AIPromptInformation|AIGC"
_XMP = re.compile(
    rb"[A-Za-z0-9_.-]{1,40}:(" + _XMP_NAMES.encode() + rb")(?:\s{0,20}=\s{0,20}[\"']([^\"'<]{1,4000})[\"']"
    rb"|[^<>]{0,200}?rdf:resource\s{0,5}=\s{0,5}[\"']([^\"'<]{1,4000})[\"']"
    rb"|[^<>]{0,200}>(?:\s{0,50}<rdf:[A-Za-z]{2,3}[^<>]{0,50}>){0,2}\s{0,50}([^<>]{1,4000})<)"
)


def xmp(path: Path) -> Iterator[Said]:
    """IPTC, XMP and TC260 properties of every XMP packet in the file (ISO 16684-1), whatever the container."""
    for packet in _packets(path):
        for match in _XMP.finditer(packet):
            value = next(group for group in match.groups()[1:] if group is not None)
            text = html.unescape(value.decode("utf-8", "replace")).strip()
            if text:
                yield Said("XMP", match.group(1).decode(), text)


def _packets(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at, end = 0, min(len(data), MAX_SEARCH)
        for _ in range(MAX_PACKETS):
            start = data.find(b"<x:xmpmeta", at, end)
            if start < 0:
                return
            stop = data.find(b"</x:xmpmeta>", start, min(start + MAX_XMP, end))
            at = stop if stop > 0 else start + 10
            yield data[start : stop if stop > 0 else min(start + MAX_XMP, end)]


def png_text(path: Path) -> Iterator[Said]:
    """tEXt, zTXt and iTXt chunks (PNG 3rd edition, §11.3.3)."""
    with path.open("rb") as file:
        if file.read(8) != b"\x89PNG\r\n\x1a\n":
            return
        for _ in range(MAX_CHUNKS):
            head = file.read(8)
            if len(head) < 8 or head[4:] == b"IEND":
                return
            (length,) = struct.unpack(">I", head[:4])
            kind = head[4:].decode("latin-1")
            if kind not in ("tEXt", "zTXt", "iTXt"):
                file.seek(length + 4, 1)
                continue
            data = file.read(min(length, MAX_XMP))
            file.seek(max(0, length - MAX_XMP) + 4, 1)
            with suppress(ValueError, IndexError, zlib.error):
                name, value = _text_chunk(kind, data)
                if name != "XML:com.adobe.xmp":
                    yield Said(f"PNG {kind}", name, value)


def _text_chunk(kind: str, data: bytes) -> tuple[str, str]:
    keyword, rest = data.split(b"\0", 1)
    name = keyword[:79].decode("latin-1")
    if kind == "tEXt":
        return name, rest[:MAX_VALUE].decode("utf-8", "replace")
    if kind == "zTXt":
        return name, _inflated(rest[1:]).decode("utf-8", "replace")
    compressed = rest[0] == 1
    _, _, text = rest[2:].split(b"\0", 2)
    return name, (_inflated(text) if compressed else text[:MAX_VALUE]).decode("utf-8", "replace")


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, MAX_VALUE)


_EXIF_TAGS = {
    ExifTags.Base.Software: "Software",
    ExifTags.Base.ImageDescription: "ImageDescription",
    ExifTags.Base.Artist: "Artist",
    ExifTags.Base.Make: "Make",
    ExifTags.Base.Model: "Model",
}
# IIM 2:65 originating program, 2:110 credit, 2:120 caption (IPTC-NAA IIM 4.2).
_IIM = {(2, 65): "OriginatingProgram", (2, 110): "Credit", (2, 120): "Caption"}


def exif_and_iim(path: Path) -> Iterator[Said]:
    """EXIF 3.0 tags and IPTC-IIM data sets that name tools; headers only."""
    with warnings.catch_warnings(), suppress(Exception):  # Pillow's metadata readers raise whatever the bytes make them
        warnings.simplefilter("ignore")
        with Image.open(path, formats=("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF")) as image:
            yield from list(_exif(image))
            yield from list(_iim(image))


def _exif(image: Image.Image) -> Iterator[Said]:
    tags = image.getexif()
    for tag, name in _EXIF_TAGS.items():
        if isinstance(value := tags.get(tag), str | bytes):
            yield Said("EXIF", name, _text(value))
    comment = tags.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.UserComment)
    if isinstance(comment, str | bytes):
        yield Said("EXIF", "UserComment", _comment(comment))


def _comment(value: str | bytes) -> str:
    """EXIF 3.0 §4.6.6.1: eight bytes name the character code."""
    if isinstance(value, bytes) and value[:8] == b"UNICODE\0":
        body = value[8 : 8 + MAX_VALUE]
        big = body.count(0) and sum(body[::2]) < sum(body[1::2])
        return body.decode("utf-16-be" if big else "utf-16-le", "replace")
    return _text(value[8:] if isinstance(value, bytes) and value[:5] in (b"ASCII", b"\0\0\0\0\0") else value)


def _iim(image: ImageFile.ImageFile) -> Iterator[Said]:
    for key, value in (IptcImagePlugin.getiptcinfo(image) or {}).items():
        if key in _IIM:
            yield Said("IPTC-IIM", _IIM[key], _text(value[0] if isinstance(value, list) else value))


def _text(value: str | bytes) -> str:
    return value[:MAX_VALUE].decode("utf-8", "replace") if isinstance(value, bytes) else value[:MAX_VALUE]


def container_tags(path: Path, media_type: str) -> Iterator[Said]:
    """Container and stream tags as FFmpeg names them."""
    with (
        suppress(av.error.FFmpegError),
        path.open("rb") as file,
        av.open(file, "r", format=media.DEMUXERS[media_type], metadata_errors="replace") as container,
    ):
        kind = media.name_of(media_type)
        for name, value in container.metadata.items():
            yield Said(kind, name[:79], value[:MAX_VALUE])
        for stream in container.streams:
            for name, value in stream.metadata.items():
                yield Said(f"{kind} {stream.type} stream", name[:79], value[:MAX_VALUE])
