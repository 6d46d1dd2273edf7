"""Media made for these tests: edited photographs, pictures that declare things, a small video."""

import io
import struct
import zlib

import av
import numpy as np
from PIL import Image, ImageFilter, PngImagePlugin

Box = tuple[int, int, int, int]


def photograph(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def png(image: Image.Image, **text: str) -> bytes:
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for name, value in text.items():
        info.add_text(name, value)
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def jpeg(image: Image.Image, quality: int = 95, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def edited(image: Image.Image, how: str, box: Box, other: Image.Image) -> Image.Image:
    """`image` with the area `box` denoised, blurred, noised, spliced in from `other`, recompressed, or resampled."""
    patch, result = image.crop(box), image.copy()
    result.paste(EDITS[how](patch, other), box[:2])
    return result


def _noised(patch: Image.Image, _: Image.Image) -> Image.Image:
    values = np.asarray(patch).astype(float)
    noise = np.random.default_rng(7).normal(0, 5, (*values.shape[:2], 1))
    return Image.fromarray((values + noise).clip(0, 255).astype(np.uint8))


def _spliced(patch: Image.Image, other: Image.Image) -> Image.Image:
    side = min(*patch.size, *other.size)
    return other.crop((0, 0, side, side)).resize(patch.size, Image.Resampling.BICUBIC)


def _recompressed(patch: Image.Image, _: Image.Image) -> Image.Image:
    return photograph(jpeg(patch, 55))


def _resampled(patch: Image.Image, _: Image.Image) -> Image.Image:
    width, height = patch.size
    inner = patch.crop((width // 6, height // 6, width - width // 6, height - height // 6))
    return inner.resize(patch.size, Image.Resampling.BICUBIC)


EDITS = {
    "denoised": lambda patch, _: patch.filter(ImageFilter.MedianFilter(3)),
    "blurred": lambda patch, _: patch.filter(ImageFilter.GaussianBlur(0.8)),
    "noised": _noised,
    "spliced": _spliced,
    "recompressed": _recompressed,
    "resampled": _resampled,
}


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG with one more chunk after its header."""
    return data[:33] + png_chunk(kind, body) + data[33:]


def video(frames: list[Image.Image], **tags: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        container.metadata.update(tags)
        stream = container.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *frames[0].size, "yuv420p", 4_000_000
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.asarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def xmp(properties: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" {properties}/>'
        "</rdf:RDF></x:xmpmeta>"
    ).encode()
