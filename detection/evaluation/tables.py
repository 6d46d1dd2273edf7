"""Figures with intervals, and `evaluation.json` from them (its format: `detection.cards`).

A row holds one held-out source or generator under one condition. A held-out source of reals is measured against all
synthetic items of the same scores, a held-out generator against all reals; both were unseen by the network that scored
them. There is no row over everything and no door here to write one.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from core.clock import now
from detection import metrics
from detection.calibration import Rate
from detection.detectors import Answer
from detection.evaluation.harness import Scored, of, values
from detection.training.splits import group_of

SEED = 5
EVALUATION = "evaluation.json"
MODEL = "model.onnx"


class Calibrated(Protocol):
    """What a table needs of a calibration (`detection.calibration.Calibration`)."""

    def llr(self, logit: float) -> tuple[float, float, float]: ...
    def answer(self, logit: float) -> Answer: ...


@dataclass(frozen=True)
class Side:
    """The scores of one class, with what keeps dependent ones together."""

    scored: Sequence[Scored]

    @property
    def groups(self) -> list[str]:
        return [group_of(one.item) for one in self.scored]


def per_source(
    scored: Sequence[Scored], calibration: Calibrated | None, *, split: str = "leave_one_source_out"
) -> list[dict[str, Any]]:
    """A row per source of reals and condition."""
    return _rows(scored, calibration, split, synthetic=False)


def per_generator(
    scored: Sequence[Scored], calibration: Calibrated | None, *, split: str = "leave_one_generator_out"
) -> list[dict[str, Any]]:
    """A row per generator and condition."""
    return _rows(scored, calibration, split, synthetic=True)


def row(
    reals: Sequence[Scored],
    fakes: Sequence[Scored],
    calibration: Calibrated | None,
    *,
    split: str,
    held_out: str,
    condition: str,
) -> dict[str, Any]:
    """One row. `auc` is null where a class has fewer than two items. Rates are of one look, which reaches the threshold
    of “signals” or not; what re-shipped copies would change (`detection.weighing`) comes on top.
    """
    told: dict[str, Any] = {"split": split, "held_out": held_out, "condition": condition}
    told |= {"n_real": len(reals), "n_fake": len(fakes), "auc": _auc(reals, fakes), "tpr_at_1": _tpr_at_1(reals, fakes)}
    return {**told, **_calibrated(reals, fakes, calibration)}


def peer_rows(name: str, version: str, scored: Sequence[Scored], *, split: str = "unseen") -> list[dict[str, Any]]:
    """Rows of another's detector on the same files; only what needs no calibration of ours."""
    kept = ("split", "held_out", "condition", "n_real", "n_fake", "auc")
    rows = [*per_generator(scored, None, split=split), *per_source(scored, None, split=split)]
    return [{"name": name, "version": version, **{key: one[key] for key in kept}} for one in rows]


def rates(rows: Iterable[Mapping[str, Any]]) -> Iterator[Rate]:
    """What a calibration tells of its errors, from rows that leave one out: false signals in the real files of each
    source, and how many of each generator's were found. No file is counted in two of them.
    """
    for one in rows:
        about = (one["condition"], one["held_out"])
        if one["split"] == "leave_one_generator_out" and one["tpr"]:
            share, *edges = one["tpr"]
            yield Rate(*about, n_real=0, n_fake=one["n_fake"], tpr=share, tpr_interval=(edges[0], edges[1]))
        elif one["split"] == "leave_one_source_out" and one["fpr"]:
            share, *edges = one["fpr"]
            yield Rate(*about, n_real=one["n_real"], n_fake=0, fpr=share, fpr_interval=(edges[0], edges[1]))


def write(
    folder: Path,
    *,
    command: str,
    seed: int,
    rows: Sequence[Mapping[str, Any]],
    data: Sequence[Mapping[str, Any]],
    calibration: str = "",
    threshold: float | None = None,
    peers: Sequence[Mapping[str, Any]] = (),
    notes: Sequence[str] = (),
    **more: Any,
) -> None:
    """`evaluation.json` of a detector's folder, which says what network it is of: the one in the folder, or
    `model_sha256` in `more`, which is what the harness adds beyond the format.
    """
    network = folder / MODEL
    if network.is_file():
        more = {"model_sha256": hashlib.sha256(network.read_bytes()).hexdigest(), **more}
    told = {
        "command": command, "seed": seed, "made_on": f"{now():%Y-%m-%d}", "threshold": threshold,
        "calibration": calibration, "data": list(data), "rows": list(rows), "peers": list(peers), "notes": list(notes),
        **more,
    }  # fmt: skip
    text = json.dumps(_rounded(told), indent=1, ensure_ascii=False, allow_nan=False)
    (folder / EVALUATION).write_text(text + "\n")


def data_rows(manifest: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """`detection.training.data.manifest` as the card wants it."""
    return [
        {"name": name, "version": f"{one['package']} {one['version']}", "sha256": one["sha256"],
         "licence": one["licence"], "use": one["use"], "items": one["pictures"]}
        for name, one in sorted(manifest.items())
    ]  # fmt: skip


def _rows(
    scored: Sequence[Scored], calibration: Calibrated | None, split: str, *, synthetic: bool
) -> list[dict[str, Any]]:
    rows = []
    for condition in dict.fromkeys(one.condition for one in scored):
        mine = of(scored, condition=condition, synthetic=synthetic)
        others = of(scored, condition=condition, synthetic=not synthetic)
        for name in sorted({_name(one) for one in mine}):
            held = [one for one in mine if _name(one) == name]
            against = [one for one in others if one.held_out in ("", name)]
            pair = (against, held) if synthetic else (held, against)
            rows.append(row(*pair, calibration, split=split, held_out=name, condition=condition))
    return rows


def _name(one: Scored) -> str:
    return one.item.generator if one.item.synthetic else one.item.source


def _auc(reals: Sequence[Scored], fakes: Sequence[Scored]) -> list[float] | None:
    if min(len(reals), len(fakes)) < 2:
        return None
    low, high = values(reals), values(fakes)
    groups = (Side(reals).groups, Side(fakes).groups)
    return [metrics.auc(low, high), *metrics.auc_interval(low, high, seed=SEED, groups=groups)]


def _tpr_at_1(reals: Sequence[Scored], fakes: Sequence[Scored]) -> float | None:
    return metrics.tpr_at(values(reals), values(fakes), 0.01) if reals and fakes else None


def _calibrated(reals: Sequence[Scored], fakes: Sequence[Scored], calibration: Calibrated | None) -> dict[str, Any]:
    empty = {"fpr": None, "tpr": None, "ece": None, "cllr": None, "cllr_min": None, "abstained": None}
    if calibration is None:
        return empty
    answers = {
        side: [calibration.answer(one.score) for one in of_side] for side, of_side in (("fpr", reals), ("tpr", fakes))
    }
    rates = {side: _rate(told) for side, told in answers.items()}
    every = [*answers["fpr"], *answers["tpr"]]
    rates["abstained"] = sum(one is Answer.CANT_SAY for one in every) / len(every) if every else None
    return {**empty, **rates, **_costs(reals, fakes, calibration)}


def _rate(answers: Sequence[Answer]) -> Any:
    if not answers:
        return None
    count = sum(one is Answer.SIGNALS for one in answers)
    return [count / len(answers), *metrics.rate_interval(count, len(answers))]


def _costs(reals: Sequence[Scored], fakes: Sequence[Scored], calibration: Calibrated) -> dict[str, float | None]:
    if not reals or not fakes:
        return {}
    low, high = (np.asarray([calibration.llr(one.score)[0] for one in side]) for side in (reals, fakes))
    told = np.concatenate([metrics.probability(low, _prior(low, high)), metrics.probability(high, _prior(low, high))])
    labels = np.concatenate([np.zeros(len(low)), np.ones(len(high))])
    return {"ece": metrics.ece(told, labels), "cllr": metrics.cllr(low, high), "cllr_min": metrics.cllr_min(low, high)}


def _prior(low: metrics.Array, high: metrics.Array) -> float:
    return len(high) / (len(low) + len(high))


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_rounded(one) for one in value]
    return value
