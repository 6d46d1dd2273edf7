"""Media for these tests, made from one real photograph and from sums of sines: one small file of every format.

`make("image/avif")` gives a whole, plain file without credentials; `variant` gives another work of the same format.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401 - registers JPEG XL with Pillow
from PIL import Image, ImageDraw

pillow_heif.register_heif_opener()
PHOTO = Path(__file__).parents[2] / "web/demo/photographs/rocket.jpg"

# What takes a credential inside, and what only takes one beside it.
EMBEDDABLE: tuple[str, ...] = (
    "image/jpeg", "image/png", "image/webp", "image/tiff", "image/gif", "image/avif", "image/heic", "image/jxl",
    "image/svg+xml", "video/mp4", "video/quicktime", "video/avi", "audio/wav", "audio/mpeg", "audio/flac",
    "audio/mp4", "application/pdf",
)  # fmt: skip
DETACHED: tuple[str, ...] = ("text/plain", "video/webm", "video/x-matroska", "audio/ogg", "application/zip")


def make(
    media_type: str, photo: bytes | None = None, *, width: int = 128, seconds: float = 1.0, variant: int = 0
) -> bytes:
    """A file of `media_type`. The same arguments give a work that looks or sounds the same, not the same bytes.

    photo: what pictures and videos show. width: of pictures, pixels. seconds: of sounds. variant: another work.
    """
    seen = photo or PHOTO.read_bytes()
    if media_type in PICTURES:
        kind, options = PICTURES[media_type]
        return saved(_cut(small(seen, width), variant), kind, **options)
    if media_type in VIDEOS:
        return _video(media_type, _cut(small(seen, 240), variant))
    if media_type in SOUNDS:
        return as_sound(media_type, seconds=seconds, variant=variant)
    return _BY_HAND[media_type](variant)


# --- Pictures ------------------------------------------------------------------------------------------------------

PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "image/jpeg": ("JPEG", {"quality": 85}),
    "image/png": ("PNG", {}),
    "image/webp": ("WEBP", {"quality": 85}),
    "image/tiff": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "image/gif": ("GIF", {}),
    "image/avif": ("AVIF", {"quality": 70, "speed": 9}),
    "image/heic": ("HEIF", {"quality": 70}),
    "image/jxl": ("JXL", {"quality": 85, "effort": 3, "use_container": True}),
    "image/bmp": ("BMP", {}),
}


def _cut(picture: Image.Image, variant: int) -> Image.Image:
    """Another work: another part of the photograph, mirrored for every other number."""
    if not variant:
        return picture
    rng = np.random.default_rng(variant)
    left, top = (int(rng.integers(0, max(1, side // 3))) for side in picture.size)
    part = picture.crop((left, top, left + picture.width * 2 // 3, top + picture.height * 2 // 3))
    part = part.resize(picture.size)
    return part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if variant % 2 else part


def animated(kind: str, photo: bytes | None = None, *, frames: int = 4, width: int = 64) -> bytes:
    """A moving picture of `kind` (GIF, PNG, WEBP, AVIF, TIFF), each frame another one."""
    picture = small(photo or PHOTO.read_bytes(), width)
    each = [picture.rotate(7 * number) for number in range(frames)]
    return saved(each[0], kind, save_all=True, append_images=each[1:])


def as_png(photo: bytes, width: int = 320) -> bytes:
    return saved(small(photo, width), "PNG")


def as_webp(photo: bytes, width: int = 320) -> bytes:
    return saved(small(photo, width), "WEBP", quality=85)


def as_jpeg(photo: bytes, width: int = 320, **options: object) -> bytes:
    return saved(small(photo, width), "JPEG", **{"quality": 85, **options})


# --- Video ---------------------------------------------------------------------------------------------------------

# Muxer and codec of libav.
VIDEOS = {
    "video/mp4": ("mp4", "libx264"),
    "video/quicktime": ("mov", "libx264"),
    "video/avi": ("avi", "mpeg4"),
    "video/webm": ("webm", "libvpx"),
    "video/x-matroska": ("matroska", "libx264"),
}


def _video(media_type: str, picture: Image.Image) -> bytes:
    """Half a second that pans over the picture."""
    muxer, codec = VIDEOS[media_type]
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as container:
        pan(container, picture, 12, codec=codec, size=(160, 120))
    return out.getvalue()


def as_mp4(photo: bytes, *, frames: int = 24, audio_only: bool = False) -> bytes:
    """A second of video that pans over the photograph."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        if audio_only:
            _tone(container)
        else:
            pan(container, small(photo, 400), frames)
    return out.getvalue()


def pan(
    container: av.container.OutputContainer,
    picture: Image.Image,
    frames: int,
    *,
    codec: str = "libx264",
    size: tuple[int, int] = (320, 240),
) -> None:
    options = {"preset": "ultrafast"} if codec == "libx264" else {}
    stream: Any = container.add_stream(codec, rate=24, options=options)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    for number in range(frames):
        view = picture.crop((number, 0, number + size[0], size[1]))
        frame = av.VideoFrame.from_image(view)  # type: ignore[no-untyped-call]
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _tone(container: av.container.OutputContainer) -> None:
    stream = container.add_stream("aac", rate=44100)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), dtype=np.float32), format="fltp", layout="mono")
    frame.sample_rate = 44100
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


# --- Sound ---------------------------------------------------------------------------------------------------------

SOUNDS = {
    "audio/wav": ("wav", "pcm_s16le"),
    "audio/mpeg": ("mp3", "libmp3lame"),
    "audio/flac": ("flac", "flac"),
    "audio/mp4": ("ipod", "aac"),
    "audio/ogg": ("ogg", "libopus"),
}


def as_sound(media_type: str = "audio/wav", *, seconds: float = 1.0, variant: int = 0, rate: int = 16_000) -> bytes:
    """A melody of one note every fifth of a second; each variant is another one."""
    muxer, codec = SOUNDS[media_type]
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as container:
        stream: Any = container.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(melody(seconds, variant, rate)[np.newaxis], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def melody(seconds: float, variant: int = 0, rate: int = 16_000) -> np.ndarray[Any, np.dtype[np.int16]]:
    """16-bit samples of plucked notes with three overtones."""
    rng = np.random.default_rng(variant)
    step = rate // 5
    total = round(seconds * rate)
    notes = [_note(220.0 * 2 ** (int(rng.integers(0, 25)) / 12), step, rate) for _ in range(-(-total // step))]
    return (np.concatenate(notes)[:total] * 9_000).astype(np.int16)


def _note(pitch: float, length: int, rate: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    time = np.arange(length) / rate
    tone = sum(np.sin(2 * np.pi * pitch * over * time) / over for over in (1, 2, 3, 4))
    return np.asarray(tone * np.exp(-4 * time), dtype=np.float64)


# --- By hand -------------------------------------------------------------------------------------------------------


def as_svg(variant: int = 0) -> bytes:
    circles = "".join(
        f'<circle cx="{(37 * one + 11 * variant) % 120}" cy="{29 * one % 80}" r="{4 + one}" fill="#36{one}"/>'
        for one in range(9)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80" '
        f'width="120" height="80"><title>Drawing {variant}</title>{circles}</svg>\n'
    ).encode()


def as_pdf(variant: int = 0) -> bytes:
    """ISO 32000-1: one page with one line of text, and a cross-reference table that is right."""
    text = f"BT /F1 24 Tf 20 60 Td (Page of work {variant}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 120] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(text), text),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    tail = b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
    return bytes(out + tail % (len(objects) + 1, table, len(objects) + 1, len(out)))


def as_zip(variant: int = 0) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("letter.txt", f"Letter {variant}")
    return out.getvalue()


def as_text(variant: int = 0) -> bytes:
    return f"Notes on work {variant}: größer, café, 5 €.\n".encode()


_BY_HAND: dict[str, Callable[[int], bytes]] = {
    "image/svg+xml": as_svg,
    "application/pdf": as_pdf,
    "application/zip": as_zip,
    "text/plain": as_text,
}

# --- From and of files ---------------------------------------------------------------------------------------------


def small(photo: bytes, width: int) -> Image.Image:
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    return picture.resize((width, round(picture.height * width / picture.width)))


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def with_caption(photo: bytes) -> bytes:
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    ImageDraw.Draw(picture).rectangle((0, picture.height * 9 // 10, picture.width, picture.height), fill="black")
    return saved(picture, "JPEG", quality=80)


def png_that_says(width: int, height: int) -> bytes:
    """A PNG whose header names these dimensions and whose body is one empty row."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def jpeg_that_says(photo: bytes, width: int, height: int) -> bytes:
    """The photograph with other dimensions in its frame header."""
    at = next(photo.index(bytes([0xFF, sof])) for sof in (0xC0, 0xC2) if bytes([0xFF, sof]) in photo)
    return photo[: at + 5] + struct.pack(">HH", height, width) + photo[at + 9 :]


def naming_an_address(photo: bytes, url: str) -> bytes:
    """A JPEG whose XMP says that its manifest is at `url` (dcterms:provenance)."""
    xmp = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'xmlns:dcterms="http://purl.org/dc/terms/" dcterms:provenance="{url}"/></rdf:RDF></x:xmpmeta>'
        '<?xpacket end="w"?>'
    )
    return as_jpeg(photo, xmp=xmp.encode())


def flip(data: bytes, at: int, mask: int = 0x01) -> bytes:
    return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]


def change_a_pixel(signed: bytes, original: bytes) -> bytes:
    """`signed` with one byte changed where the picture is: in the middle of what it took over from `original`."""
    for share in (2, 3, 4, 5):
        middle = len(original) // share
        piece = original[middle : middle + 48]
        if piece in signed:
            return flip(signed, signed.index(piece) + 24)
    raise AssertionError("the signed file holds nothing of the original")


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path
