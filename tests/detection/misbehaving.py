"""Detectors that misbehave, run in guarded children only."""

import os
from pathlib import Path
from typing import Any

from core.problems import Problem
from detection.detectors import Reading, Report, Strength, as_result


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
