"""Pictures as networks get them: every format, animated or not, of one pixel or of thousands of frames."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from detection import pictures
from tests.detection import media
from tests.provenance import media_made


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "media_type", ["image/jpeg", "image/png", "image/webp", "image/gif", "image/heic", "image/avif", "image/tiff"]
)
def test_every_format_becomes_three_channels(media_type: str, tmp_path: Path) -> None:
    rgb = pictures.read_rgb(saved(tmp_path / "one", media_made.make(media_type, width=320)))
    assert rgb.shape[2] == 3 and rgb.shape[1] == 320 and rgb.dtype == np.uint8


def test_a_picture_of_one_pixel_is_a_picture(tmp_path: Path) -> None:
    path = saved(tmp_path / "dot.png", media.png(Image.new("RGB", (1, 1), "red")))
    assert pictures.read_rgb(path).tolist() == [[[255, 0, 0]]]


def test_what_shows_through_is_white_and_deep_pictures_keep_their_highlights(tmp_path: Path) -> None:
    clear = saved(tmp_path / "clear.png", media.png(Image.new("RGBA", (4, 4), (9, 9, 9, 0))))
    assert (pictures.read_rgb(clear) == 255).all()
    deep = Image.fromarray(np.full((4, 4), 65535, dtype=np.uint16))
    assert (pictures.read_rgb(saved(tmp_path / "deep.png", media.png(deep))) == 255).all()


def test_a_picture_is_examined_as_it_is_stored_however_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "turned.jpg", media.jpeg(Image.new("RGB", (40, 20)), exif=exif))
    assert pictures.read_rgb(path).shape[:2] == (20, 40)


def animated(frames: int, side: int = 8) -> bytes:
    buffer = io.BytesIO()
    first, *rest = (Image.new("RGB", (side, side), (index % 256, index // 256, 90)) for index in range(frames))
    first.save(buffer, "WEBP", save_all=True, append_images=rest, duration=100, method=0, quality=20)
    return buffer.getvalue()


def test_an_animation_of_5000_frames_costs_no_more_than_its_first_hundreds(tmp_path: Path) -> None:
    path = saved(tmp_path / "long.webp", animated(5000))
    found = list(pictures.rgb_frames(path, "image/webp", 8))
    assert len(found) == 8
    assert found[-1][0] < pictures.MAX_ANIMATION * 0.1
    assert [seconds for seconds, _ in found] == sorted({seconds for seconds, _ in found})


def test_a_still_picture_is_one_frame_and_a_video_several(tmp_path: Path) -> None:
    still = saved(tmp_path / "still.png", media.png(Image.new("RGB", (20, 20))))
    [(seconds, frame)] = pictures.rgb_frames(still, "image/png", 8)
    assert seconds == 0 and frame.shape == (20, 20, 3)
    clip = saved(tmp_path / "clip.mp4", media.video([Image.new("RGB", (160, 120), (i * 9, 0, 0)) for i in range(20)]))
    moments = [seconds for seconds, _ in pictures.rgb_frames(clip, "video/mp4", 4)]
    assert len(moments) == 4 and moments == sorted(moments)


def test_compression_is_bytes_for_each_pixel_and_only_where_something_is_lost(tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    rich, poor = (saved(tmp_path / f"{q}.jpg", media.jpeg(noise, q)) for q in (95, 10))
    assert (pictures.compression(rich, "image/jpeg") or 0) > 2 * (pictures.compression(poor, "image/jpeg") or 9)
    assert pictures.compression(saved(tmp_path / "a.png", media.png(noise)), "image/png") is None


@pytest.mark.parametrize("data", [b"", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n" + b"\0" * 40])
def test_what_cannot_be_decoded_is_refused_in_words(data: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path / "broken", data)
    for read in (lambda: pictures.read_rgb(path), lambda: list(pictures.rgb_frames(path, "image/png", 2))):
        with pytest.raises(Problem) as refused:
            read()
        assert refused.value.code == "detection.unreadable"


@pytest.mark.parametrize(("quality", "kind"), [(95, "as_is"), (76, "as_is"), (75, "jpeg_70"), (40, "jpeg_70")])
def test_a_jpeg_is_of_the_kind_that_its_last_save_made_it(quality: int, kind: str, tmp_path: Path) -> None:
    assert pictures.saved_as(saved(tmp_path / "work.jpg", media.jpeg(Image.new("RGB", (40, 40)), quality))) == kind


def test_what_is_no_jpeg_is_as_it_is(tmp_path: Path) -> None:
    for data in (media.png(Image.new("RGB", (40, 40))), b"", b"\xff\xd8\xff"):
        assert pictures.saved_as(saved(tmp_path / "work", data)) == "as_is"
