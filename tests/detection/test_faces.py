"""The finder finds faces and no cats; the detector of faces says what it may and keeps nobody."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection import faces
from detection.detectors import Answer, Media
from detection.detectors.face import detector
from detection.detectors.face.scoring import LARGEST, faces_in, shrunk, square
from detection.faces import Face, Finder
from tests.conftest import PHOTOGRAPHS
from tests.detection import media


class Says:
    """A net that answers one thing wherever it is asked, to test what is done with answers."""

    def __init__(self, answer: list[float], *, slides: bool = False) -> None:
        self.answer, self.slides = np.asarray(answer, np.float32), slides

    def run(self, batch: np.ndarray) -> np.ndarray:
        if not self.slides:
            return np.tile(self.answer, (len(batch), 1))
        height, width = ((side - 10) // 2 for side in batch.shape[2:])
        out = np.zeros((1, 5, height, width), np.float32)
        out[0, 0, height // 2, width // 2] = 0.99
        return out


def at(left: float, top: float, side: float, score: float = 1.0) -> Face:
    return Face((left, top, left + side, top + side), np.zeros((5, 2), np.float32), score)


@pytest.mark.parametrize("name", ["rocket.jpg", "coffee.jpg", "cat.jpg", "deep-field.jpg"])
def test_a_picture_without_people_has_no_faces(name: str) -> None:
    assert faces.installed().faces(np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"))) == []


def test_overlapping_answers_become_one_face_with_five_points() -> None:
    sure = Finder(Says([], slides=True), Says([0.99, 0, 0, 0, 0]), Says([0.99, 0, 0, 0, 0, *[0.3] * 5, *[0.6] * 5]))
    found = sure.faces(np.zeros((120, 120, 3), np.uint8))
    assert 1 <= len(found) <= 3
    left, top, right, _ = found[0].box
    assert found[0].points.shape == (5, 2)
    assert found[0].points[0, 0] == pytest.approx(left + 0.3 * (right - left + 1), abs=1)
    assert found[0].points[0, 1] > found[0].points[0, 0] - left + top


def test_a_net_that_is_sure_of_nothing_finds_nobody() -> None:
    unsure = Finder(Says([], slides=True), Says([0.1, 0, 0, 0, 0]), Says([0.99, *[0.0] * 14]))
    assert unsure.faces(np.zeros((200, 300, 3), np.uint8)) == []


def test_a_face_at_the_border_is_cropped_with_the_border_going_on() -> None:
    picture = np.full((100, 100, 3), 77, np.uint8)
    assert (at(-20, 70, 50).crop(picture, 64) == 77).all()


@pytest.mark.parametrize("face", [at(5, 5, 50), at(140, 90, 60), at(-30, -20, 80), at(60, 40, 300)])
def test_the_square_round_a_face_lies_inside_the_picture(face: Face) -> None:
    picture = np.arange(120 * 200 * 3, dtype=np.uint8).reshape(120, 200, 3)
    crop, left, top = square(picture, face)
    assert crop.shape[0] == crop.shape[1] == min(int(face.side * 2), 120)
    assert (crop == picture[top : top + crop.shape[0], left : left + crop.shape[0]]).all()


def test_a_square_is_never_magnified_and_never_larger_than_is_needed() -> None:
    assert shrunk(np.zeros((61, 61, 3), np.uint8)).shape == (61, 61, 3)
    assert shrunk(np.zeros((900, 900, 3), np.uint8)).shape == (LARGEST, LARGEST, 3)


def test_faces_that_are_too_small_are_not_weighed() -> None:
    sees = Finder(Says([], slides=True), Says([0.99, 0, 0, 0, 0]), Says([0.99, 0, 0, 0, 0, *[0.3] * 5, *[0.6] * 5]))
    picture = np.zeros((36, 36, 3), np.uint8)
    assert sees.faces(picture) and not faces_in(picture, sees)


@pytest.mark.parametrize("size", [(1, 1), (300, 200)])
def test_without_a_face_it_cannot_say_and_says_why(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "work").write_bytes(media.png(Image.new("RGB", size, "grey")))
    (reading,) = detector.analyze(Media(tmp_path / "work", "image/png", tmp_path))
    assert (reading.answer, reading.reason, reading.regions) == (Answer.CANT_SAY, "no_face", ())
