"""This office as an institution: a holding made from the labels in its register that may be trained on."""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from core import storage
from core.clock import now
from core.guard import Limits, Nursery
from core.problems import Problem
from detection import labels
from detection.detectors import Question
from detection.federation import features
from detection.federation.holding import LICENCE, Holding, Item
from detection.federation.plan import TRAIN
from detection.labels import TrainingItem
from provenance.models import Rendition

HELD_OUT: Final = 4  # one work in so many is measured with and never trained on
_LIMITS: Final = Limits(memory=3 << 30, cpu=60, wall=60.0, output=1 << 20)


@lru_cache(maxsize=1)
def _nursery() -> Nursery:
    return Nursery("detection.federation.extraction")


def prepare(institution: str, question: str, folder: Path) -> tuple[Holding, int]:
    """The holding of what may be trained on at this moment, and how many works could not be read. To be made again
    before each federation: a work whose basis is gone is not in it. Raises Problem where there is not an item of both
    kinds; a holding that is in the folder is brought up to date all the same.
    """
    rows, items, unread, checked = list[list[float]](), list[Item](), 0, now().isoformat()
    for one in labels.training_items(question):
        try:
            row = _described(one)
        except Problem:
            row = []
        if len(row) != features.SIZE:
            unread += 1
            continue
        rows.append(row)
        items.append(_item(one))
    made = np.array(rows, dtype=np.float32).reshape(len(rows), features.SIZE)
    holding = Holding(institution, made, tuple(items), checked)
    if (folder / "items.json").exists() or _has_both(items):  # also where less is left than before, or nothing
        holding.write(folder)
    if not _has_both(items):
        raise Problem(
            "federation.too_little",
            "There is too little to train with",
            status=409,
            detail="Training needs labelled works of both kinds that may be trained on, and the register has not.",
            next_step="Labels become trainable by a second source and a recorded basis (docs/models.md, “Learning from"
            " feedback”).",
        )
    return holding, unread


def _has_both(items: Sequence[Item]) -> bool:
    return len({item.made for item in items if not item.held_out}) == 2


def recheck(folder: Path) -> tuple[Holding, int]:
    """Compares a holding with the register: what may not be trained on any more leaves it, features and all. Returns
    what is left, and how many left. To be done daily at least (`holding.FRESH`), by whoever may write the folder. A
    work that became trainable since is not added. Raises BadHolding.
    """
    before, checked = Holding.read(folder), now().isoformat()
    known = {(one.label.sha256, one.basis) for question in Question for one in labels.training_items(question.value)}
    kept = [
        place
        for place, item in enumerate(before.items)
        if item.instrument.startswith(LICENCE) or (item.sha256, item.instrument) in known
    ]
    items = tuple(before.items[place] for place in kept)
    holding = Holding(before.institution, before.features[kept], items, checked)
    holding.write(folder)
    return holding, len(before.items) - len(items)


def _described(one: TrainingItem) -> list[float]:
    original = one.label.asset.rendition(Rendition.Role.ORIGINAL)
    with storage.local_copy(original.key) as path:
        arguments = {"path": str(path)}
        answer = _nursery().call("detection.federation.extraction:describe", arguments, limits=_LIMITS)
    # The child may have been taken over by the file: numbers, or nothing.
    found = answer.get("features") if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(type(value) is float for value in found):
        return []
    return found if np.isfinite(found).all() else []


def _item(one: TrainingItem) -> Item:
    work = hashlib.sha256(str(one.label.asset_id).encode()).hexdigest()
    return Item(
        sha256=one.label.sha256,
        work=work[:16],
        made=bool(one.made),
        held_out=int(work[:8], 16) % HELD_OUT == 0,
        purposes=(TRAIN,),
        instrument=one.basis,
    )
