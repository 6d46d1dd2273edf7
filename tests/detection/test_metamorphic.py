"""Saving a real photograph again, resizing it or taking its metadata away must not make it look generated or edited
more often than the cards say.
"""

import importlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from core.problems import Problem
from detection.calibration import PUBLIC_FPR, Calibration
from detection.detectors import Answer, Media
from detection.registry import ROOM
from tests.conftest import PHOTOGRAPHS

NAMES = ("rocket.jpg", "coffee.jpg", "cat.jpg")
MANY = 10  # photographs of one example
SURE = 0.9999


@dataclass(frozen=True)
class Journey:
    """What one photograph goes through. crop: where its window of SIDE pixels lies, 0…1."""

    name: str
    crop: tuple[float, float]
    how: str
    amount: float

    def photograph(self) -> Image.Image:
        with Image.open(PHOTOGRAPHS / self.name) as opened:
            image = opened.convert("RGB")
        image.thumbnail((640, 640))
        left, top = ((side - 288) * at for side, at in zip(image.size, self.crop, strict=True))
        return image.crop((round(left), round(top), round(left) + 288, round(top) + 288))

    def before(self) -> bytes:
        exif = Image.Exif()
        exif[0x010F] = "Assay test camera"
        return _jpeg(self.photograph(), 92, exif=exif)

    def after(self) -> bytes:
        with Image.open(io.BytesIO(self.before())) as opened:
            image = opened.convert("RGB")
        match self.how:
            case "saved again":
                return _jpeg(image, round(50 + 45 * self.amount))
            case "resized":
                side = round(288 * (0.7 + 0.5 * self.amount))
                return _jpeg(image.resize((side, side), Image.Resampling.LANCZOS), 90)
            case _:
                return _without_metadata(self.before())


def _jpeg(image: Image.Image, quality: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, **options)
    return buffer.getvalue()


def _without_metadata(data: bytes) -> bytes:
    """Every APP1…APP15 segment taken out, the picture's own bytes untouched."""
    kept, at = bytearray(data[:2]), 2
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if not 0xE1 <= data[at + 1] <= 0xEF:
            kept += data[at:end]
        at = end
    return bytes(kept + data[at:])


def calibration_of(detector: str) -> Calibration:
    return Calibration.read(ROOM / "detectors" / detector / "calibration.json")


# A calibration without a slope lets its detector say “can't say” alone, which no journey can change.
SPEAKING = [name for name in ("synthetic_image", "edited_image", "copy_move", "face") if calibration_of(name).slope > 0]
JOURNEYS = st.builds(
    Journey,
    name=st.sampled_from(NAMES),
    crop=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    how=st.sampled_from(["saved again", "resized", "stripped"]),
    amount=st.floats(0, 1),
)


@lru_cache(maxsize=64)  # Hypothesis begins with the same journey again and again
def answers(detector: str, data: bytes, folder: Path) -> set[Answer | None]:
    path = folder / "photograph.jpg"
    path.write_bytes(data)
    analyze = importlib.import_module(f"detection.detectors.{detector}.detector").analyze
    return {reading.answer for reading in analyze(Media(path, "image/jpeg", folder))}


def moved(answer: Callable[[bytes], set[Answer | None]], journeys: list[Journey]) -> int:
    """How many were no signals before and are signals after."""
    return sum(Answer.SIGNALS in answer(one.after()) and Answer.SIGNALS not in answer(one.before()) for one in journeys)


def stated(detector: str) -> float:
    """The card's rate of false signals: that of its worst source, and never less than the public promise."""
    rates = calibration_of(detector).error_rates
    return max(PUBLIC_FPR, *(rate.fpr for rate in rates if rate.fpr is not None), 0.0)


def most(rate: float, count: int) -> int:
    """More than this many in `count` happens by chance once in ten thousand times at `rate`."""
    return int(stats.binom.ppf(SURE, count, rate))


@pytest.mark.parametrize("detector", SPEAKING)
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(journeys=st.lists(JOURNEYS, min_size=MANY, max_size=MANY))
def test_a_journey_makes_a_photograph_suspect_no_more_often_than_the_card_says(
    tmp_path_factory: pytest.TempPathFactory, detector: str, journeys: list[Journey]
) -> None:
    folder = tmp_path_factory.mktemp("journeys")
    try:
        found = moved(lambda data: answers(detector, data, folder), journeys)
    except Problem as problem:
        pytest.skip(f"{detector} is switched off here: {problem.code}")
    assert found <= most(stated(detector), MANY)


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(journey=JOURNEYS)
def test_no_journey_makes_a_photograph_declare_that_a_machine_made_it(
    tmp_path_factory: pytest.TempPathFactory, journey: Journey
) -> None:
    folder = tmp_path_factory.mktemp("journeys")
    assert Answer.SIGNALS not in answers("declared", journey.before(), folder)
    assert Answer.SIGNALS not in answers("declared", journey.after(), folder)


def test_taking_the_metadata_away_leaves_every_pixel_as_it_was() -> None:
    journey = Journey(NAMES[0], (0.5, 0.5), "stripped", 0.0)
    with Image.open(io.BytesIO(journey.before())) as full, Image.open(io.BytesIO(journey.after())) as bare:
        assert full.getexif() and not bare.getexif()
        assert full.convert("RGB").tobytes() == bare.convert("RGB").tobytes()


def test_a_detector_that_flags_whatever_was_saved_again_would_not_pass() -> None:
    def suspicious(data: bytes) -> set[Answer | None]:
        with Image.open(io.BytesIO(data)) as image:
            return {Answer.NO_SIGNALS if image.getexif() else Answer.SIGNALS}

    journeys = [Journey(NAMES[0], (0.1, 0.2), "saved again", share / 10) for share in range(MANY)]
    assert moved(suspicious, journeys) > most(PUBLIC_FPR, MANY)
