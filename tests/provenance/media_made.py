"""Media for these tests, made from the one real photograph."""

import io
import struct
import zlib
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageDraw


def as_png(photo: bytes, width: int = 320) -> bytes:
    return _saved(_small(photo, width), "PNG")


def as_webp(photo: bytes, width: int = 320) -> bytes:
    return _saved(_small(photo, width), "WEBP", quality=85)


def as_jpeg(photo: bytes, width: int = 320, **options: object) -> bytes:
    return _saved(_small(photo, width), "JPEG", **{"quality": 85, **options})


def as_mp4(photo: bytes, *, frames: int = 24, audio_only: bool = False) -> bytes:
    """A second of video that pans over the photograph."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        if audio_only:
            _tone(container)
        else:
            _pan(container, _small(photo, 400), frames)
    return out.getvalue()


def _pan(container: av.container.OutputContainer, picture: Image.Image, frames: int) -> None:
    stream = container.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
    stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
    for number in range(frames):
        view = picture.crop((number, 0, number + 320, 240))
        frame = av.VideoFrame.from_image(view)  # type: ignore[no-untyped-call]
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _tone(container: av.container.OutputContainer) -> None:
    stream = container.add_stream("aac", rate=44100)
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 44100), dtype=np.float32), format="fltp", layout="mono")
    frame.sample_rate = 44100
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _small(photo: bytes, width: int) -> Image.Image:
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    return picture.resize((width, round(picture.height * width / picture.width)))


def _saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def with_caption(photo: bytes) -> bytes:
    picture = Image.open(io.BytesIO(photo)).convert("RGB")
    ImageDraw.Draw(picture).rectangle((0, picture.height * 9 // 10, picture.width, picture.height), fill="black")
    return _saved(picture, "JPEG", quality=80)


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
