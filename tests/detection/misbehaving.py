"""Detectors that misbehave, and three that behave; run in guarded children only."""

import os
from pathlib import Path
from typing import Any

from PIL import Image

from core.problems import Problem
from detection.detectors import Answer, Reading, Region, Report, Span, Strength, as_result


def aborts(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    os.abort()


def refuses(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    raise Problem("detection.odd", "The picture is odd", status=422, detail="Very odd.")


def reports(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    report(25, "looking")
    report(75, "looking closer")
    return as_result(Reading("seen", Strength.WEAK, f"Saw {Path(path).stat().st_size} bytes.", "1.5"))


def lies_about_its_picture(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    (Path(out) / "map.png").symlink_to("/etc/passwd")
    return as_result(Reading("seen", Strength.WEAK, "Look at this.", heatmap="map.png"))


def answers_nonsense(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    return {
        "findings": [
            {"signal": "<b>", "strength": "certain", "statement": 3, "score": "", "details": {}, "heatmap": ""}
        ]
    }


def shouts(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    details = {"a": "\u202e" + "x" * 10_000, "many": list(range(10_000))}
    return as_result(Reading("seen", Strength.WEAK, "\u0007" + "y" * 10_000, "", details))


def weighs(path: str, media_type: str, out: str, report: Report, region: list[float] | None = None) -> dict[str, Any]:
    rate = {
        "condition": "as_is", "held_out": "wallpapers", "real": 50, "looked_for": 40, "false_signals": "0.020",
        "false_signals_interval": ["0.001", "0.106"], "found": "0.450", "found_interval": None, "abstained": "0.300",
    }  # fmt: skip
    return as_result(
        Reading(
            "made", Strength.MODERATE, "Signals consistent with a picture that a machine made.", "1.20",
            {"error_rates": [rate], "region": [str(side) for side in region or ()]}, answer=Answer.SIGNALS, llr="1.20",
            interval=("0.80", "1.60"), calibration="cal-0123456789ab", regions=[Region(0.1, 0.2, 0.3, 0.4)],
            timeline=[Span(0.0, 1.0, "1.10")],
        )
    )  # fmt: skip


def hesitates(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    statement = "Can’t say: the answer changes when the file is saved again."
    return as_result(
        Reading(
            "made", Strength.NONE, statement, answer=Answer.CANT_SAY, calibration="cal-0123456789ab", reason="flips"
        )
    )


def sings(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    Image.new("RGB", (8, 8), (40, 40, 40)).save(Path(out) / "sound.png")
    told = {"picture": "spectrogram", "alternative": "Spectrogram, low tones below.", "what_would_change": "A factor."}
    return as_result(Reading("sung", Strength.WEAK, "Listen to this.", details=told, heatmap="sound.png"))


def draws(path: str, media_type: str, out: str, report: Report) -> dict[str, Any]:
    Image.new("RGBA", (8, 8), (200, 0, 140, 90)).save(Path(out) / "map.png")
    return as_result(Reading("drawn", Strength.WEAK, "Look at this.", heatmap="map.png"))
