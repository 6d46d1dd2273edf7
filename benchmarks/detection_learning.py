"""Targets about what surrounds a network: drift, coverage, localisation, federation, rollback.

Each function returns [measured, whether the target holds, how], for one row of the table; what is not measured says so.
"""

import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.detection_cards import evaluations
from benchmarks.detection_nets import DETECTORS, PHOTOGRAPHS

Row = list[Any]
WINDOW, REFERENCE, BENIGN, TILE = 50, 200, 20, 192


def coverage() -> Row:
    """T5: from the cards, whose evaluations hold a row for each class and source that was left out."""
    told, holds, missing = [], True, []
    for name, evaluation in evaluations().items():
        rows = evaluation.get("coverage")
        if not rows:
            missing.append(name)
            continue
        shares = [row["coverage"] / 0.95 for row in rows]
        worst = rows[int(np.argmin(shares))]
        holds = holds and min(shares) >= 0.95
        single = float(np.mean([row["single"] for row in rows]))
        told.append(f"{name} {sum(one >= 0.95 for one in shares)} of {len(shares)} rows, worst {min(shares):.2f}"
                    f" ({worst['held_out']}, n {worst['n']}), {single:.0%} single answers")  # fmt: skip
    how = "class-conditional conformal sets at 95 %, the worst quantile of the other sources; sources of 10 or more"
    if missing:
        how += f"; not in the evaluation of {', '.join(missing)}"
    return ["; ".join(told) or "not measured", holds and bool(told), how]


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
    cells = json.loads(path.read_text()).get("localisation", []) if path.exists() else []
    found = [cell for cell in cells if cell["condition"] == "social" and cell["split"] == "unseen"]
    if not found:
        return ["not measured", False, "edited_image has no pixel AUC after “social”"]
    values = {(cell["source"], cell["kind"]): _value(cell["pixel_auc"]) for cell in found}
    sources = sorted({source for source, _ in values})
    lowest = {name: min(value for (source, _), value in values.items() if source == name) for name in sources}
    told = f"{sum(value >= 0.75 for value in values.values())} of {len(values)} cells; lowest of each source: "
    told += ", ".join(f"{name} {value:.2f}" for name, value in lowest.items())
    holds = sum(value >= 0.75 for value in lowest.values()) >= 2
    return [told, holds, "sources that trained nothing, each kind of edit by itself, from the card"]


def _value(told: Any) -> float:
    return float(told[0] if isinstance(told, list) else told)


def drift() -> Row:
    """T9: windows of 50 scores that a shipped net gives to parts of three photographs of the demonstration, against 200
    others of the same; the shifted source sends such parts through a messenger. A fourth photograph is told beside it.
    """
    import django

    django.setup()
    from detection.detectors.edited_image import localiser
    from detection.drift import judge
    from detection.evaluation.conditions import CONDITIONS
    from detection.network import opened

    net, rng = opened(localiser.MODEL), np.random.default_rng(9)
    *known, other = sorted(PHOTOGRAPHS.glob("*.jpg"))

    def scores(parts: list[Any]) -> list[float]:
        return [_score(localiser, net, part) for part in parts]

    plain = np.array(scores(_parts(known, rng, REFERENCE + 300)))
    reference, rest = plain[:REFERENCE].tolist(), plain[REFERENCE:]
    sent = scores([CONDITIONS["social"](part) for part in _parts(known, rng, WINDOW)])
    fourth = scores(_parts([other], rng, WINDOW))
    benign = [rng.choice(rest, WINDOW, replace=False).tolist() for _ in range(BENIGN)]
    alarms = sum(one.shifted for one in judge([(reference, window) for window in benign]))
    p, beside = (min(one.ks_p, one.psi_p) for [one] in (judge([(reference, window)]) for window in (sent, fourth)))
    told = f"p = {p:.1e}; {alarms} of {BENIGN} benign windows; another photograph {beside:.1e}"
    how = "scores of edited_image on parts of three photographs; shifted: such parts after a messenger’s saving"
    return [told, p < 1e-6 and alarms <= 1, how]


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
    """T10: the same rounds as `make federation`, in this process, all three institutions honest; and what a round took
    in Flower's processes, from the records of the last `make federation`.
    """
    root = Path(os.environ.get("ASSAY_TRAINING", ""))
    if not (root / "pictures").is_dir():
        return ["not measured", False, "ASSAY_TRAINING names no folder of `manage.py train data`"]
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
        shared, central = _federated(root, Path(folder))
    told = f"AUC {shared:.3f} of {central:.3f}, {shared / central:.3f}"
    how = "twelve rounds in one process, works held out; a DP-free head of three institutions (docs/federation.md)"
    records = Path(os.environ.get("ASSAY_FEDERATION") or root.parent / "federation/office/federation/drill")
    plain, secret = (_round_s(records / place) for place in ("rounds", "in-secret/rounds"))
    if plain is None or secret is None:
        return [f"{told}; SecAgg+ not timed", False, f"{how}; no records of `make federation` were found"]
    told += f"; a round {plain:.0f} s plain, {secret:.0f} s in secret, {secret / plain:.1f}x wall"
    return [told, shared / central >= 0.97 and secret <= 2 * plain, f"{how}; wall: the last `make federation`"]


def _federated(root: Path, folder: Path) -> tuple[float, float]:
    """AUC of the shared and of the central head on all works held out."""
    import django

    django.setup()
    from detection.federation import drill, figures, material, simulation
    from detection.federation.holding import new_key

    given = material.works(root, lambda text: None)
    holdings = {
        name: material.holding(name, given[name], mix, seed=seed, crops=material.CROPS, measure=True)
        for seed, (name, (_, mix)) in enumerate(material.INSTITUTIONS.items())
    }
    reference = material.holding("reference", material.reference_works(), material.EVENLY, seed=99,
                                 crops=material.REFERENCE_CROPS, measure=False)  # fmt: skip
    keys = {}
    for name, holding in holdings.items():
        holding.write(folder / name)
        keys[name] = new_key(folder / name)
    plan = drill.plan_of(reference, keys)
    for name in holdings:
        plan.write(folder / name / "plan.json")
    places = {name: folder / name for name in holdings}
    model = simulation.Simulation(plan, places, reference.training(plan)[0]).run()
    site = figures.sites(holdings, plan)["all"]
    return site.auc(model), site.auc(figures.central(holdings, plan))


def _round_s(folder: Path) -> float | None:
    """Median wall seconds between the ends of rounds in which everybody took part."""
    ends = []
    for path in sorted(folder.glob("*.json")):
        missing = any(one["reason"] == "no_answer" for one in json.loads(path.read_text())["contributions"])
        ends.append((path.stat().st_mtime, missing))
    took = [after - before for (before, _), (after, missing) in itertools.pairwise(ends) if not missing]
    return float(np.median(took)) if took else None


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
