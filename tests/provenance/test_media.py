"""What is let in: told by content, measured before decoding, refused in words."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from accounts.models import User
from core import storage
from core.problems import Problem
from provenance import guarded, media
from tests.provenance import media_made
from tests.provenance.conftest import FORMATS, Register

Write = Callable[[str, bytes], Path]

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
REFUSED = {
    "svg": (SVG, "programs"),
    "svg with a byte order mark": (b"\xef\xbb\xbf \n<svg onload='x()'/>", "programs"),
    "svg in utf-16": ("<svg onload='x()'/>".encode("utf-16"), "programs"),
    "html": (b"<!DOCTYPE html><html><script>1</script></html>", "programs"),
    "gif": (b"GIF89a\x01\x00\x01\x00\x00\x00\x00;", "GIF"),
    "zip": (b"PK\x03\x04" + bytes(60), "ZIP"),
    "pdf": (b"%PDF-1.7\n", "PDF"),
    "heic": (b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", "HEIC"),
    "avif": (b"\0\0\0\x18ftypavif\0\0\0\0avifmif1", "AVIF"),
    "quicktime": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "QuickTime"),
    "webm": (b"\x1aE\xdf\xa3" + bytes(40), "WebM"),
    "a program": (b"\x7fELF" + bytes(40), "a program"),
    "text": (b"hello", "no kind that this office knows"),
    "one byte": (b"\xff", "no kind that this office knows"),
    "nothing but zeros": (bytes(5000), "no kind that this office knows"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_content_tells_the_type(name: str, media_files: dict[str, bytes], on_disk: Write) -> None:
    assert media.sniff(on_disk("anything.bin", media_files[name])) == FORMATS[name]


@pytest.mark.parametrize("what", REFUSED)
def test_other_kinds_of_file_are_refused_in_words(
    what: str, alice: User, register: Register, leaves_nothing: None
) -> None:
    data, words = REFUSED[what]
    with pytest.raises(Problem) as refusal:
        register(alice, data)
    assert (refusal.value.code, refusal.value.status) == ("media.type_unsupported", 415)
    assert words in refusal.value.detail
    assert "JPEG, PNG, WebP or MP4" in refusal.value.next_step


def test_a_jpeg_named_png_is_refused_naming_both(
    photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, photo, filename="holiday.PNG")
    assert refusal.value.code == "media.name_mismatch"
    assert "PNG" in refusal.value.detail
    assert "JPEG" in refusal.value.detail
    assert "“.jpg”" in refusal.value.next_step


@pytest.mark.parametrize(
    "name", ["photo.jpeg", "photo.JPG", "photo", "photo.original", "C:\\pictures.png\\photo.jfif", ""]
)
def test_names_that_agree_or_say_nothing_are_accepted(name: str) -> None:
    media.check_name(name, media.JPEG)


def _bad_media(photo: bytes) -> dict[str, tuple[bytes, str]]:
    video, png = media_made.as_mp4(photo), media_made.as_png(photo)
    moov = video.index(b"moov")
    return {
        "half a jpeg": (photo[: len(photo) // 2], "media.truncated"),
        "a jpeg without its last kilobyte": (photo[:-1024], "media.truncated"),
        "the first bytes of a jpeg": (photo[:100], "media.truncated"),
        "half a png": (png[: len(png) // 2], "media.truncated"),
        "a png with a broken checksum": (media_made.flip(png, len(png) // 2), "media.truncated"),
        "half a webp": (media_made.as_webp(photo)[:3000], "media.truncated"),
        "half a video": (video[: len(video) // 2], "media.truncated"),
        "a video without an index": (video[: moov - 4], "media.truncated"),
        "sound alone": (media_made.as_mp4(photo, audio_only=True), "media.no_picture"),
        "a png without pixels": (media_made.png_that_says(0, 10), "media.no_pixels"),
        "a jpeg without pixels": (media_made.jpeg_that_says(photo, 640, 0), "media.no_pixels"),
        "a png of 60,000 × 60,000": (media_made.png_that_says(60_000, 60_000), "media.too_many_pixels"),
        "a jpeg of 60,000 × 60,000": (media_made.jpeg_that_says(photo, 60_000, 60_000), "media.too_many_pixels"),
        "a png of 2³¹ × 2³¹": (media_made.png_that_says(2**31 - 1, 2**31 - 1), "media.too_many_pixels"),
        "a webp canvas of 16,384 × 16,384": (
            b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + b"\x10\0\0\0" + b"\xff\x3f\0" * 2 + bytes(8),
            "media.too_many_pixels",
        ),
    }


BAD = list(_bad_media((Path(__file__).parents[2] / "web/demo/photographs/rocket.jpg").read_bytes()))


@pytest.mark.parametrize("what", BAD)
def test_damaged_and_outsized_media_are_refused(
    what: str, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    data, code = _bad_media(photo)[what]
    with pytest.raises(Problem) as refusal:
        register(alice, data)
    assert refusal.value.code == code
    assert refusal.value.status == 422
    assert refusal.value.next_step


def test_an_empty_file_is_refused(alice: User, register: Register, leaves_nothing: None) -> None:
    with pytest.raises(Problem) as refusal:
        register(alice, b"")
    assert refusal.value.code == "media.empty"


def test_a_stream_over_the_limit_is_cut_off(
    alice: User, register: Register, settings: object, leaves_nothing: None
) -> None:
    settings.ASSAY_MAX_UPLOAD_BYTES = 1000  # type: ignore[attr-defined]
    with pytest.raises(Problem) as refusal:
        register(alice, bytes(1001))
    assert (refusal.value.code, refusal.value.status) == ("media.too_large", 413)


def test_a_video_longer_than_the_limit_is_refused(
    media_files: dict[str, bytes], alice: User, register: Register, settings: object, leaves_nothing: None
) -> None:
    settings.ASSAY_MAX_SECONDS = 0.5  # type: ignore[attr-defined]
    with pytest.raises(Problem) as refusal:
        register(alice, media_files["clip.mp4"])
    assert refusal.value.code == "media.too_long"


def test_pixels_are_counted_before_anything_is_decoded(photo: bytes, on_disk: Write, tmp_path: Path) -> None:
    path = on_disk("bomb.png", media_made.png_that_says(60_000, 60_000))
    with pytest.raises(Problem) as refusal:
        media.check_dimensions(path, media.PNG, max_pixels=100_000_000)
    assert "60,000 × 60,000" in refusal.value.detail
    assert "100 megapixels" in refusal.value.detail


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (64, 48)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "WEBP lossless", "WEBP with alpha", "progressive"])
def test_headers_are_read_as_pillow_reads_them(size: tuple[int, int], kind: str, on_disk: Write) -> None:
    picture = Image.effect_noise(size, 90).convert("RGBA" if "alpha" in kind else "RGB")
    out = io.BytesIO()
    name, _, how = kind.partition(" ")
    options = {"lossless": True} if how == "lossless" else {}
    if kind == "progressive":
        name, options = "JPEG", {"progressive": True}
    picture.save(out, name, **options)
    media_type = {"JPEG": media.JPEG, "PNG": media.PNG, "WEBP": media.WEBP}[name]
    assert media.check_dimensions(on_disk("x", out.getvalue()), media_type, max_pixels=10**6) == size


def test_fill_bytes_and_segments_before_the_frame_header_are_skipped(photo: bytes, on_disk: Write) -> None:
    padded = photo[:2] + b"\xff\xff\xff\xe1\x00\x06Exif" + b"\xff\x01" + photo[2:]
    assert media.check_dimensions(on_disk("x", padded), media.JPEG, max_pixels=10**6) == (640, 427)


def test_a_picture_may_be_any_mode(photo: bytes, on_disk: Write, tmp_path: Path) -> None:
    for kind, mode in [("PNG", "P"), ("PNG", "1"), ("PNG", "LA"), ("PNG", "I;16"), ("JPEG", "CMYK"), ("JPEG", "L")]:
        picture = Image.open(io.BytesIO(photo)).resize((120, 80))
        picture = picture.convert("L").convert("I").convert(mode) if mode == "I;16" else picture.convert(mode)
        out = io.BytesIO()
        picture.save(out, kind)
        path = on_disk(f"{mode}".replace(";", ""), out.getvalue())
        told = guarded.describe(path, media.sniff(path), preview=tmp_path / "preview.jpg")
        assert (told.width, told.height) == (120, 80)
        with Image.open(tmp_path / "preview.jpg") as preview:
            assert preview.mode == "RGB"
        (tmp_path / "preview.jpg").unlink()  # a child reads files that are there and writes those that are not


def test_random_bytes_after_each_magic_never_crash_the_office(on_disk: Write, tmp_path: Path) -> None:
    heads = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x14ftypisom\0\0\0\0isom")
    for number, head in enumerate(heads * 3):
        path = on_disk(str(number), head + os.urandom(4000))
        with pytest.raises(Problem) as refusal:
            guarded.describe(path, media.sniff(path), preview=tmp_path / "p.jpg")
        assert 400 <= refusal.value.status < 500


def test_scratch_files_are_private(photo: bytes) -> None:
    with storage.receive([photo]) as scratch:
        assert scratch.path.stat().st_mode & 0o077 == 0
