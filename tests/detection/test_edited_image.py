"""The localiser points at what was changed, in photographs it never saw, and says no more than it may."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection import metrics, places
from detection.detectors import Answer, Media, Reading, Region
from detection.detectors.edited_image import ABOUT, detector
from detection.detectors.edited_image.localiser import MODEL, STRIDE, heat_of
from detection.network import opened
from detection.training import splicing
from detection.training.augmentation import social
from tests.conftest import PHOTOGRAPHS
from tests.detection import media

NAMES = ("rocket.jpg", "coffee.jpg", "cat.jpg")
SIDE = 256


def part(name: str) -> np.ndarray:
    pixels = np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"), np.float32)
    return pixels[20 : 20 + SIDE, 40 : 40 + SIDE]


def pointed(heat: np.ndarray, mask: np.ndarray) -> float:
    """The share of pairs (a place inside, a place outside) of which the one inside is hotter: 0.5 is chance."""
    small = Image.fromarray(mask).resize(heat.shape[::-1], Image.Resampling.BOX)
    cells = np.asarray(small) > 0.3
    return metrics.auc(heat[~cells], heat[cells])


@pytest.fixture(scope="module")
def edits() -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture, mask) of 24 edits of photographs that trained nothing."""
    rng = np.random.default_rng(11)
    found = []
    for index, name in enumerate(NAMES):
        for kind in splicing.KINDS * 2:
            host = splicing.aged(part(name), rng, least=70)
            made = splicing.edited(host, part(NAMES[index - 1]), kind, rng)
            if 0.02 < (made.mask > 0.3).mean() < 0.4:
                found.append((made.pixels.round().astype(np.uint8), made.mask))
    return found


@pytest.mark.parametrize("happens", [lambda rgb: rgb, social], ids=["as it is", "after a social network"])
def test_the_map_points_at_the_edit_far_more_often_than_a_random_map(
    edits: list, happens: Callable[[np.ndarray], np.ndarray]
) -> None:
    net, rng = opened(MODEL), np.random.default_rng(0)
    ours = [pointed(heat_of(net, happens(picture)), mask) for picture, mask in edits]
    random = [pointed(rng.random((SIDE // STRIDE,) * 2, np.float32), mask) for _, mask in edits]
    assert len(edits) > 12
    assert np.mean(ours) > 0.65
    assert np.mean(ours) > np.mean(random) + 0.1


def read(data: bytes, folder: Path, region: Region | None = None) -> Reading:
    (folder / "work").write_bytes(data)
    (reading,) = detector.analyze(Media(folder / "work", "image/png", folder), region)
    return reading


def test_a_reading_has_a_map_its_rates_and_its_calibration(tmp_path: Path) -> None:
    reading = read((PHOTOGRAPHS / "coffee.jpg").read_bytes(), tmp_path)
    with Image.open(tmp_path / reading.heatmap) as drawn, Image.open(PHOTOGRAPHS / "coffee.jpg") as picture:
        assert abs(drawn.width / drawn.height - picture.width / picture.height) < 0.02
    assert reading.calibration.strip()
    assert {row["condition"] for row in reading.details["error_rates"]} == {"as_is"}
    assert reading.details["alternative"].startswith("The map ")
    assert set(reading.details["re_shipped"]) == {"as_is", "jpeg_70", "scale_80", "crop"}


def test_a_file_saved_coarsely_gets_the_rates_that_were_measured_after_such_a_save(tmp_path: Path) -> None:
    reading = read(media.jpeg(Image.open(PHOTOGRAPHS / "coffee.jpg").convert("RGB"), 60), tmp_path)
    assert {row["condition"] for row in reading.details["error_rates"]} == {"jpeg_70"}


@pytest.mark.parametrize("name", ["rocket.jpg", "coffee.jpg", "cat.jpg", "deep-field.jpg"])
@pytest.mark.parametrize("quality", [95, 60])
def test_saving_a_photograph_again_never_makes_it_signals(name: str, quality: int, tmp_path: Path) -> None:
    data = media.jpeg(Image.open(PHOTOGRAPHS / name).convert("RGB"), quality)
    assert read(data, tmp_path).answer is not Answer.SIGNALS


@pytest.mark.parametrize("size", [(1, 1), (63, 400)])
def test_a_tiny_picture_is_too_small_and_nothing_else_goes_wrong(size: tuple[int, int], tmp_path: Path) -> None:
    reading = read(media.png(Image.new("RGB", size)), tmp_path)
    assert (reading.answer, reading.reason, reading.llr) == (Answer.CANT_SAY, "too_small", "")


def test_regions_of_a_part_are_told_in_the_whole_picture(tmp_path: Path) -> None:
    half = Region(0.5, 0.0, 0.5, 1.0)
    reading = read((PHOTOGRAPHS / "coffee.jpg").read_bytes(), tmp_path, half)
    assert all(one.x >= 0.5 and one.x + one.width <= 1.001 for one in reading.regions)


def test_boxes_come_back_where_the_marks_were() -> None:
    marked = np.zeros((10, 20), bool)
    marked[2:5, 4:8] = True
    marked[9, 19] = True
    whole, quarter = places.boxes(marked, 2), places.boxes(marked, 2, Region(0.5, 0.5, 0.5, 0.5))
    assert whole == [Region(0.2, 0.2, 0.2, 0.3)]
    assert (quarter[0].x, quarter[0].y, quarter[0].width, quarter[0].height) == pytest.approx((0.6, 0.6, 0.1, 0.15))


def test_a_map_of_a_part_lies_in_the_map_of_the_whole() -> None:
    whole = places.laid_out(np.ones((4, 4), np.float32), Region(0.5, 0.0, 0.5, 0.5))
    assert whole.shape == (8, 8)
    assert whole[:4, 4:].all() and whole.sum() == 16


def test_it_looks_for_what_its_card_says() -> None:
    assert ABOUT.name == "edited_image" and ABOUT.looks_for.startswith("a part")
