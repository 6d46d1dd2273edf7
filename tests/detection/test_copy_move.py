"""Copy-move matching finds what was moved and where from, and is quiet on photographs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection.detectors import Answer, Media, Reading, Region
from detection.detectors.copy_move import detector
from detection.detectors.copy_move.copies import find_copies
from tests.conftest import PHOTOGRAPHS
from tests.detection import media

Place = tuple[int, int]
FROM, TO, SIDE = (90, 60), (200, 280), 100  # row, column
LARGE = ((60, 60), (400, 450), 260)


def moved(name: str, start: Place = FROM, end: Place = TO, side: int = SIDE) -> Image.Image:
    """Mallory covered something with a part of the same picture."""
    pixels = np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB")).copy()
    part = pixels[start[0] : start[0] + side, start[1] : start[1] + side].copy()
    pixels[end[0] : end[0] + side, end[1] : end[1] + side] = part
    return Image.fromarray(pixels)


def luma(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), np.float32)


def read(data: bytes, folder: Path, region: Region | None = None) -> Reading:
    (folder / "work").write_bytes(data)
    (reading,) = detector.analyze(Media(folder / "work", "image/png", folder), region)
    return reading


@pytest.mark.parametrize("quality", [None, 70])
def test_a_moved_part_is_found_with_its_original(quality: int | None) -> None:
    image = moved("cat.jpg")
    if quality:
        image = media.photograph(media.jpeg(image, quality))
    found = find_copies(luma(image)).found[0]
    rows, columns = np.nonzero(found.area)
    assert found.shift == (TO[0] - FROM[0], TO[1] - FROM[1])
    assert FROM[0] - 8 <= rows.min() and rows.max() < FROM[0] + SIDE + 8
    assert FROM[1] - 8 <= columns.min() and columns.max() < FROM[1] + SIDE + 8
    assert found.pixels > 0.2 * SIDE * SIDE


def turned(degrees: float, size: float, *, mirrored: bool = False) -> Image.Image:
    """Mallory turned and resized what she copied."""
    image = Image.open(PHOTOGRAPHS / "cat.jpg").convert("RGB")
    top, left = FROM
    part = image.crop((left - 40, top - 40, left + SIDE + 40, top + SIDE + 40))
    if mirrored:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    part = part.rotate(degrees, Image.Resampling.BICUBIC)
    middle = part.crop((40, 40, 40 + SIDE, 40 + SIDE))
    middle = middle.resize((round(SIDE * size),) * 2, Image.Resampling.BICUBIC)
    image.paste(middle, (TO[1], TO[0] - 40))
    return image


@pytest.mark.parametrize(
    ("degrees", "size", "mirrored"),
    [(20, 1.0, False), (-30, 1.0, False), (0, 0.82, False), (10, 1.2, False), (0, 1.0, True)],
)
def test_a_part_that_was_turned_resized_or_mirrored_is_found_too(degrees: float, size: float, mirrored: bool) -> None:
    found = find_copies(luma(turned(degrees, size, mirrored=mirrored)))
    assert found.score >= 4
    largest = found.found[0]
    assert largest.mirrored == mirrored
    assert max(largest.size, 1 / largest.size) == pytest.approx(max(size, 1 / size), abs=0.05)
    marked = largest.area | largest.other
    for row, column in (FROM, (TO[0] - 40, TO[1])):
        assert marked[row : row + SIDE, column : column + SIDE].mean() > 0.1


@pytest.mark.parametrize("name", ["rocket.jpg", "coffee.jpg", "cat.jpg", "deep-field.jpg"])
def test_a_photograph_as_it_was_taken_has_no_copies(name: str) -> None:
    assert find_copies(luma(Image.open(PHOTOGRAPHS / name))).score < 1


def test_a_wall_of_equal_windows_is_no_copy_because_everything_has_many_twins() -> None:
    window = luma(Image.open(PHOTOGRAPHS / "cat.jpg"))[100:164, 150:214]
    assert find_copies(np.tile(window, (6, 6))).score < find_copies(luma(moved("cat.jpg"))).score / 4


def test_a_plain_picture_has_nothing_to_match() -> None:
    assert find_copies(np.full((300, 300), 90, np.float32)).found == ()


def test_the_reading_marks_both_places(tmp_path: Path) -> None:
    start, end, side = LARGE
    image = moved("deep-field.jpg", start, end, side)
    reading = read(media.png(image), tmp_path)
    assert reading.answer is Answer.SIGNALS
    marked = [(one.y * image.height, one.x * image.width) for one in reading.regions]
    for row, column in (start, end):
        assert any(row - 10 < y < row + side and column - 10 < x < column + side for y, x in marked)
    assert (tmp_path / reading.heatmap).exists() and reading.details["alternative"].startswith("The map is strongest")


def test_a_region_is_searched_alone_and_told_in_the_whole_picture(tmp_path: Path) -> None:
    half = Region(0.0, 0.0, 0.4, 1.0)  # the original lies in it, its copy does not
    assert read(media.png(moved("cat.jpg")), tmp_path, half).regions == []


def test_one_pixel_is_too_small_and_nothing_else_goes_wrong(tmp_path: Path) -> None:
    reading = read(media.png(Image.new("RGB", (1, 1))), tmp_path)
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, "too_small")
