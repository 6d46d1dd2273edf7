"""Whether sets of possible answers hold what they promise on sources that were left out: target T5.

Class-conditional split conformal prediction (Vovk, “Conditional validity of inductive conformal predictors”, 2012),
with the worst quantile of the other sources and not the one of all of them together, as a new source is another
source and not more of the same. Nothing of it is shown to anybody: the office abstains by its thresholds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from detection.evaluation.harness import Scored, of

NOMINAL = 0.95
FEWEST = 10  # items of a source that is measured; all sources are learnt from
Array = npt.NDArray[np.float64]


def coverage(reals: Iterable[Scored], fakes: Iterable[Scored], *, nominal: float = NOMINAL) -> list[dict[str, Any]]:
    """A row for each source of real files and each generator: {label, held_out, n, coverage, single}.

    reals, fakes: scores by networks that had not seen the item's source or generator; files as they are are taken.
    coverage: the share whose set holds the truth. single: the share whose set holds one answer alone.
    """
    sides = {"real": _by(of(reals, synthetic=False)), "generated": _by(of(fakes, synthetic=True))}
    rows = []
    for label, groups in sides.items():
        for name, scores in sorted(groups.items()):
            if len(scores) < FEWEST or len(groups) < 2:
                continue
            others = {side: [v for key, v in of_side.items() if (side, key) != (label, name)]
                      for side, of_side in sides.items()}  # fmt: skip
            most = _edge(others["real"], nominal)
            least = -_edge([-scores for scores in others["generated"]], nominal)
            held = {"real": scores <= most, "generated": scores >= least}
            single = float((held["real"] != held["generated"]).mean())
            rows.append({"label": label, "held_out": name, "n": len(scores),
                         "coverage": float(held[label].mean()), "single": single})  # fmt: skip
    return rows


def _edge(groups: Sequence[Array], nominal: float) -> float:
    """The largest of the sources' conformal quantiles: up to it a score is like its class."""
    return max((float(np.sort(one)[min(int(np.ceil((len(one) + 1) * nominal)), len(one)) - 1]) for one in groups),
               default=float("inf"))  # fmt: skip


def _by(scored: Iterable[Scored]) -> Mapping[str, Array]:
    found: dict[str, list[float]] = {}
    for one in scored:
        found.setdefault(one.item.generator or one.item.source, []).append(one.score)
    return {name: np.asarray(scores, dtype=np.float64) for name, scores in found.items()}
