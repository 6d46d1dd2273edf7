"""Into how many parts a file is divided: counted before anything reads them one by one.

Readers of containers keep a record for each part, and some search all of them for every one. A small file of a million
empty parts would hold a child for its whole time. Pure: no Django, no decoder; runs in guarded children. Counting is
bounded itself, and judges nothing else: where a file makes no sense the count ends, and the readers say so.
"""

import mmap
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from core.problems import Problem
from provenance import media

MAX_PARTS = 20_000
BYTES_A_PART = 1024  # honest large files have larger parts: one more is allowed for each of these
MAX_DEPTH = 32
MAX_ATTRIBUTES = 1_000  # of one element of a drawing
MAX_TAGS = 200_000  # elements and comments of a drawing, objects of a document: each is small

Data = mmap.mmap


def check_parts(path: Path, media_type: str) -> None:
    """Raises Problem `media.too_many_parts`."""
    walk, most = _WALKS.get(media_type), MAX_TAGS if media_type in (media.SVG, media.PDF) else 0
    size = path.stat().st_size
    if walk is None or not size:
        return
    most = most or MAX_PARTS + size // BYTES_A_PART
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            count = sum(islice(walk(data), most + 1))
        except (struct.error, IndexError):
            return
    if count > most:
        raise too_many(media.name_of(media_type), most)


def too_many(name: str, most: int) -> Problem:
    return Problem(
        "media.too_many_parts",
        "The file is divided into too many parts",
        status=422,
        detail=f"This {name} has more than {most:,} parts, or parts within parts beyond measure.",
        next_step="Save it again with another program, or export it anew; then send it again.",
    )


_BOXES_OF_BOXES = {
    b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"mvex", b"moof", b"traf", b"mfra", b"meta",
    b"iprp", b"ipco", b"iinf", b"jumb", b"dref", b"stsd", b"ilst",
}  # fmt: skip
# What stands before the boxes within: version and flags, and a count in two, in four bytes.
_BEFORE = {b"iinf": 6, b"dref": 8, b"stsd": 8}


def _boxes(data: Data) -> Iterator[int]:
    """ISO 14496-12 §4.2. A box that is deeper than any is counts as all that are allowed."""
    within = [(0, len(data))]
    while within:
        at, end = within.pop()
        while at + 8 <= end:
            length, kind = struct.unpack_from(">I4s", data, at)
            start = at + 8
            if length == 1:
                (length,) = struct.unpack_from(">Q", data, start)
                start += 8
            after = min(end, at + length) if length else end
            yield 1
            if after < start:
                break
            if kind in _BOXES_OF_BOXES:
                within.append((after, end))
                if len(within) > MAX_DEPTH:
                    yield from _without_end()
                at, end = start + _before(data, kind, start), after
            else:
                at = after


def _jxl(data: Data) -> Iterator[int]:
    """A bare codestream has no boxes."""
    return iter(()) if data[:2] == b"\xff\x0a" else _boxes(data)


def _before(data: Data, kind: bytes, start: int) -> int:
    if kind == b"meta":  # QuickTime's has no version
        return 0 if data[start + 4 : start + 8] == b"hdlr" else 4
    return _BEFORE.get(kind, 0)


def _without_end() -> Iterator[int]:
    while True:
        yield 1


def _png(data: Data) -> Iterator[int]:
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        at += 12 + length
        yield 1


_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


def _jpeg(data: Data) -> Iterator[int]:
    """Segments by their lengths up to the first scan; behind it, markers between the coded data, up to the end."""
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        yield 1
        if data[at + 1] in (0xFF, 0x01) or 0xD0 <= data[at + 1] <= 0xD8:
            at += 1 if data[at + 1] == 0xFF else 2
            continue
        at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])
    for marker in _MARKER.finditer(data, at):
        if marker[0] == b"\xff\xd9":
            return
        yield 1


def _riff(data: Data) -> Iterator[int]:
    """Chunks of every RIFF list, not those within a list: a film has one there for each of its pictures."""
    at = 0
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        at += 12 if kind == b"RIFF" else 8 + length + (length & 1)
        yield 1


def _gif(data: Data) -> Iterator[int]:
    """Blocks, and the pieces of 255 bytes at most into which their content is cut."""
    at = 13 + _colours(data[10])
    while data[at] in (0x21, 0x2C):
        yield 1
        at += 2 if data[at] == 0x21 else 11 + _colours(data[at + 9])
        pieces = 0
        while length := data[at]:
            at += 1 + length
            pieces += length < 0x40
            if pieces > 1:  # writers fill all pieces but the last
                yield 1
        at += 1


def _colours(packed: int) -> int:
    return 3 * (2 << (packed & 7)) if packed & 0x80 else 0


def _tiff(data: Data) -> Iterator[int]:
    """Entries of every directory in the chain, and directories; TIFF 6.0 §2, BigTIFF."""
    order = "<" if data[:2] == b"II" else ">"
    large = data[2:4] in (b"+\0", b"\0+")
    place, number, entry = (f"{order}Q", f"{order}Q", 20) if large else (f"{order}I", f"{order}H", 12)
    (at,) = struct.unpack_from(place, data, 8 if large else 4)
    while at:
        (count,) = struct.unpack_from(number, data, at)
        yield 1
        yield from (1 for _ in range(min(count, len(data) // entry)))
        (at,) = struct.unpack_from(place, data, at + struct.calcsize(number) + entry * count)


def _flac(data: Data) -> Iterator[int]:
    yield from _id3(data)
    at, last = _behind_id3(data) + 4, False
    while not last:
        last = bool(data[at] & 0x80)
        at += 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        yield 1


def _id3(data: Data) -> Iterator[int]:
    """ID3v2 frames: three letters and as many bytes of length in version 2, else four."""
    if data[:3] != b"ID3":
        return
    letters, head, end = (3, 6, _behind_id3(data)) if data[3] == 2 else (4, 10, _behind_id3(data))
    at = 10
    while at + head <= min(end, len(data)) and data[at]:
        size = data[at + letters : at + 2 * letters]
        at += head + (_seven_bits(size) if data[3] == 4 else int.from_bytes(size, "big"))
        yield 1


def _behind_id3(data: Data) -> int:
    return 10 + _seven_bits(data[6:10]) if data[:3] == b"ID3" else 0


def _seven_bits(size: bytes) -> int:
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(size)))


_TAG = re.compile(rb"<[^<>]*")


def _svg(data: Data) -> Iterator[int]:
    """Whatever begins with “<”; one with attributes beyond measure counts as all that are allowed."""
    for tag in _TAG.finditer(data):
        yield 1
        if len(tag[0]) > 4 * MAX_ATTRIBUTES and tag[0].count(b"=") > MAX_ATTRIBUTES:
            yield from _without_end()


_OBJECT = re.compile(rb"\d\s+obj\b|\[{256}|(?:<<){256}")


def _pdf(data: Data) -> Iterator[int]:
    for found in _OBJECT.finditer(data):
        yield 1
        if found[0][:1] in (b"[", b"<"):  # nested deeper than any document
            yield from _without_end()


_WALKS: dict[str, Callable[[Data], Iterable[int]]] = {
    media.JPEG: _jpeg, media.PNG: _png, media.GIF: _gif, media.TIFF: _tiff, media.SVG: _svg, media.PDF: _pdf,
    media.FLAC: _flac, media.MP3: _id3, media.JXL: _jxl,
    **dict.fromkeys((media.MP4, media.MOV, media.M4A, media.AVIF, media.HEIC), _boxes),
    **dict.fromkeys((media.WEBP, media.WAV, media.AVI), _riff),
}  # fmt: skip
