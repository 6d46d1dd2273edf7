"""Targets about what surrounds a network: drift, coverage, localisation, federation, rollback.

Each function returns [measured, whether the target holds, how], for one row of the table; what is not measured says so.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.detection_nets import DETECTORS, PHOTOGRAPHS

Row = list[Any]
WINDOW, REFERENCE, BENIGN, TILE = 50, 200, 20, 192


def coverage() -> Row:
    """T5."""
    how = "the office holds back by thresholds, the re-shipping rule and a domain check, not by conformal sets"
    return ["not measured", False, how]


def reality_gap() -> Row:
    """T6: AUC on real generators that were left out, beside AUC on what is simulated here."""
    path = DETECTORS / "synthetic_image" / "evaluation.json"
    if not path.exists():
        return ["not measured", False, "synthetic_image has no evaluation.json"]
    rows = [row for row in json.loads(path.read_text())["rows"] if row["condition"] == "as_is" and row["auc"]]
    real = [row["auc"][0] for row in rows if row["split"] == "leave_one_generator_out"]
    source = [row["auc"][0] for row in rows if row["split"] == "leave_one_source_out"]
    if not real or not source:
        return ["not measured", False, "the card has no held-out rows"]
    told = f"generators {min(real):.2f} to {max(real):.2f}, sources {min(source):.2f} to {max(source):.2f}, left out"
    return [
        told,
        min(*real, *source) >= 0.70,
        "zero-shot on real generators; few-shot heads are an office's own to measure",
    ]


def localisation() -> Row:
    """T8: from the card of edited_image."""
    path = DETECTORS / "edited_image" / "evaluation.json"
    rows = json.loads(path.read_text())["rows"] if path.exists() else []
    found = [row for row in rows if row["condition"] == "social" and row.get("pixel_auc")]
    if not found:
        return ["not measured", False, "edited_image has no pixel AUC after “social”"]
    values = [_value(row["pixel_auc"]) for row in found]
    told = f"{sum(value >= 0.75 for value in values)} of {len(values)} rows; {min(values):.2f} to {max(values):.2f}"
    return [told, min(values) >= 0.75, "held-out sources and kinds of edit, from the card"]


def _value(told: Any) -> float:
    return float(told[0] if isinstance(told, list) else told)


def drift() -> Row:
    """T9: windows of 50 scores that a shipped net gives to parts of three photographs of the demonstration, against 200
    others of the same; the shifted source is the fourth photograph.
    """
    import django

    django.setup()
    from detection.detectors.edited_image import localiser
    from detection.drift import judge
    from detection.network import opened

    if not localiser.MODEL.exists():
        return ["not measured", False, "edited_image has no network yet"]
    net, rng = opened(localiser.MODEL), np.random.default_rng(9)
    *known, other = sorted(PHOTOGRAPHS.glob("*.jpg"))
    plain = np.array([_score(localiser, net, part) for part in _parts(known, rng, REFERENCE + 300)])
    shifted = np.array([_score(localiser, net, part) for part in _parts([other], rng, WINDOW)])
    reference, rest = plain[:REFERENCE], plain[REFERENCE:]
    benign = [rng.choice(rest, WINDOW, replace=False) for _ in range(BENIGN)]
    alarms = sum(one.shifted for one in judge([(reference.tolist(), window.tolist()) for window in benign]))
    [found] = judge([(reference.tolist(), shifted.tolist())])
    p = min(found.ks_p, found.psi_p)
    told = f"p = {p:.1e}; {alarms} of {BENIGN} benign windows"
    return [
        told,
        p < 1e-6 and alarms <= 1,
        "scores of edited_image on parts of three photographs; shifted: parts of a fourth",
    ]


def _parts(paths: list[Path], rng: np.random.Generator, count: int) -> list[Any]:
    photographs = []
    for path in paths:
        with Image.open(path) as opened:
            photographs.append(np.asarray(opened.convert("RGB")))
    found = []
    for index in range(count):
        picture = photographs[index % len(photographs)]
        top, left = (int(rng.integers(0, side - TILE + 1)) for side in picture.shape[:2])
        found.append(picture[top : top + TILE, left : left + TILE])
    return found


def _score(localiser: Any, net: Any, part: Any) -> float:
    return float(localiser.peak_of(localiser.heat_of(net, part)))


def federation() -> Row:
    """T10: from what `make federation` recorded, if it was run."""
    return ["not measured here", False, "`make federation` prints it: real processes take minutes; docs/federation.md"]


def rollback() -> dict[str, float]:
    """Wall seconds of one rollback, from a promoted version to the files beside the detector, in a fresh office."""
    import django

    django.setup()
    from django.core.management import call_command

    from accounts.models import Membership, Organisation, Role, User
    from detection import versions

    call_command("migrate", verbosity=0)
    home = Organisation.objects.create(name="The Office")
    people = []
    for name, role in (("Olga", Role.OPERATOR), ("Ravi", Role.LEAD_REVIEWER)):
        person = User.objects.create_user(f"{name.lower()}@example.org", name=name)
        Membership.objects.create(user=person, organisation=home, role=role)
        people.append(person)
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as made:
        _copied(Path(made))
        version = versions.register(
            Path(made), detector="video", version="bench", reason="A benchmark of rolling back.", by=people[0]
        )
    gate = versions.record_gate(version, people[0], {"passed": True})
    versions.to_shadow(version, people[0], gate_entry=gate)
    for person in people:
        versions.approve(version, person)
    started = time.monotonic()
    versions.rollback("video", people[0], "The benchmark is over.")
    return {"wall_s": time.monotonic() - started}


def _copied(folder: Path) -> None:
    import shutil

    for path in (DETECTORS / "video").iterdir():
        if path.suffix in (".onnx", ".json", ".yaml"):
            shutil.copy(path, folder)
