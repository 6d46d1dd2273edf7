"""Whether a file is whole, and how large its picture says it is: read from headers and lengths, before any decoder.

Pure: no Django, no decoder. Every step is bounded. A file that was cut off, or whose lengths do not fit, raises
`media.truncated`; what is inside the boxes is the decoders' concern.
"""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from provenance import media

Size = tuple[int, int]
MAX_BOXES = 100_000
MAX_FRAMES = 1_000
MAX_FRAME_PIXELS = 2_000_000_000  # in all frames of a moving picture together: what decodes in half a minute
TAIL = 2048  # bytes at the end of a PDF in which its end is looked for


def check_whole(path: Path, media_type: str) -> None:
    """Raises Problem `media.truncated` for a file whose own lengths say that something of it is missing."""
    check = _CHECKS.get(media_type)
    if check is None:
        return
    with path.open("rb") as file:
        try:
            check(file, path.stat().st_size)
        except (struct.error, IndexError, ValueError):
            raise media.truncated(media.name_of(media_type)) from None


def check_dimensions(path: Path, media_type: str, *, max_pixels: int) -> Size | None:
    """Width and height in pixels, from the header of an image alone; None for formats whose decoder tells them
    without decoding. Raises Problem (none, too many, unreadable).
    """
    read = _SIZES.get(media_type)
    if read is None:
        return None
    with path.open("rb") as file:
        try:
            width, height = read(file)
        except (struct.error, IndexError, ValueError):
            raise media.truncated(media.name_of(media_type)) from None
    media.check_pixels(width, height, max_pixels=max_pixels)
    return width, height


# --- Sizes ---------------------------------------------------------------------------------------------------------


def _png_size(file: BinaryIO) -> Size:
    head = file.read(24)
    if head[12:16] != b"IHDR":
        raise ValueError
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _gif_size(file: BinaryIO) -> Size:
    width, height = struct.unpack("<HH", file.read(10)[6:])
    return width, height


def _webp_size(file: BinaryIO) -> Size:
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


def _jpeg_size(file: BinaryIO) -> Size:
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


# ISO 18181-1 §D.2 (SizeHeader): width by height for the ratios 1 to 7.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def _jxl_size(file: BinaryIO) -> Size:
    stream = _codestream(file)
    if stream[:2] != b"\xff\x0a":
        raise ValueError
    bits = _Bits(stream[2:])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if not ratio:
        return _side(bits, small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


def _side(bits: "_Bits", small: int) -> int:
    if small:
        return 8 * (bits.take(5) + 1)
    return bits.take((9, 13, 18, 30)[bits.take(2)]) + 1


class _Bits:
    """Bits of a stream, least significant first. Raises IndexError at its end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError
        value = self._value & (1 << count) - 1
        self._value, self._left = self._value >> count, self._left - count
        return value


def _codestream(file: BinaryIO) -> bytes:
    """The first bytes of a JPEG XL codestream, bare or in its box (`jxlc`, or `jxlp` after its number)."""
    head = file.read(32)
    if head[:2] == b"\xff\x0a":
        return head
    at = 0
    for _ in range(MAX_BOXES):
        file.seek(at)
        kind, start, length = _box(file)
        if kind in (b"jxlc", b"jxlp"):
            file.seek(start + (4 if kind == b"jxlp" else 0))
            return file.read(32)
        if not length:
            break
        at += length
    raise ValueError


# --- Whole or not --------------------------------------------------------------------------------------------------


def _box(file: BinaryIO) -> tuple[bytes, int, int]:
    """ISO 14496-12 §4.2: type, where the content starts, and length; a length of 0 means to the end of the file."""
    at = file.tell()
    head = file.read(16)
    (length,) = struct.unpack(">I", head[:4])
    start = at + 8
    if length == 1:
        (length,) = struct.unpack(">Q", head[8:])
        start = at + 16
    if 0 < length < start - at:
        raise ValueError
    return head[4:8], start, length


def _boxes(needed: bytes) -> Callable[[BinaryIO, int], None]:
    """A check that the top-level boxes fill the file exactly, and that one of type `needed` is among them."""

    def check(file: BinaryIO, size: int) -> None:
        at, seen = 0, set()
        for _ in range(MAX_BOXES):
            if at == size:
                break
            file.seek(at)
            kind, _, length = _box(file)
            length = length or size - at
            seen.add(kind)
            at += length
            if at > size:
                raise ValueError
        if at != size or needed not in seen:
            raise ValueError

    return check


def _jxl_boxes(file: BinaryIO, size: int) -> None:
    if file.read(2) != b"\xff\x0a":  # a bare codestream has no lengths: its decoder finds its end
        _boxes(b"JXL ")(file, size)


def _riff(file: BinaryIO, size: int) -> None:
    """Every RIFF list fits into the file; what follows the last one (some programs append tags) is not looked at."""
    at = 0
    while at + 12 <= size:
        file.seek(at)
        head = file.read(12)
        if head[:4] != b"RIFF":
            break
        (length,) = struct.unpack("<I", head[4:8])
        at += 8 + length
        if length < 4 or at > size:
            raise ValueError
        at += length & 1
    if not at:
        raise ValueError


def _gif(file: BinaryIO, size: int) -> None:
    """GIF89a §16 to §27: blocks up to the trailer. Raises `media.too_many_frames` as well."""
    width, height, packed = struct.unpack("<HHB", file.read(11)[6:])
    file.seek(13 + _colours(packed))
    frames = 0
    while (introducer := file.read(1)[0]) != 0x3B:
        if introducer == 0x2C:
            frames += 1
            media.check_frames(frames, frames * width * height, max_frames=MAX_FRAMES, max_pixels=MAX_FRAME_PIXELS)
            file.seek(_colours(file.read(9)[8]) + 1, 1)
        elif introducer == 0x21:
            file.seek(1, 1)
        else:
            raise ValueError
        while length := file.read(1)[0]:
            file.seek(length, 1)
    if not frames:
        raise ValueError


def _colours(packed: int) -> int:
    """Bytes of a colour table by the packed field before it."""
    return 3 * (2 << (packed & 7)) if packed & 0x80 else 0


_AFTER_SOUND = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI", b"ID3")
_MAX_MP3_FRAMES = 5_000_000
_LOST = 65_536  # bytes of anything else between two frames that players skip


def _mp3(file: BinaryIO, size: int) -> None:
    """The last frame is complete, and there are as many frames as the Xing header, where there is one, says."""
    at = _after_tag(file)
    counted, declared = 0, 0
    for _ in range(_MAX_MP3_FRAMES):
        file.seek(at)
        length = media.mpeg_frame_length(head := file.read(4))
        if not length:
            at = _next_frame(file, at, head)
            if at < 0:
                break
            continue
        if not counted:
            declared = _declared(head + file.read(200))
        counted += 1
        at += length
        if at > size:
            raise ValueError
    if not counted or counted < declared:
        raise ValueError


def _after_tag(file: BinaryIO) -> int:
    head = file.read(10)
    if head[:3] != b"ID3":
        return 0
    return 10 + sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(head[6:10]))


def _next_frame(file: BinaryIO, at: int, head: bytes) -> int:
    """Where the next two frames begin after bytes that are none; -1 at the end of the sound."""
    if len(head) < 4 or head.startswith(_AFTER_SOUND):
        return -1
    file.seek(at + 1)
    ahead = file.read(_LOST)
    found = ahead.find(b"\xff")
    while found >= 0:
        length = media.mpeg_frame_length(ahead[found : found + 4])
        if length and media.mpeg_frame_length(ahead[found + length : found + length + 4]):
            return at + 1 + found
        found = ahead.find(b"\xff", found + 1)
    return -1


def _declared(frame: bytes) -> int:
    """Number of frames by the Xing or Info header in the first frame; the header's own frame is not counted."""
    for mark in (b"Xing", b"Info"):
        place = frame.find(mark)
        if place > 0 and frame[place + 7] & 1:
            return int.from_bytes(frame[place + 8 : place + 12], "big")
    return 0


def _pdf(file: BinaryIO, size: int) -> None:
    """ISO 32000-1 §7.5.5: “startxref”, a place inside the file, and “%%EOF” near the end."""
    file.seek(max(0, size - TAIL))
    tail = file.read()
    start, end = tail.rfind(b"startxref"), tail.rfind(b"%%EOF")
    if not 0 <= start < end or int(tail[start + 9 : end].split()[0]) >= size:
        raise ValueError


_SIZES: dict[str, Callable[[BinaryIO], Size]] = {
    media.JPEG: _jpeg_size,
    media.PNG: _png_size,
    media.WEBP: _webp_size,
    media.GIF: _gif_size,
    media.JXL: _jxl_size,
}
_CHECKS: dict[str, Callable[[BinaryIO, int], None]] = {
    media.GIF: _gif,
    media.JXL: _jxl_boxes,
    media.AVIF: _boxes(b"meta"),
    media.HEIC: _boxes(b"meta"),
    media.MP4: _boxes(b"moov"),
    media.MOV: _boxes(b"moov"),
    media.M4A: _boxes(b"moov"),
    media.WEBP: _riff,
    media.WAV: _riff,
    media.AVI: _riff,
    media.MP3: _mp3,
    media.PDF: _pdf,
}
