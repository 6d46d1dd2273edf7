"""What is let in: told by content, measured before decoding, refused in words."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from rest_framework.test import APIClient

from accounts.models import User
from core import storage
from core.problems import Problem
from provenance import containers, guarded, media
from tests.provenance import media_made
from tests.provenance.conftest import Register

Write = Callable[[str, bytes], Path]


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


def _without_index(photo: bytes) -> bytes:
    video = media_made.as_mp4(photo)
    return video[: video.index(b"moov") - 4]


def _with_broken_checksum(photo: bytes) -> bytes:
    png = media_made.as_png(photo)
    return media_made.flip(png, len(png) // 2)


HUGE_WEBP = b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0" + b"\x10\0\0\0" + b"\xff\x3f\0" * 2 + bytes(8)
# Parts of every format: test_formats.
BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "half a jpeg": (lambda photo: photo[: len(photo) // 2], "media.truncated"),
    "a jpeg without its last kilobyte": (lambda photo: photo[:-1024], "media.truncated"),
    "a png with a broken checksum": (_with_broken_checksum, "media.truncated"),
    "a video without an index": (_without_index, "media.truncated"),
    "a png without pixels": (lambda photo: media_made.png_that_says(0, 10), "media.no_pixels"),
    "a jpeg without pixels": (lambda photo: media_made.jpeg_that_says(photo, 640, 0), "media.no_pixels"),
    "a png of 60,000 × 60,000": (lambda photo: media_made.png_that_says(60_000, 60_000), "media.too_many_pixels"),
    "a jpeg of 60,000 × 60,000": (
        lambda photo: media_made.jpeg_that_says(photo, 60_000, 60_000),
        "media.too_many_pixels",
    ),
    "a png of 2³¹ × 2³¹": (lambda photo: media_made.png_that_says(2**31 - 1, 2**31 - 1), "media.too_many_pixels"),
    "a webp canvas of 16,384 × 16,384": (lambda photo: HUGE_WEBP, "media.too_many_pixels"),
}


@pytest.mark.parametrize("what", BAD)
def test_damaged_and_outsized_media_are_refused(
    what: str, photo: bytes, alice: User, register: Register, leaves_nothing: None
) -> None:
    damaged, code = BAD[what]
    with pytest.raises(Problem) as refusal:
        register(alice, damaged(photo))
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


def test_pixels_are_counted_before_anything_is_decoded(photo: bytes, on_disk: Write, tmp_path: Path) -> None:
    path = on_disk("bomb.png", media_made.png_that_says(60_000, 60_000))
    with pytest.raises(Problem) as refusal:
        containers.check_dimensions(path, media.PNG, max_pixels=100_000_000)
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
    assert containers.check_dimensions(on_disk("x", out.getvalue()), media_type, max_pixels=10**6) == size


def test_fill_bytes_and_segments_before_the_frame_header_are_skipped(photo: bytes, on_disk: Write) -> None:
    padded = photo[:2] + b"\xff\xff\xff\xe1\x00\x06Exif" + b"\xff\x01" + photo[2:]
    assert containers.check_dimensions(on_disk("x", padded), media.JPEG, max_pixels=10**6) == (640, 427)


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


def test_scratch_files_are_private(photo: bytes) -> None:
    with storage.receive([photo]) as scratch:
        assert scratch.path.stat().st_mode & 0o077 == 0


@pytest.mark.django_db
def test_two_files_in_one_upload_are_refused_because_nobody_knows_which_is_meant(photo: bytes) -> None:
    files = {"file": [SimpleUploadedFile("a.jpg", photo), SimpleUploadedFile("b.jpg", photo[:-1])]}
    answer = APIClient().post("/api/v1/verifications", files, format="multipart")
    assert (answer.status_code, answer.json()["code"]) == (400, "media.several")
    assert answer.json()["next_step"]
