"""What the cards say, beside the targets: figures out of each detector's `evaluation.json`, nothing measured again.

`evaluation.json` is written by the committed harness (`manage.py evaluate`, `manage.py train`); what it does not hold
is said to be missing, not guessed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DETECTORS = Path(__file__).resolve().parent.parent / "detection" / "detectors"
LEARNED = ("synthetic_image", "edited_image", "face", "voice", "video")
ORDINARY = {"as_is", "jpeg90", "jpeg_90", "jpeg70", "jpeg_70", "social"}
SEVENTY = {"jpeg70", "jpeg_70"}
NOMINAL = 0.02  # false signals at the public threshold

Row = Mapping[str, Any]
Told = tuple[str, bool, str]  # what was measured, whether the target holds, how


def evaluations() -> dict[str, Row]:
    """Of every learned detector that has one."""
    found = {}
    for name in LEARNED:
        path = DETECTORS / name / "evaluation.json"
        if path.exists():
            found[name] = json.loads(path.read_text())
    return found


def transfer() -> Told:
    """T2: how much of a perfect in-source AUC is left on the worst held-out source at JPEG 70."""
    told, worst = [], 1.0
    for name, evaluation in evaluations().items():
        rows = [row for row in _rows(evaluation, SEVENTY) if row["split"] != "leave_one_generator_out" and row["auc"]]
        if rows:
            lowest = min(rows, key=lambda row: row["auc"][0])
            ratio = (lowest["auc"][0] - 0.5) / 0.5
            worst = min(worst, ratio)
            told.append(f"{name} {ratio:.2f} ({lowest['held_out']})")
    if not told:
        return _missing("no rows at JPEG 70")
    return ", ".join(told), worst >= 0.9, "against an in-source AUC of 1.0, as the cards hold no in-source figure"


def realised_rates() -> Told:
    """T3: false signals against the nominal rate, the worst held-out source of each detector."""
    told, worst = [], 0.0
    for name, evaluation in evaluations().items():
        rows = [row for row in _rows(evaluation, ORDINARY) if row["fpr"] and row["split"] != "leave_one_generator_out"]
        if rows:
            highest = max(rows, key=lambda row: row["fpr"][0])
            ratio = highest["fpr"][0] / NOMINAL
            worst = max(worst, ratio)
            told.append(f"{name} {ratio:.1f} ({highest['held_out']}, {highest['condition']}, n {highest['n_real']})")
    if not told:
        return _missing("no calibrated rows")
    return ", ".join(told), worst <= 2, f"nominal {NOMINAL:.0%}; the worst of as it is, JPEG 90, JPEG 70, social"


def calibration_cost() -> Told:
    """T4: Cllr over its minimum, and Cllr below 1, on every held-out source and generator."""
    told, holds = [], True
    for name, evaluation in evaluations().items():
        rows = [row for row in evaluation["rows"] if row.get("cllr") is not None and row.get("cllr_min")]
        if rows:
            ratio = max(row["cllr"] / row["cllr_min"] for row in rows if row["cllr_min"] > 0.02) if any(
                row["cllr_min"] > 0.02 for row in rows) else 1.0  # fmt: skip
            above = sum(row["cllr"] >= 1 for row in rows)
            holds = holds and ratio <= 1.3 and not above
            told.append(f"{name} {ratio:.1f}, {above} of {len(rows)} rows ≥ 1")
    if not told:
        return _missing("no calibrated rows")
    return (
        "; ".join(told),
        holds,
        "the worst row of each; rows with a minimum of 0.02 or less are left out of the ratio",
    )


def against_peers() -> Told:
    """T12: AUC beside each peer's on the same held-out files as they are."""
    told, holds = [], True
    for name, evaluation in evaluations().items():
        for peer in sorted({one["name"] for one in evaluation.get("peers", ())}):
            better, compared = _compared(evaluation, peer)
            if compared:
                holds = holds and better == compared
                told.append(f"{name} above {peer} on {better} of {compared}")
    if not told:
        return _missing("no peer rows")
    return "; ".join(told), holds, "held-out generators and sources, files as they are, AUC; per row in the cards"


def _compared(evaluation: Row, peer: str) -> tuple[int, int]:
    ours = {
        (row["held_out"], row["condition"]): row["auc"][0]
        for row in evaluation["rows"]
        if row["auc"] and row["condition"] == "as_is"
    }
    theirs = {
        (row["held_out"], row["condition"]): row["auc"][0]
        for row in evaluation["peers"]
        if row["name"] == peer and row["auc"]
    }
    both = ours.keys() & theirs.keys()
    return sum(ours[key] > theirs[key] for key in both), len(both)


def held_out_aucs() -> Iterator[tuple[str, str, float, float]]:
    """(detector, split, worst AUC, best AUC) over held-out rows of files as they are."""
    for name, evaluation in evaluations().items():
        for split in ("leave_one_source_out", "leave_one_generator_out", "unseen"):
            found = [
                row["auc"][0]
                for row in evaluation["rows"]
                if row["split"] == split and row["condition"] == "as_is" and row["auc"]
            ]
            if found:
                yield name, split, min(found), max(found)


def _rows(evaluation: Row, conditions: set[str]) -> list[Row]:
    return [row for row in evaluation["rows"] if row["condition"] in conditions]


def _missing(what: str) -> Told:
    return f"not measured: {what}", False, "no evaluation.json holds it"
