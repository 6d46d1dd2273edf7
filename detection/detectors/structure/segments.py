"""Walking the parts of a picture file: JPEG markers, PNG chunks, the size a RIFF states. Bounded, nothing is decoded.

A damaged file is walked as far as it goes: what is wrong with it is found by whoever decodes it.
"""

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provenance import media

MOST_PARTS = 10_000
NAMED = 12  # bytes at the start of a JPEG application segment that name it
# Recommendation ITU-T T.81, table B.1. A marker in coded data is any but a stuffed zero, a restart or a fill byte.
_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
SOF = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Built:
    """names: of the parts in the file's order, such as “APP1 Exif”, “DQT”, “IHDR”. end: where the picture ends by its
    own account, 0 if that was not found. size: of the file. after: what the bytes behind the end look like, "" if
    there are none. frame: “baseline” or “progressive” for JPEG.
    """

    names: tuple[str, ...] = ()
    end: int = 0
    size: int = 0
    after: str = ""
    frame: str = ""

    @property
    def trailing(self) -> int:
        """Bytes behind the picture."""
        return max(0, self.size - self.end) if self.end else 0

    def has(self, name: str) -> bool:
        return any(name in one for one in self.names)


@dataclass
class _Walk:
    names: list[str] = field(default_factory=list)
    end: int = 0
    frame: str = ""


def built(path: Path, media_type: str) -> Built:
    """How a JPEG, PNG or WebP file is built; an empty `Built` for others and for empty files."""
    size = path.stat().st_size
    walk = {media.JPEG: _jpeg, media.PNG: _png, media.WEBP: _riff}.get(media_type)
    if walk is None or not size:
        return Built(size=size)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        seen = walk(data)
        after = _looks_like(data[seen.end : seen.end + 16]) if 0 < seen.end < size else ""
    return Built(tuple(seen.names), seen.end, size, after, seen.frame)


def _jpeg(data: mmap.mmap) -> _Walk:
    seen, at = _Walk(), 2
    for _ in range(MOST_PARTS):
        marker, body, after = _segment(data, at)
        if marker < 0:
            break
        seen.names.append(_jpeg_name(marker, body))
        if marker in SOF:
            seen.frame = "progressive" if marker == 0xC2 else "baseline"
        if marker == 0xD9:
            seen.end = after
            break
        at = after
        if marker == 0xDA:
            found = _IN_SCAN.search(data, after)
            if found is None:
                break
            at = found.start()
    return seen


def _segment(data: mmap.mmap, at: int) -> tuple[int, bytes, int]:
    """Marker, first bytes of its body, and where the next one starts; -1 where there is none."""
    while at + 1 < len(data) and data[at] == 0xFF and data[at + 1] == 0xFF:
        at += 1
    if at + 1 >= len(data) or data[at] != 0xFF:
        return -1, b"", at
    marker = data[at + 1]
    if marker in _STANDALONE or marker == 0xD9:
        return marker, b"", at + 2
    if at + 4 > len(data):
        return -1, b"", at
    (length,) = struct.unpack(">H", data[at + 2 : at + 4])
    return marker, data[at + 4 : at + 4 + min(NAMED, max(0, length - 2))], at + 2 + max(2, length)


_JPEG_NAMES = {0xC4: "DHT", 0xDB: "DQT", 0xDA: "SOS", 0xD9: "EOI", 0xDD: "DRI", 0xFE: "COM"}


def _jpeg_name(marker: int, body: bytes) -> str:
    if 0xE0 <= marker <= 0xEF:
        word = re.match(rb"[A-Za-z0-9_:/.]{2,12}", body)
        return f"APP{marker - 0xE0} {word.group().decode()}" if word else f"APP{marker - 0xE0}"
    return _JPEG_NAMES.get(marker) or (f"SOF{marker - 0xC0}" if marker in SOF else f"{marker:02X}")


def _png(data: mmap.mmap) -> _Walk:
    seen = _Walk()
    for name, end in _chunks(data):
        if not seen.names or seen.names[-1] != name:  # a picture has thousands of IDAT
            seen.names.append(name)
        if name == "IEND":
            seen.end = end
    return seen


def _chunks(data: mmap.mmap) -> Iterator[tuple[str, int]]:
    at = 8
    for _ in range(MOST_PARTS):
        if at + 12 > len(data):
            return
        (length,) = struct.unpack(">I", data[at : at + 4])
        name = data[at + 4 : at + 8].decode("latin-1")
        at += 12 + length
        if not name.isalpha() or at > len(data):
            return
        yield name, at
        if name == "IEND":
            return


def _riff(data: mmap.mmap) -> _Walk:
    if len(data) < 12:
        return _Walk()
    (length,) = struct.unpack("<I", data[4:8])
    stated = 8 + length + length % 2
    return _Walk(["RIFF"], stated if stated <= len(data) else 0)


def _looks_like(data: bytes) -> str:
    if data.startswith(b"\xff\xd8\xff"):
        return "another JPEG"
    if data[4:8] == b"ftyp":
        return "a video"
    if data.startswith(b"PK\x03\x04"):
        return "a ZIP archive"
    return "zeros" if not data.strip(b"\0") else "other data"
