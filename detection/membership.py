"""Whether scores betray what a model was trained on (membership inference by score, Yeom et al., CSF 2018).

The attack: an item that the model is surer of, in the direction of its label, was trained on. Its AUC over members and
non-members of the same sources is 0.5 where nothing is betrayed. Pure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detection import metrics


def attack(
    members: npt.ArrayLike,
    member_labels: Sequence[int],
    others: npt.ArrayLike,
    other_labels: Sequence[int],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """members, others: logits of items that were, and were not, trained on; labels: 1 made, 0 real.

    Returns {"auc": [value, low, high], "members", "others"} as `evaluation.json` keeps it. Raises ValueError for none.
    """
    sure, less = _sureness(members, member_labels), _sureness(others, other_labels)
    low, high = metrics.auc_interval(less, sure, seed=seed)
    return {"auc": [metrics.auc(less, sure), low, high], "members": int(sure.size), "others": int(less.size)}


def _sureness(logits: npt.ArrayLike, labels: Sequence[int]) -> metrics.Array:
    """Minus the cross-entropy of each item."""
    signs = np.where(np.asarray(labels) == 1, 1.0, -1.0)
    return np.asarray(-np.logaddexp(0, -signs * np.asarray(logits, dtype=np.float64).ravel()), dtype=np.float64)
