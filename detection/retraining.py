"""Learning from feedback: what people here confirmed becomes a challenger with a head of this installation's own.

What is learnt is what `detection.labels` gives out at this moment, each with its basis. What is rehearsed, and what
judges the child beside its parent, comes from a folder of this office's own (as in `detection.measuring`), dealt into
two halves by the content of the files: the second is the frozen reference. No weight is fitted on it; the calibration
is, each of its figures without the source it is about. The result is
registered as a challenger like any other and has to pass the gate. Files are opened in guarded children only; here
are numbers.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from django.conf import settings

from accounts.models import User
from core import storage
from core.guard import Limits
from core.problems import Problem
from detection import bom, cards, labels, measuring, membership, network, registry, trials, versions
from detection.calibration import AS_IS, Domain
from detection.evaluation import tables
from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item
from detection.models import ModelVersion
from provenance import media
from provenance.models import Rendition

REPORT: Final = "few_shot.json"
REHEARSAL: Final = 0.5  # of the office's own files; the others are the frozen reference
SEED: Final = 0
_LIMITS: Final = Limits(memory=6 << 30, cpu=900, wall=1200.0)
_BATCH: Final = 40


@dataclass(frozen=True)
class Seen:
    """A file as the network's last layer sees it: by condition, AS_IS always."""

    item: Item
    features: dict[str, list[float]]


def learn(detector: str, *, version: str, reference: Path, reason: str, by: User) -> ModelVersion:
    """A challenger for `detector`. reference: a folder with `real/<source>/…` and `made/<generator>/…`.

    Raises Problem where nothing can be learnt (too few items, no basis, a network without a linear last layer), or
    where the child would be worse than its parent on the frozen reference; and as `versions.register` does.
    """
    info = registry.detector(detector)
    few_shot = _few_shot()
    parent_row, artefact = versions.champion(detector), versions.in_service(detector)
    parent = artefact.folder if artefact else registry.ROOM / "detectors" / detector
    with tempfile.TemporaryDirectory(dir=Path(settings.ASSAY_VAR) / "scratch") as scratch, ExitStack() as stack:
        eyes = _eyes(few_shot, parent, Path(scratch) / "eyes")
        confirmed = [stack.enter_context(_original(one)) for one in labels.training_items(info.about.question.value)]
        new = _seen(eyes, detector, confirmed, conditions=False)
        rehearsed, frozen = _dealt(measuring.suite(reference))
        old, judged = (_seen(eyes, detector, one, conditions=True) for one in (rehearsed, frozen))
        head = few_shot.head_of(_graph(parent))
        child, pull = few_shot.refit(head, _examples(few_shot, new), _examples(few_shot, old))
        changes = few_shot.compared(head, child, _examples(few_shot, judged))
        few_shot.check(changes)
        made = Path(scratch) / "made"
        _write(made, parent, few_shot.with_head((parent / network.MODEL).read_bytes(), child.weight, child.bias))
        told = {"pull": pull, "new": len(new), "rehearsed": len(old), "frozen": len(judged)}
        _report(made, {**told, "against_the_parent": few_shot.as_json(changes)})
        against = hashlib.sha256((parent / network.MODEL).read_bytes()).hexdigest()
        seen, domain = [*new, *old], measuring.domain_of(parent)
        _evaluate(made, few_shot, child, judged, seen, detector, version, domain, against)
        return versions.register(made, detector=detector, version=version, reason=reason, by=by, parent=parent_row)


def _few_shot() -> Any:
    """It needs the package `onnx`, which only machines that train have."""
    try:
        return import_module("detection.training.few_shot")
    except ModuleNotFoundError as error:
        raise Problem(
            "model.few_shot",
            "No head can be fitted here",
            status=503,
            detail=f"This machine has not got the package {error.name}.",
            next_step="Install requirements/train.txt, on the machine that trains.",
        ) from error


def _graph(folder: Path) -> Any:
    try:
        return import_module("onnx").load_model_from_string((folder / network.MODEL).read_bytes())
    except OSError as error:
        raise network.refused("there is no network to learn from") from error


def _eyes(few_shot: Any, parent: Path, folder: Path) -> Path:
    """A folder with the parent's network and its last layer's input as an output."""
    folder.mkdir()
    _graph(parent)  # or there is no network
    (folder / network.MODEL).write_bytes(few_shot.with_features((parent / network.MODEL).read_bytes()))
    for name in ("adapter.json",):
        if (parent / name).exists():
            shutil.copyfile(parent / name, folder / name)
    network.write_manifest(folder)
    return folder


@contextmanager
def _original(one: labels.TrainingItem) -> Iterator[Item]:
    asset = one.label.asset
    with storage.local_copy(asset.rendition(Rendition.Role.ORIGINAL).key) as path:
        made, name = bool(one.made), one.source
        yield Item(
            path, synthetic=made, source=name, generator=f"{name}:made" if made else "", group=asset.original_sha256
        )


def _dealt(items: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """(to rehearse, to judge), by the content of each file: the same file is always on the same side."""
    drawn = [
        (item, int(hashlib.sha256(f"{SEED}/{item.group}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF) for item in items
    ]
    return [one for one, at in drawn if at < REHEARSAL], [one for one, at in drawn if at >= REHEARSAL]


def _seen(eyes: Path, detector: str, items: Sequence[Item], *, conditions: bool) -> list[Seen]:
    files = [str(path) for path in sorted(eyes.iterdir())]
    seen = []
    for start in range(0, len(items), _BATCH):
        batch = items[start : start + _BATCH]
        arguments = {
            "model": files,
            "detector": detector,
            "paths": [str(item.path.resolve()) for item in batch],
            "types": [media.sniff(item.path) for item in batch],
            "conditions": conditions,
        }
        told = trials.nursery.call("detection.modelchild:features_of", arguments, limits=_LIMITS)
        seen += [Seen(item, found) for item, found in zip(batch, told, strict=True) if found.get(AS_IS)]
    return seen


def _examples(few_shot: Any, seen: Sequence[Seen], condition: str = AS_IS) -> Any:
    features = np.asarray([one.features[condition] for one in seen], dtype=np.float64).reshape(len(seen), -1)
    made = np.asarray([int(one.item.synthetic) for one in seen], dtype=np.int64)
    return few_shot.Examples(features, made, tuple(one.item.generator or one.item.source for one in seen))


# --- What is written -------------------------------------------------------------------------------------------------


def _write(made: Path, parent: Path, data: bytes) -> None:
    """The parent's folder with another network, and that network's own answers to the fixed input."""
    made.mkdir()
    kept = (cards.CARD, "adapter.json")
    for name in kept:
        if (parent / name).exists():
            shutil.copyfile(parent / name, made / name)
    (made / network.MODEL).write_bytes(data)
    network.write_manifest(made)
    shape = json.loads((parent / network.PARITY).read_text())["shape"]
    trial = trials.try_file(made / network.MODEL, shape=shape, parity=False)
    answers = {name: [float(f"{value:.7g}") for value in values] for name, values in trial.answers}
    _json(made / network.PARITY, {"seed": 0, "shape": list(trial.shape), "outputs": answers})


def _report(made: Path, told: dict[str, Any]) -> None:
    _json(made / REPORT, told)


def _evaluate(
    made: Path,
    few_shot: Any,
    child: Any,
    judged: Sequence[Seen],
    learnt: Sequence[Seen],
    detector: str,
    version: str,
    domain: Domain,
    against: str,
) -> None:
    """against: SHA-256 of the parent's network, which the child was compared with on these files."""
    scored = list(_scored(child, judged))
    fitted, measured = measuring.fit(scored, domain=domain), measuring.rows(scored)
    fitted.with_error_rates(list(tables.rates(measured))).write(made / registry.CALIBRATION)
    measuring.write_reference(made, scored, fitted)
    members, others = (few_shot.logits(child, _examples(few_shot, one)) for one in (learnt, judged))
    attack = membership.attack(
        *(members, [int(one.item.synthetic) for one in learnt]),
        *(others, [int(one.item.synthetic) for one in judged]),
        seed=SEED,
    )
    tables.write(
        made,
        command=f"manage.py model learn {detector} --version {version}",
        seed=SEED,
        rows=measured,
        data=[
            *measuring.data_of([one.item for one in learnt], "train"),
            *measuring.data_of([one.item for one in judged]),
        ],
        calibration=fitted.id,
        threshold=fitted.threshold,
        notes=["The last layer was fitted here; the rest is the parent's. Figures are of the frozen reference."],
        membership=attack,
        against=against,
    )
    bom.write(made, detector, version)
    network.write_manifest(made)


def _scored(child: Any, judged: Sequence[Seen]) -> Iterator[Scored]:
    for one in judged:
        for name, features in one.features.items():
            value = float(np.asarray(features) @ child.weight + child.bias) if features else float("nan")
            yield Scored(one.item, name, value)


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")
