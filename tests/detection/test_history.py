"""How a picture was saved: an earlier save, a shifted grid and an enlargement are seen; what was never done is not."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from django.core.management.base import CommandError
from PIL import Image

from core.problems import Problem
from detection import jpeg, resampling
from detection.detectors import Answer, Media, Reading, Region
from detection.detectors.history import detector
from detection.evaluation import history as measuring
from detection.management.commands.train import trainer
from tests.conftest import PHOTOGRAPHS
from tests.detection import media


@pytest.fixture(scope="module")
def never_saved() -> Image.Image:
    """A photograph whose own history is gone: reduced by two."""
    with Image.open(PHOTOGRAPHS / "rocket.jpg") as opened:
        return opened.convert("RGB").reduce(2)


def _shifted(image: Image.Image) -> Image.Image:
    return image.crop((3, 5, image.width, image.height))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., dict[str, Reading]]:
    def readings(data: bytes, media_type: str = "image/jpeg", region: Region | None = None) -> dict[str, Reading]:
        path = tmp_path / "picture"
        path.write_bytes(data)
        return {one.signal: one for one in detector.analyze(Media(path, media_type, tmp_path), region)}

    return readings


Read = Callable[..., dict[str, Reading]]


@pytest.mark.parametrize("quality", [60, 75, 80, 90, 95])
def test_a_picture_saved_once_has_no_earlier_save_and_no_second_grid(
    read: Read, never_saved: Image.Image, quality: int
) -> None:
    found = read(media.jpeg(never_saved, quality))
    assert found["jpeg_table"].details["quality"] == quality
    assert found["jpeg_saved_twice"].answer is Answer.NO_SIGNALS
    assert found["jpeg_shifted_grid"].answer is Answer.NO_SIGNALS


@pytest.mark.parametrize(("first", "last"), [(60, 90), (75, 95), (70, 80), (85, 90)])
def test_an_earlier_save_is_found_and_its_quality_named(
    read: Read, never_saved: Image.Image, first: int, last: int
) -> None:
    twice = media.jpeg(media.photograph(media.jpeg(never_saved, first)), last)
    found = read(twice)["jpeg_saved_twice"]
    assert found.answer is Answer.SIGNALS
    assert abs(found.details["earlier_quality"] - first) <= 1
    assert f"about quality {found.details['earlier_quality']}" in found.statement


def test_an_earlier_save_with_a_table_that_is_not_libjpegs_is_found_too(read: Read, never_saved: Image.Image) -> None:
    buffer = io.BytesIO()
    never_saved.save(buffer, "JPEG", qtables=[[7] * 64, [9] * 64])
    found = read(media.jpeg(media.photograph(buffer.getvalue()), 92))["jpeg_saved_twice"]
    assert found.answer is Answer.SIGNALS
    assert found.details["earlier_quality"] is None and "not libjpeg’s" in found.statement


def test_a_crop_between_two_saves_leaves_a_shifted_grid_with_its_offset(read: Read, never_saved: Image.Image) -> None:
    cropped = _shifted(media.photograph(media.jpeg(never_saved, 75)))
    found = read(media.jpeg(cropped, 85))["jpeg_shifted_grid"]
    assert found.answer is Answer.SIGNALS
    assert found.details["offset"] == [3, 5]


def test_a_png_made_from_a_cropped_jpeg_still_carries_the_grid_and_the_quality(
    read: Read, never_saved: Image.Image
) -> None:
    cropped = _shifted(media.photograph(media.jpeg(never_saved, 80)))
    found = read(media.png(cropped), "image/png")["jpeg_before"]
    assert found.answer is Answer.SIGNALS
    assert found.details["offset"] == [3, 5] and abs(found.details["earlier_quality"] - 80) <= 1
    assert read(media.png(_shifted(never_saved)), "image/png")["jpeg_before"].answer is Answer.NO_SIGNALS


def test_an_enlargement_is_found_with_its_factor_and_an_untouched_picture_has_none(
    read: Read, never_saved: Image.Image
) -> None:
    assert read(media.png(never_saved), "image/png")["resampled"].answer is Answer.NO_SIGNALS
    size = round(never_saved.width * 1.5), round(never_saved.height * 1.5)
    found = read(media.png(never_saved.resize(size, Image.Resampling.BICUBIC)), "image/png")["resampled"]
    assert found.answer is Answer.SIGNALS and "× 1.50" in found.statement


def test_a_history_is_never_more_than_a_weak_signal(read: Read, never_saved: Image.Image) -> None:
    twice = media.jpeg(media.photograph(media.jpeg(never_saved, 60)), 92)
    assert {one.strength for one in read(twice).values()} == {"none", "weak"}


def test_a_region_is_examined_on_the_files_own_grid(read: Read, never_saved: Image.Image) -> None:
    twice = media.jpeg(media.photograph(media.jpeg(never_saved, 60)), 90)
    found = read(twice, region=Region(0.13, 0.17, 0.6, 0.7))["jpeg_saved_twice"]
    assert found.answer is Answer.SIGNALS and found.details["earlier_quality"] == 60


def test_a_plain_area_says_that_it_cannot_say(read: Read) -> None:
    found = read(media.jpeg(Image.new("RGB", (256, 256), "grey"), 90))
    assert {one.answer for name, one in found.items() if name.startswith("jpeg_s")} == {Answer.CANT_SAY}
    assert found["jpeg_saved_twice"].reason and found["resampled"].answer is Answer.NO_SIGNALS


def test_the_quality_of_every_libjpeg_table_is_read_exactly(tmp_path: Path) -> None:
    for quality in (1, 30, 50, 75, 92, 100):
        path = tmp_path / "table.jpg"
        path.write_bytes(media.jpeg(Image.new("L", (128, 128)), quality))
        table = jpeg.read_stored(path).table
        assert table is not None
        assert np.array_equal(table, jpeg.ijg_table(quality)) and jpeg.ijg_quality(table) == quality
    assert jpeg.ijg_quality(np.full((8, 8), 7)) is None


def test_the_middle_of_a_huge_picture_is_examined_on_whole_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, never_saved: Image.Image
) -> None:
    monkeypatch.setattr(jpeg, "FULL_SIDE", 160)
    path = tmp_path / "wide.png"
    path.write_bytes(media.png(never_saved))
    stored = jpeg.read_stored(path)
    assert max(stored.luma.shape) <= 168
    assert all(side % 8 == 0 for side in stored.origin) and stored.origin[1] > 0
    assert (stored.width, stored.height) == never_saved.size


def test_a_picture_of_one_pixel_is_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "dot.png"
    path.write_bytes(media.png(Image.new("RGB", (1, 1))))
    with pytest.raises(Problem) as refused:
        detector.analyze(Media(path, "image/png", tmp_path))
    assert refused.value.code == "detection.too_small"


def test_the_same_file_gives_the_same_figures(tmp_path: Path, never_saved: Image.Image) -> None:
    path = tmp_path / "same.jpg"
    path.write_bytes(media.jpeg(never_saved, 80))
    one, other = (jpeg.earlier_save(stored.luma, stored.table) for stored in (jpeg.read_stored(path),) * 2)
    assert one == other


def test_a_peak_names_both_enlargements_that_make_it() -> None:
    assert resampling.Peak(10, 0.2, True).factors == (1.25, 5.0)


def test_the_harness_counts_false_alarms_and_finds_of_the_public_answer(never_saved: Image.Image) -> None:
    case = next(one for one in measuring.cases() if one.condition == "saved twice, at 60 then 90")
    told = measuring.row("made", case, [never_saved, Image.new("RGB", (200, 160), "grey")])
    assert (told["n_real"], told["n_fake"], told["abstained"]) == (2, 2, 0.5)
    assert told["fpr"][0] == 0 and told["tpr"][0] == 0.5
    assert told["tpr"][1] < 0.5 < told["tpr"][2]


def test_a_detector_by_rule_is_measured_by_the_same_command_and_is_not_trained() -> None:
    assert trainer("history", "evaluate") is measuring.evaluate
    for name, verb in (("history", "train"), ("nothing_of_ours", "evaluate")):
        with pytest.raises(CommandError):
            trainer(name, verb)
