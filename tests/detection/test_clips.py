"""Stretches of a moving picture: in order, apart, and no more work for ten hours than for ten minutes."""

import io
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from detection import clips
from detection.clips import FRAMES, MOST_CLIPS, SIDE
from detection.detectors import Region
from detection.pictures import MAX_ANIMATION
from tests.detection import media


def moving(count: int, size: tuple[int, int] = (200, 160)) -> list[Image.Image]:
    """A square that crosses a picture of stripes."""
    frames = []
    for index in range(count):
        values = np.zeros((size[1], size[0], 3), np.uint8)
        values[:, ::8] = 90
        left = 20 + index * 2 % (size[0] - 80)
        values[60:100, left : left + 40] = (200, 180, 40)
        frames.append(Image.fromarray(values))
    return frames


def animation(frames: list[Image.Image], form: str = "WEBP", duration: int = 67) -> bytes:
    buffer = io.BytesIO()
    options = {"quality": 60, "method": 0} if form == "WEBP" else {}
    frames[0].save(buffer, form, save_all=True, append_images=frames[1:], duration=duration, loop=0, **options)
    return buffer.getvalue()


def sparse_video(path: Path, seconds: list[float]) -> Path:
    """A video whose frames are shown at these moments, each a key frame."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 128, 128, "yuv420p", 1
        stream.codec_context.time_base = stream.time_base = Fraction(1, 1000)
        for index, at in enumerate(seconds):
            picture = np.full((128, 128, 3), index * 37 % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(at * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read(path: Path, media_type: str, **options: object) -> list[clips.Clip]:
    return list(clips.read_clips(path, media_type, **options))  # type: ignore[arg-type]


def test_stretches_come_in_order_with_frames_far_enough_apart(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(media.video(moving(60)))  # 12 s at 5 frames a second
    found = read(path, "video/mp4")
    moments = [at for clip in found for at in clip.moments]
    assert moments == sorted(set(moments))
    assert all(clip.squares.shape == (len(clip.moments), SIDE, SIDE, 3) for clip in found)
    assert all(min(np.diff(clip.moments), default=1) >= clips.LEAST_STEP for clip in found)
    assert found[0].still.shape == (160, 200, 3)


def test_a_webp_and_a_gif_that_move_are_read_like_a_video(tmp_path: Path) -> None:
    for form, media_type in (("WEBP", "image/webp"), ("GIF", "image/gif")):
        path = tmp_path / f"clip.{form.lower()}"
        path.write_bytes(animation(moving(40), form))
        found = read(path, media_type)
        assert clips.is_animated(path, media_type)
        assert len(found) >= 3 and len(found[0].squares) == FRAMES
        assert found[0].step == pytest.approx(0.067, abs=0.01)


def test_a_still_picture_does_not_move(tmp_path: Path) -> None:
    path = tmp_path / "still.webp"
    moving(1)[0].save(path, "WEBP")
    assert not clips.is_animated(path, "image/webp")
    assert not clips.is_animated(path, "image/png")


def five_thousand(form: str) -> bytes:
    """A short animation whose last frame is repeated until there are 5,000, in the file as in the header."""
    data = animation([Image.new("RGB", (128, 128), shade) for shade in ("red", "navy")], form, 40)
    last = data.rindex(b"ANMF" if form == "WEBP" else b"\x21\xf9\x04")
    end = len(data) if form == "WEBP" else len(data) - 1
    longer = data[:last] + data[last:end] * 4999 + data[end:]
    return longer[:4] + struct.pack("<I", len(longer) - 8) + longer[8:] if form == "WEBP" else longer


@pytest.mark.parametrize("form", ["WEBP", "GIF"])
def test_of_five_thousand_frames_no_more_than_the_first_hundreds_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    path = tmp_path / "long"
    path.write_bytes(five_thousand(form))
    converted, whole = [], clips.middle

    def counted(image: Image.Image) -> clips.Pixels:
        converted.append(1)
        return whole(image)

    monkeypatch.setattr(clips, "middle", counted)
    found = read(path, f"image/{form.lower()}")
    assert len(converted) == MAX_ANIMATION
    assert 1 <= len(found) <= MOST_CLIPS
    assert found[-1].end <= MAX_ANIMATION * 0.04


def test_large_frames_of_an_animation_are_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MAX_ANIMATED_PIXELS", 200 * 160 * 12)
    path = tmp_path / "clip.webp"
    path.write_bytes(animation(moving(40)))
    assert sum(len(clip.moments) for clip in read(path, "image/webp")) <= 12


def test_ten_hours_are_looked_at_in_eight_places(tmp_path: Path) -> None:
    moments = [hour * 600 + step * 0.1 for hour in range(60) for step in range(12)]
    path = sparse_video(tmp_path / "long.mp4", moments)
    found = read(path, "video/mp4")
    assert len(found) <= MOST_CLIPS
    assert found[-1].start > 8 * 3600
    assert sum(len(clip.moments) for clip in found) <= MOST_CLIPS * FRAMES


def test_a_region_is_cut_before_anything_is_compared(tmp_path: Path) -> None:
    for name, data, media_type in (
        ("clip.mp4", media.video(moving(30)), "video/mp4"),
        ("clip.webp", animation(moving(30)), "image/webp"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        [clip, *_] = read(path, media_type, region=Region(0.5, 0.0, 0.5, 1.0))
        assert clip.still.shape == (160, 100, 3)
        assert clip.squares.shape[1:] == (SIDE, SIDE, 3)


@pytest.mark.parametrize("size", [(1, 1), (64, 400)])
def test_a_moving_picture_of_one_pixel_is_refused_in_words(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "tiny.gif"
    path.write_bytes(animation([Image.new("RGB", size, shade) for shade in ("red", "blue")], "GIF"))
    with pytest.raises(Problem) as refused:
        read(path, "image/gif")
    assert refused.value.code == "detection.too_small" and refused.value.detail


@pytest.mark.parametrize("media_type", ["video/mp4", "video/webm", "image/webp", "image/gif"])
def test_what_is_no_moving_picture_is_refused_not_a_crash(tmp_path: Path, media_type: str) -> None:
    path = tmp_path / "odd"
    path.write_bytes(b"RIFF\x00\x00\x00\x00WEBP" + bytes(200))
    with pytest.raises(Problem) as refused:
        read(path, media_type)
    assert refused.value.code == "detection.unreadable"


def test_a_video_that_breaks_off_gives_what_it_had_or_a_refusal(tmp_path: Path) -> None:
    data = media.video(moving(60))
    for share in (0.3, 0.6, 0.9):
        path = tmp_path / "cut.mp4"
        path.write_bytes(data[: int(len(data) * share)])
        try:
            assert len(read(path, "video/mp4")) <= MOST_CLIPS
        except Problem as problem:
            assert problem.code == "detection.unreadable"
