"""A moving picture is read twice: frame by frame, and from frame to frame. Each reading says where and how sure."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.problems import Problem
from detection import calibration, guarded, registry
from detection.clips import FRAMES, SIDE
from detection.detectors import Answer, Media, Region
from detection.detectors.video import detector, stills
from detection.detectors.video.changes import NAMES, changes, has_cut
from detection.network import write_manifest
from tests.conftest import PHOTOGRAPHS
from tests.detection import media
from tests.detection.test_clips import animation, five_thousand, moving

FOLDER = registry.ROOM / "detectors" / "video"


def photograph(size: int = 400) -> Image.Image:
    with Image.open(PHOTOGRAPHS / "coffee.jpg") as opened:
        return opened.convert("RGB").resize((size, size))


def panned(step: int, frames: int = FRAMES) -> np.ndarray:
    image = photograph()
    return np.stack(
        [np.asarray(image.crop((40 + i * step, 40, 40 + i * step + SIDE, 40 + SIDE))) for i in range(frames)]
    )


def of(rows: np.ndarray, name: str) -> float:
    return float(rows[:, NAMES.index(name)].mean())


def test_a_film_that_stands_still_changes_nothing() -> None:
    rows = changes(panned(0))
    assert rows.shape == (FRAMES - 1, len(NAMES))
    assert of(rows, "motion") == 0 and of(rows, "left_over") == 0 and of(rows, "light_change") == 0


def test_a_pan_is_followed_block_by_block() -> None:
    rows = changes(panned(3))
    assert of(rows, "motion") == pytest.approx(3, abs=0.6)
    assert of(rows, "gained") > 0.5
    assert of(rows, "left_over") < 0.2


def test_texture_that_boils_leaves_more_over_than_a_pan() -> None:
    rng = np.random.default_rng(2)
    boiling = np.clip(panned(0) + rng.normal(0, 25, (FRAMES, SIDE, SIDE, 1)), 0, 255).astype(np.uint8)
    assert of(changes(boiling), "left_over") > 3 * of(changes(panned(2)), "left_over")


def test_light_and_colour_that_flicker_are_two_different_numbers() -> None:
    brighter, redder = panned(0), panned(0)
    brighter[1::2] = (brighter[1::2] * 0.8).astype(np.uint8)
    redder[1::2, ..., 0] = (redder[1::2, ..., 0] * 0.8).astype(np.uint8)
    assert of(changes(brighter), "light_change") > of(changes(redder), "light_change")
    assert of(changes(redder), "colour_change") > 0


def test_a_cut_is_no_change() -> None:
    other = np.random.default_rng(1).integers(0, 255, (4, SIDE, SIDE, 3)).astype(np.uint8)
    assert has_cut(changes(np.concatenate([panned(1, 5), other])))
    assert not has_cut(changes(panned(2)))


@pytest.mark.parametrize("shade", [0, 255])
def test_a_film_of_one_shade_gives_numbers_and_no_cut(shade: int) -> None:
    rows = changes(np.full((FRAMES, SIDE, SIDE, 3), shade, np.uint8))
    assert np.isfinite(rows).all() and not has_cut(rows)


# --- The detector -----------------------------------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path) -> Media:
    path = tmp_path / "clip.webp"
    image = photograph(300)
    path.write_bytes(animation([image.crop((i, i // 2, i + 200, i // 2 + 200)) for i in range(40)]))
    return Media(path, "image/webp", tmp_path)


def shop(tmp_path: Path, real: float = -2.0, fake: float = 2.0) -> Path:
    """A folder with the net of the tree, and calibrations on which a logit of `fake` and above is a signal."""
    folder = tmp_path / "version"
    folder.mkdir()
    shutil.copy(FOLDER / "model.onnx", folder)
    shutil.copy(FOLDER / "parity.json", folder)
    rng = np.random.default_rng(0)
    logits = np.concatenate([rng.normal(real, 0.3, 60), rng.normal(fake, 0.3, 60)])
    made = calibration.fit(logits, np.repeat([0, 1], 60), [f"source {i % 4}" for i in range(120)])
    for name in ("calibration.json", "frames.calibration.json"):
        made.write(folder / name)
    write_manifest(folder)
    return folder


def test_a_clip_is_read_twice_with_a_time_line_each(
    clip: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "FOLDER", shop(tmp_path))
    monkeypatch.setattr(stills, "scorer", lambda: lambda rgb: float(rgb.mean() / 1000))
    frames, between = detector.analyze(clip)
    assert (frames.signal, between.signal) == ("frames_synthetic", "changes_synthetic")
    for reading in (frames, between):
        assert isinstance(reading.answer, Answer)
        assert reading.timeline == sorted(reading.timeline, key=lambda span: span.start)
        assert reading.details["time_line"]
    assert int(between.details["stretches"]) == len(between.timeline) >= 2


def test_frames_that_all_look_generated_are_signals_and_real_ones_are_not(
    clip: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "FOLDER", shop(tmp_path))
    for logit, answer, share in ((2.5, Answer.SIGNALS, "1.00"), (-2.5, Answer.NO_SIGNALS, "0.00")):
        monkeypatch.setattr(stills, "scorer", lambda logit=logit: lambda rgb: logit)
        frames, _ = detector.analyze(clip)
        assert frames.answer is answer
        assert frames.details["share_with_signals"] == share
        assert frames.llr and frames.calibration and len(frames.interval) == 2
        assert frames.details["what_would_change"]


def test_one_frame_of_many_is_not_lost_in_the_mean(
    clip: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "FOLDER", shop(tmp_path))
    seen: list[int] = []

    def one_of_several(rgb: np.ndarray) -> float:
        seen.append(1)
        return 6.0 if len(seen) <= 4 else -2.5  # the first frame and its three re-shipped copies

    monkeypatch.setattr(stills, "scorer", lambda: one_of_several)
    frames, _ = detector.analyze(clip)
    assert frames.answer is Answer.SIGNALS
    assert 0 < float(frames.details["share_with_signals"]) <= 0.5


def test_frames_of_which_the_still_net_says_nothing_are_left_out_and_told(
    clip: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "FOLDER", shop(tmp_path))
    monkeypatch.setattr(stills, "scorer", lambda: lambda rgb: float("nan"))
    frames, _ = detector.analyze(clip)
    assert (frames.answer, frames.reason, frames.timeline) == (Answer.CANT_SAY, "out_of_domain", [])
    assert frames.details["frames"] == 0 and frames.details["left_out_as_drawn"] > 1
    asked: list[int] = []

    def not_of_the_first(rgb: np.ndarray) -> float:
        asked.append(1)
        return float("nan") if len(asked) == 1 else 2.5

    monkeypatch.setattr(stills, "scorer", lambda: not_of_the_first)
    frames, _ = detector.analyze(clip)
    assert frames.answer is Answer.SIGNALS and frames.details["left_out_as_drawn"] == 1
    assert len(frames.timeline) == frames.details["frames"]


def test_an_answer_that_turns_when_frames_are_scaled_is_withheld(
    clip: Media, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "FOLDER", shop(tmp_path))
    monkeypatch.setattr(stills, "scorer", lambda: lambda rgb: 2.5 if rgb.shape[0] == 200 else -2.5)
    frames, _ = detector.analyze(clip)
    assert (frames.answer, frames.reason, frames.llr) == (Answer.CANT_SAY, "flips", "")


def test_without_the_still_net_the_frames_can_not_be_told_and_the_changes_can(
    clip: Media, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stills, "scorer", lambda: None)
    frames, between = detector.analyze(clip)
    assert frames.answer is Answer.CANT_SAY and frames.reason and not frames.timeline
    assert between.timeline


def test_a_still_picture_is_left_to_others(tmp_path: Path) -> None:
    path = tmp_path / "still.webp"
    photograph().save(path, "WEBP")
    assert detector.analyze(Media(path, "image/webp", tmp_path)) == []


@pytest.mark.parametrize(("duration", "frames"), [(1000, 12), (67, 3)])
def test_a_slide_show_and_a_clip_of_three_frames_are_too_short_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, duration: int, frames: int
) -> None:
    monkeypatch.setattr(stills, "scorer", lambda: None)
    path = tmp_path / "slides.webp"
    path.write_bytes(animation(moving(frames), duration=duration))
    _, between = detector.analyze(Media(path, "image/webp", tmp_path))
    assert (between.answer, between.reason) == (Answer.CANT_SAY, "too_short")


def test_a_region_is_examined_alone(clip: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: set[tuple[int, ...]] = set()

    def score(rgb: np.ndarray) -> float:
        shapes.add(rgb.shape[:2])
        return 0.0

    monkeypatch.setattr(stills, "scorer", lambda: score)
    detector.analyze(clip, Region(0.0, 0.0, 0.5, 1.0))
    assert (200, 100) in shapes and (200, 200) not in shapes


def test_the_same_clip_gives_the_same_readings(clip: Media, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stills, "scorer", lambda: None)
    assert detector.analyze(clip) == detector.analyze(clip)


@pytest.mark.parametrize(("data", "media_type"), [
    (five_thousand("WEBP"), "image/webp"),
    (media.video(moving(12)), "video/mp4"),
])  # fmt: skip
def test_a_guarded_child_answers_for_five_thousand_frames_and_for_a_video(
    tmp_path: Path, data: bytes, media_type: str
) -> None:
    path, out = tmp_path / "film", tmp_path / "out"
    path.write_bytes(data)
    out.mkdir()
    found = guarded.examine(registry.detector("video"), path, media_type, out)
    assert [one.reading.signal for one in found] == ["frames_synthetic", "changes_synthetic"]


def test_broken_and_tiny_films_are_answered_in_words_and_the_next_one_is_examined(tmp_path: Path) -> None:
    info, path, out = registry.detector("video"), tmp_path / "film", tmp_path / "out"
    out.mkdir()
    path.write_bytes(b"RIFF\x10\x00\x00\x00WEBPVP8X")
    with pytest.raises(Problem) as refused:
        guarded.examine(info, path, "image/webp", out)
    assert (refused.value.code, refused.value.status) == ("detection.unreadable", 422)
    path.write_bytes(animation([Image.new("RGB", (1, 1), shade) for shade in ("red", "blue")], "GIF"))
    [tiny] = guarded.examine(info, path, "image/gif", out)
    assert (tiny.reading.answer, tiny.reading.reason) == (Answer.CANT_SAY, "too_small")
    path.write_bytes(animation(moving(12)))
    assert len(guarded.examine(info, path, "image/webp", out)) == 2
