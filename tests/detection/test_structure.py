"""Contradictions inside a file: a preview of another picture, sizes that are not true, data behind the end."""

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from detection.detectors import Answer, Media, Reading
from detection.detectors.structure import detector, segments
from detection.evaluation.structure import with_preview
from tests.conftest import PHOTOGRAPHS
from tests.detection import media

Read = Callable[..., dict[str, Reading]]


@pytest.fixture(scope="module")
def picture() -> Image.Image:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as opened:
        return opened.convert("RGB")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def readings(data: bytes, media_type: str = "image/jpeg") -> dict[str, Reading]:
        path = tmp_path / "file"
        path.write_bytes(data)
        return {one.signal: one for one in detector.analyze(Media(path, media_type, tmp_path))}

    return readings


def test_a_preview_of_the_same_picture_is_no_signal(read: Read, picture: Image.Image) -> None:
    found = read(with_preview(picture, picture))["preview_differs"]
    assert found.answer is Answer.NO_SIGNALS and float(found.score) < 1


def test_black_bars_that_cameras_add_are_no_signal(read: Read, picture: Image.Image) -> None:
    wide = picture.resize((600, 338))
    framed = Image.new("RGB", (160, 120))
    framed.paste(wide.resize((160, 90)), (0, 15))
    assert read(with_preview(wide, framed))["preview_differs"].answer is Answer.NO_SIGNALS


def test_a_preview_of_another_picture_is_a_signal(read: Read, picture: Image.Image) -> None:
    other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = read(with_preview(picture, other))["preview_differs"]
    assert found.answer is Answer.SIGNALS and "another picture" in found.statement


def test_a_part_that_was_painted_over_is_found(read: Read, picture: Image.Image) -> None:
    edited = picture.copy()
    edited.paste("white", (200, 100, 320, 220))
    found = read(with_preview(edited, picture))["preview_differs"]
    assert found.answer is Answer.SIGNALS and "A part of the picture differs" in found.statement


def test_a_crop_after_the_preview_was_written_is_found(read: Read, picture: Image.Image) -> None:
    cropped = picture.crop((0, 0, picture.width // 2, picture.height))
    found = read(with_preview(cropped, picture))["preview_differs"]
    assert found.answer is Answer.SIGNALS and "another shape" in found.statement


def test_a_preview_that_is_no_picture_is_passed_over(read: Read, picture: Image.Image) -> None:
    data = with_preview(picture, picture)
    second = data.index(b"\xff\xd8\xff", 3)
    assert "preview_differs" not in read(data[:second] + b"\0\0\0" + data[second + 3 :])


def test_the_size_that_exif_states_is_compared_with_the_picture(read: Read, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA002: 4000, 0xA003: 3000})
    found = read(media.jpeg(picture, exif=exif))["stated_size"]
    assert found.answer is Answer.SIGNALS and "4,000 × 3,000" in found.statement
    exif.get_ifd(0x8769).update({0xA002: picture.height, 0xA003: picture.width})  # turned by its orientation
    assert read(media.jpeg(picture, exif=exif))["stated_size"].answer is Answer.NO_SIGNALS


@pytest.mark.parametrize(
    ("after", "looks_like"),
    [(b"\xff\xd8\xff\xe0 more", "another JPEG"), (b"\0\0\0\x18ftypmp42", "a video"), (b"PK\x03\x04", "a ZIP archive")],
)
def test_data_behind_the_end_are_counted_and_named(
    read: Read, picture: Image.Image, after: bytes, looks_like: str
) -> None:
    found = read(media.jpeg(picture) + after)["data_behind_end"]
    assert found.answer is Answer.SIGNALS
    assert found.score == str(len(after)) and found.details["looks_like"] == looks_like


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_file_ends_where_its_picture_ends(read: Read, picture: Image.Image, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "whole"
    picture.save(path, kind)
    found = read(path.read_bytes(), f"image/{kind.lower()}")["data_behind_end"]
    assert found.answer is Answer.NO_SIGNALS and found.score == "0"


def test_a_progressive_file_is_walked_through_all_its_scans(tmp_path: Path, picture: Image.Image) -> None:
    path = tmp_path / "progressive.jpg"
    path.write_bytes(media.jpeg(picture, progressive=True) + b"tail")
    built = segments.built(path, "image/jpeg")
    assert built.frame == "progressive" and built.names.count("SOS") > 5 and built.trailing == 4


def test_a_jpeg_cut_anywhere_is_walked_as_far_as_it_goes(tmp_path: Path, picture: Image.Image) -> None:
    data = media.jpeg(picture)
    for length in (2, 3, 5, 20, 21, 600, len(data) - 1):
        path = tmp_path / "cut.jpg"
        path.write_bytes(data[:length])
        assert segments.built(path, "image/jpeg").end == 0


def test_a_png_with_an_impossible_chunk_length_ends_the_walk(tmp_path: Path, picture: Image.Image) -> None:
    path = tmp_path / "odd.png"
    path.write_bytes(media.png(picture)[:33] + struct.pack(">I", 0xFFFFFFFF) + b"IDAT")
    assert segments.built(path, "image/png").names == ("IHDR",)


def test_photoshop_is_named_and_a_phones_firmware_is_not_taken_for_an_editor(read: Read, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0131] = "Maker", "Phone 3", "Adobe Photoshop 26.1"
    found = read(media.jpeg(picture, exif=exif))["written_by"]
    assert found.answer is Answer.SIGNALS and "Adobe Photoshop 26.1" in found.statement
    exif[0x0131] = "HDR+ 1.0.1"
    assert read(media.jpeg(picture, exif=exif))["written_by"].answer is Answer.NO_SIGNALS


def test_the_encoder_of_a_video_is_quoted_and_is_no_signal(read: Read, picture: Image.Image) -> None:
    found = read(media.video([picture.resize((320, 208))] * 3), "video/mp4")["written_by"]
    assert found.answer is Answer.NO_SIGNALS and "Lavf" in found.statement


def test_hostile_text_in_a_tag_is_made_harmless(read: Read, picture: Image.Image) -> None:
    exif = Image.Exif()
    exif[0x0131] = "\u202egimp" + "A" * 5000
    found = read(media.jpeg(picture, exif=exif))["written_by"]
    assert "\u202e" not in found.statement and len(found.statement) < 300
