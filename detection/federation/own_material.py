"""This office as an institution: a holding made from the labels in its register that may be trained on."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from core import storage
from core.guard import Limits, Nursery
from core.problems import Problem
from detection import labels
from detection.federation import features
from detection.federation.holding import Holding, Item
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
    kinds.
    """
    rows, items, unread = [], [], 0
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
    if len({item.made for item in items if not item.held_out}) < 2:
        raise Problem(
            "federation.too_little",
            "There is too little to train with",
            status=409,
            detail="Training needs labelled works of both kinds that may be trained on, and the register has not.",
            next_step="Labels become trainable by a second source and a recorded basis (docs/detection.md).",
        )
    holding = Holding(institution, np.array(rows, dtype=np.float32), tuple(items))
    holding.write(folder)
    return holding, unread


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
