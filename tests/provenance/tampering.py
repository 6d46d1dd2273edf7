"""What a hostile or careless hand does to a signed file, in every format that carries its credential inside.

Each function takes the signed bytes of a format and returns changed ones. Nothing here uses the C2PA library.
"""

import base64
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator

import av
from PIL import Image

from tests.provenance import media_made

BMFF = ("video/mp4", "video/quicktime", "audio/mp4", "image/avif", "image/heic")
RIFF = ("image/webp", "audio/wav", "video/avi")
PICTURES = ("image/jpeg", "image/png", "image/webp", "image/tiff", "image/gif", "image/avif", "image/heic", "image/jxl")
C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")  # C2PA 2.4 §A.5.1
COSE_SIGNATURE = b"\xf6\x58\x40"  # detached payload (nil), then a byte string of 64: ES256's r and s (RFC 9052 §4.2)
TIFF_STORE = 0xCD41  # C2PA 2.4 §A.3.4

Edit = Callable[[str, bytes], bytes]


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


# --- The content -----------------------------------------------------------------------------------------------------


def content_bit(media_type: str, signed: bytes, plain: bytes) -> bytes:
    """One bit of what the file shows or sounds like."""
    if media_type == "image/svg+xml":
        return _replaced(signed, b'r="12"', b'r="13"')
    if media_type == "application/pdf":
        return _replaced(signed, b"Page of work 0", b"Page of work 1")
    return media_made.change_a_pixel(signed, plain)


def appended(media_type: str, signed: bytes) -> bytes:
    if media_type in BMFF:
        return signed + box(b"uuid", b"sixteen bytes :)" + b"appended")
    if media_type == "image/jxl":
        return signed + box(b"xml ", b"<appended/>")
    return signed + (b"<!-- appended -->" if media_type == "image/svg+xml" else b"appended")


def free_box(signed: bytes) -> bytes:
    """ISO 14496-12 §8.1.2: to be ignored by every reader; C2PA leaves it out of the hash (§A.5.4)."""
    return signed + box(b"free", b"a hidden message")


# --- Metadata --------------------------------------------------------------------------------------------------------


def metadata_edited(media_type: str, signed: bytes) -> bytes:
    """What the file says about itself outside of its credential."""
    match media_type:
        case "image/jpeg":
            return signed[:2] + b"\xff\xfe" + struct.pack(">H", 9) + b"comment" + signed[2:]
        case "image/png":
            return _before_end(signed, _png_chunk(b"tEXt", b"Author\0Mallory"))
        case "image/webp":
            return _with_chunk(signed, b"XMP ", b"<x:xmpmeta/>")
        case "image/gif":
            return signed[:-1] + b"\x21\xfe\x07comment\x00" + signed[-1:]
        case "image/tiff":
            return _tiff_entry(signed, lambda tag: tag in (0x011C, 0x0106, 0x0115), lambda tag, value: (tag, value ^ 1))
        case "image/avif" | "image/heic":
            at = signed.index(b"ispe") + 4 + 4 + 3  # width, last byte (ISO 23008-12 §6.5.3)
            return media_made.flip(signed, at)
        case "image/jxl":
            return signed + box(b"Exif", b"\0\0\0\0II*\0\x08\0\0\0\0\0")
        case "image/svg+xml":
            return _replaced(signed, b"<title>Drawing 0", b"<title>Drawing 1")
        case "application/pdf":
            return _replaced(signed, b"Helvetica", b"Helvetics")
    return _replaced(signed, b"Lavf", b"Lavg")  # libav's signature in everything it writes


def _png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _before_end(png: bytes, chunk: bytes) -> bytes:
    at = png.rindex(b"IEND") - 4
    return png[:at] + chunk + png[at:]


def _with_chunk(riff: bytes, name: bytes, body: bytes) -> bytes:
    body += b"\0" * (len(body) % 2)
    grown = riff + name + struct.pack("<I", len(body)) + body
    return grown[:4] + struct.pack("<I", len(grown) - 8) + grown[8:]


def _tiff_entry(tiff: bytes, wanted: Callable[[int], bool], change: Callable[[int, int], tuple[int, int]]) -> bytes:
    """The first directory entry whose tag is `wanted`, with tag and value changed (TIFF 6.0 §2)."""
    order = "<" if tiff[:2] == b"II" else ">"
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    for number in range(count):
        at = directory + 2 + 12 * number
        tag, kind, length, value = struct.unpack_from(order + "HHII", tiff, at)
        if wanted(tag):
            tag, value = change(tag, value)
            return tiff[:at] + struct.pack(order + "HHII", tag, kind, length, value) + tiff[at + 12 :]
    raise AssertionError("no such entry")


# --- The credential --------------------------------------------------------------------------------------------------


def store_replaced(media_type: str, signed: bytes, old: bytes, new: bytes) -> bytes:
    """The first `old` in the manifest store becomes `new`, of the same length."""
    store, write = _store(media_type, signed)
    at = store.index(old)
    return write(store[:at] + new + store[at + len(old) :])


def signature_edited(media_type: str, signed: bytes) -> bytes:
    """A bit of the last signature in the store, which is the active manifest's."""
    store, write = _store(media_type, signed)
    return write(media_made.flip(store, store.rindex(COSE_SIGNATURE) + len(COSE_SIGNATURE) + 9))


def _store(media_type: str, signed: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """The manifest store, and how to put one of the same length back."""
    if media_type == "image/svg+xml":
        match = re.search(rb"manifest[^>]*>\s*([A-Za-z0-9+/=]{100,})\s*<", signed)
        assert match is not None
        begin, end = match.span(1)
        return base64.b64decode(match[1]), lambda store: signed[:begin] + base64.b64encode(store) + signed[end:]
    places = list(_places(media_type, signed))

    def write(store: bytes) -> bytes:
        changed = bytearray(signed)
        for at, byte in zip(places, store, strict=True):
            changed[at] = byte
        return bytes(changed)

    return bytes(signed[at] for at in places), write


def _places(media_type: str, signed: bytes) -> Iterator[int]:
    """Where in the file the bytes of the store are: in a GIF in blocks of 255, else in one piece."""
    if media_type != "image/gif":
        begin = signed.index(b"jumb", signed.index(b"jumb")) - 4
        yield from range(begin, begin + struct.unpack_from(">I", signed, begin)[0])
        return
    at = signed.index(b"C2PA_GIF") + 11
    while signed[at]:
        yield from range(at + 1, at + 1 + signed[at])
        at += 1 + signed[at]


# --- Without the credential ------------------------------------------------------------------------------------------


def stripped(media_type: str, signed: bytes) -> bytes:
    """The file as a program leaves it that throws away what it does not know."""
    if media_type in BMFF:
        return b"".join(whole for kind, whole in _boxes(signed) if kind != b"uuid" or whole[8:24] != C2PA_BOX)
    if media_type in RIFF:
        return _without_chunk(signed, b"C2PA")
    match media_type:
        case "image/jxl":
            return b"".join(whole for kind, whole in _boxes(signed) if kind != b"jumb")
        case "image/jpeg":
            return _without_app11(signed)
        case "image/png":
            return _without_png_chunk(signed, b"caBX")
        case "image/gif":
            begin = signed.index(b"\x21\xff\x0bC2PA_GIF")
            end = max(_places(media_type, signed)) + 2
            return signed[:begin] + signed[end:]
        case "image/tiff":  # a reader passes over tags it does not know
            return _tiff_entry(signed, lambda tag: tag == TIFF_STORE, lambda tag, value: (tag + 1, value))
        case "image/svg+xml":
            return re.sub(rb"<metadata>.*?</metadata>", b"", signed, flags=re.DOTALL)
        case "application/pdf":
            return signed.replace(b"C2PA_Manifest", b"Unspecified00").replace(b"C2PA Manifest", b"Unspecified00")
    return _without_id3(signed)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        length = length or len(data) - at
        yield kind, data[at : at + length]
        at += length


def _without_chunk(riff: bytes, name: bytes) -> bytes:
    kept, at = bytearray(riff[:12]), 12
    while at + 8 <= len(riff):
        (length,) = struct.unpack_from("<I", riff, at + 4)
        end = at + 8 + length + length % 2
        kept += b"" if riff[at : at + 4] == name else riff[at:end]
        at = end
    return bytes(kept[:4] + struct.pack("<I", len(kept) - 8) + kept[8:])


def _without_app11(jpeg: bytes) -> bytes:
    kept, at = bytearray(jpeg[:2]), 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + struct.unpack_from(">H", jpeg, at + 2)[0]
        kept += b"" if jpeg[at + 1] == 0xEB else jpeg[at:end]
        at = end
    return bytes(kept) + jpeg[at:]


def _without_png_chunk(png: bytes, name: bytes) -> bytes:
    kept, at = bytearray(png[:8]), 8
    while at < len(png):
        end = at + 12 + struct.unpack_from(">I", png, at)[0]
        kept += b"" if png[at + 4 : at + 8] == name else png[at:end]
        at = end
    return bytes(kept)


def _without_id3(sound: bytes) -> bytes:
    assert sound.startswith(b"ID3")
    size = 0
    for byte in sound[6:10]:  # ID3v2 §3.1: seven bits of each
        size = size << 7 | byte & 0x7F
    return sound[10 + size :]


def re_encoded(media_type: str, signed: bytes) -> bytes:
    """Opened and saved by a program that knows nothing of credentials. Drawings and documents are made anew."""
    if media_type in PICTURES:
        kind, options = media_made.PICTURES[media_type]
        return media_made.saved(Image.open(io.BytesIO(signed)).convert("RGB"), kind, **options)
    if media_type.split("/")[0] in ("video", "audio"):
        return _copied(media_type, signed)
    return media_made.make(media_type)


def _copied(media_type: str, signed: bytes) -> bytes:
    """What `ffmpeg -c copy` does: every packet into a new container."""
    muxer = (media_made.VIDEOS | media_made.SOUNDS)[media_type][0]
    out = io.BytesIO()
    with av.open(io.BytesIO(signed), "r") as source, av.open(out, "w", format=muxer) as target:
        stream = source.streams[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    return out.getvalue()


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    at = data.index(old)
    return data[:at] + new + data[at + len(old) :]
