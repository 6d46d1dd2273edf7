"""What a guarded child answers is checked like an upload: a hostile file may have taken it over."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core.problems import Problem
from detection import guarded
from detection.detectors import Answer, Media, Reading, Region, Span, Strength, as_result, examination

GOOD = Reading(
    "made", Strength.MODERATE, "Signals consistent with it.", "1.20", answer=Answer.SIGNALS, llr="1.20",
    interval=("0.80", "1.60"), calibration="cal-0123456789ab", regions=(Region(0.1, 0.2, 0.3, 0.4),),
    spans=(Span(0.0, 1.5, "0.30"),), timeline=(Span(2.0, 2.0),),
)  # fmt: skip


def told(reading: Reading = GOOD, **changed: Any) -> dict[str, Any]:
    finding = as_result(reading)["findings"][0]
    listed = {name: list(value) if isinstance(value, tuple) else value for name, value in finding.items()}
    return {**listed, **changed}


def test_a_reading_arrives_as_it_was_sent(tmp_path: Path) -> None:
    arrived = guarded._checked(told(), tmp_path).reading
    assert arrived == replace(GOOD, details={})


@pytest.mark.parametrize(
    "changed",
    [
        {"answer": "guilty"},
        {"llr": "inf"},
        {"llr": "nan"},
        {"interval": ["1"]},
        {"interval": []},
        {"calibration": "<b>"},
        {"calibration": ""},
        {"answer": "cant_say"},
        {"answer": None},
        {"reason": "so there"},
        {"regions": [{"x": "0", "y": 0, "width": 1, "height": 1}]},
        {"regions": [{"x": float("nan"), "y": 0, "width": 1, "height": 1}]},
        {"spans": [{"start": 0}]},
        {"timeline": "all of it"},
    ],
)
def test_an_answer_out_of_form_is_none(changed: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        guarded._checked(told(**changed), tmp_path)


def test_places_are_bounded_in_number_and_within_the_picture(tmp_path: Path) -> None:
    far = {"x": -3.0, "y": 0.5, "width": 9.0, "height": 0.1}
    arrived = guarded._checked(told(regions=[far] * 1000), tmp_path).reading
    assert len(arrived.regions) == guarded.MAX_ITEMS and arrived.regions[0] == Region(0.0, 0.5, 1.0, 0.1)


def test_a_file_with_nothing_to_measure_gets_an_answer_and_other_refusals_stay_refusals(tmp_path: Path) -> None:
    def refusing(code: str) -> Any:
        def analyze(media: Media, region: Region | None = None) -> list[Reading]:
            raise Problem(code, "No", detail="It has 1 × 1 pixels.")

        return examination(analyze)

    told = refusing("detection.too_small")("/dot", "image/png", str(tmp_path), lambda percent, note="": None)
    reading = guarded._checked(json.loads(json.dumps(told))["findings"][0], tmp_path).reading
    assert (reading.answer, reading.reason) == (Answer.CANT_SAY, "too_small") and "1 × 1" in reading.statement
    with pytest.raises(Problem):
        refusing("detection.unreadable")("/dot", "image/png", str(tmp_path), lambda percent, note="": None)
