"""The head of `detectors/face`: logistic regressions on features of the tower, and its scores where it was not
trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import special

from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item
from detection.training import face_making, logistic
from detection.training.face_features import Array, Features
from detection.training.splits import Split

STRENGTH = 2.0  # of the penalty on the head's weights
BLENDED = (face_making.SELF_BLEND, face_making.SWAP)


@dataclass(frozen=True)
class Head:
    """Two questions in one: was the face generated, was something blended into it. weight: (2, width); bias: (2,). The
    logit is the logarithm of the sum of what both say."""

    weight: Array
    bias: Array

    def __call__(self, rows: Array) -> Array:
        return np.asarray(special.logsumexp(rows @ self.weight.T + self.bias, axis=1))


def fit(parts: Sequence[Features], *, strength: float = STRENGTH) -> Head:
    """What is blended shows elsewhere than what is generated, so each question is fitted on its own kinds."""
    asked = [
        _fit([_where(part, partial(_is_of, blended=blended)) for part in parts], strength) for blended in (False, True)
    ]
    return Head(np.stack([weight for weight, _ in asked]), np.asarray([bias for _, bias in asked]))


def _is_of(item: Item, *, blended: bool) -> bool:
    return not item.synthetic or (item.generator in BLENDED) is blended


def _fit(parts: Sequence[Features], strength: float) -> tuple[Array, float]:
    items = [item for part in parts for item in part.items]
    labels = np.asarray([float(item.synthetic) for item in items])
    return logistic.fit(np.concatenate([part.rows for part in parts]), labels, logistic.shares(items), strength)


def identity(item: Item) -> tuple[str, str]:
    """A face made over lies in the same file as the face itself."""
    return item.generator, item.path.name


def scored(part: Features, head: Callable[[Array], Array], condition: str, held_out: str = "") -> list[Scored]:
    pairs = zip(part.items, head(part.rows), strict=True)
    return [Scored(item, condition, float(score), held_out) for item, score in pairs]


def scored_outside(
    split: Split, items: Sequence[Item], trained: Sequence[Features], measured: Mapping[str, Features]
) -> list[Scored]:
    """What the split leaves out, by a head that saw only the rest of `trained`. items: what was split; measured: some
    of them, by condition."""
    inside, outside = ({identity(items[i]) for i in part} for part in (split.train, split.test))
    head = fit([_where(part, lambda item: identity(item) in inside) for part in trained])
    found: list[Scored] = []
    for condition, part in measured.items():
        left_out = _where(part, lambda item: identity(item) in outside)
        found += scored(left_out, head, condition, split.held_out)
    return found


def _where(part: Features, wanted: Callable[[Item], bool]) -> Features:
    return part.at([i for i, item in enumerate(part.items) if wanted(item)])
