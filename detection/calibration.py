"""From a network's logit to a log10 likelihood ratio that says how far it can be trusted.

Platt scaling: ln LR = slope x logit + intercept, two parameters, fitted with both classes and, within a class, all
sources weighted alike, so that the prior of the calibration set is not in it. Never isotonic: measured across sources
it cost more than saying nothing (Cllr 1.55). What is fitted is judged on sources it was not fitted on (leave one
source out): the interval, the public threshold. The size of a ratio is clipped to what the number of items can
support, log10(n + 1).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special, stats

from core.problems import Problem
from detection import metrics
from detection.detectors import Answer
from detection.metrics import Array

PUBLIC_FPR = 0.02  # of “signals” on real files of each held-out source
# A ratio below 2 “does not provide assistance” (ENFSI guideline for evaluative reporting, 2015, verbal scale).
NO_HELP = float(np.log10(2))
AS_IS = "as_is"  # the condition of a file that nothing was done to


@dataclass(frozen=True)
class Domain:
    """What a file must be like to be within what was measured.

    min_side: pixels. min_bytes_per_pixel: of the file, for lossy formats. min_seconds, min_bandwidth: of sound, in s
    and Hz. mean, scale, limit: of the network's features; a file whose root mean square of (feature - mean) / scale is
    above limit is out of domain (limit 0: not checked).
    """

    min_side: int = 0
    min_bytes_per_pixel: float = 0.0
    min_seconds: float = 0.0
    min_bandwidth: float = 0.0
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    limit: float = 0.0

    def distance(self, features: npt.ArrayLike) -> float:
        """Root mean square of the standardised features."""
        away = (np.asarray(features, dtype=np.float64).ravel() - np.asarray(self.mean)) / np.asarray(self.scale)
        return float(np.sqrt((away**2).mean()))


@dataclass(frozen=True)
class Rate:
    """The error rates of “signals” at the threshold, on items of one source after one condition: of one look, before
    the re-shipped copies are asked, which can only take “signals” away.

    fpr, tpr: shares 0…1, with their exact 95 % intervals; None where the source has no item of that class.
    abstained: share of all items between the thresholds.
    """

    condition: str
    source: str
    n_real: int
    n_fake: int
    fpr: float | None = None
    tpr: float | None = None
    fpr_interval: tuple[float, float] | None = None
    tpr_interval: tuple[float, float] | None = None
    abstained: float | None = None


@dataclass(frozen=True)
class Calibration:
    """See the module. threshold: log10 LR from which the answer is “signals”; below it nothing was found.

    clip: largest |log10 LR| ever told. covariance: of (slope, intercept), by the jackknife over sources: its
    (0,0), (0,1), (1,1). quantile: of Student's t, for the 95 % interval.
    """

    id: str
    slope: float
    intercept: float
    n_real: int
    n_fake: int
    sources: tuple[str, ...]
    clip: float
    threshold: float
    covariance: tuple[float, float, float]
    quantile: float
    domain: Domain = field(default_factory=Domain)
    error_rates: tuple[Rate, ...] = ()

    def raw(self, logit: float) -> float:
        """log10 LR, not clipped: what thresholds are compared with."""
        return (self.slope * logit + self.intercept) / float(np.log(10))

    def llr(self, logit: float) -> tuple[float, float, float]:
        """log10 likelihood ratio of one logit and its 95 % interval (llr, low, high), each clipped."""
        value = self.raw(logit)
        slope, both, intercept = self.covariance
        variance = max(slope * logit * logit + 2 * both * logit + intercept, 0.0)
        half = self.quantile * float(np.sqrt(variance)) / float(np.log(10))
        return self._clipped(value), self._clipped(value - half), self._clipped(value + half)

    def answer(self, logit: float) -> Answer:
        """The public answer for one logit alone: CANT_SAY where the logits of the two classes were found to differ in
        nothing.
        """
        if self.slope <= 0:
            return Answer.CANT_SAY
        return Answer.SIGNALS if self.raw(logit) >= self.threshold else Answer.NO_SIGNALS

    def rates(self, condition: str = AS_IS) -> tuple[Rate, ...]:
        """What was measured under `condition`, one row a source."""
        return tuple(rate for rate in self.error_rates if rate.condition == condition)

    def with_domain(self, domain: Domain) -> "Calibration":
        return _named(replace(self, domain=domain))

    def with_error_rates(self, rates: Sequence[Rate]) -> "Calibration":
        """With what the evaluation measured. Its id stays: what is computed does not change."""
        return replace(self, error_rates=tuple(rates))

    def write(self, path: Path) -> None:
        """As `calibration.json`, sorted and indented so that a change can be read."""
        path.write_text(json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Calibration":
        """Raises Problem detection.calibration_refused for a file that is missing, broken or not its own id's."""
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _refused(path.name) from error

    @classmethod
    def beside(cls, folder: Path, name: str = "calibration.json") -> "Calibration | None":
        """The calibration of the model in `folder`; None where nobody has made one. A damaged one is refused, as by
        `read`: it must not pass for one that was never made.
        """
        path = folder / name
        return cls.read(path) if path.exists() else None

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Calibration":
        """Raises TypeError, KeyError or ValueError for anything but what `write` writes."""
        domain: dict[str, Any] = {name: _pair(value) for name, value in told["domain"].items()}
        rates = tuple(Rate(**{name: _pair(value) for name, value in rate.items()}) for rate in told["error_rates"])
        plain = {name: value for name, value in told.items() if name not in ("domain", "error_rates")}
        plain |= {"sources": tuple(told["sources"]), "covariance": tuple(told["covariance"])}
        made = cls(**plain, domain=Domain(**domain), error_rates=rates)
        if made.id != _named(made).id or not np.isfinite([made.slope, made.intercept, made.clip]).all():
            raise ValueError("the calibration is not what its id says")
        return made

    def _clipped(self, value: float) -> float:
        return float(np.clip(value, -self.clip, self.clip))


def fit(
    logits: npt.ArrayLike,
    labels: npt.ArrayLike,
    sources: Sequence[str],
    *,
    domain: Domain | None = None,
) -> Calibration:
    """Calibrate on items that the network was not trained on.

    logits: (n,), as the network gives them for the file as it is. labels: (n,), 1 fake and 0 real. sources: (n) names
    of where each item is from (of a generator for fakes). Raises ValueError for fewer than two items of a class or two
    sources, where nothing can be held out.
    """
    x, y = np.asarray(logits, dtype=np.float64).ravel(), np.asarray(labels, dtype=np.int64).ravel()
    names = np.asarray(list(sources))
    if not (x.size == y.size == names.size) or min((y == 0).sum(), (y == 1).sum()) < 2 or np.unique(names).size < 2:
        raise ValueError("a calibration needs two items of each class and two sources")
    slope, intercept = _platt(x, y, names)
    held_out, folds = _leave_one_out(x, y, names)
    reals = y == 0
    worst = max(metrics.threshold_at(held_out[names == name], PUBLIC_FPR) for name in np.unique(names[reals]))
    few = int(min(reals.sum(), (~reals).sum()))
    made = Calibration(
        id="",
        slope=slope,
        intercept=intercept,
        n_real=int(reals.sum()),
        n_fake=int((~reals).sum()),
        sources=tuple(str(name) for name in np.unique(names)),
        clip=float(np.log10(few + 1)),
        threshold=max(worst, NO_HELP),
        covariance=_jackknife(folds),
        quantile=float(stats.t.ppf(0.975, len(folds) - 1)),
        domain=domain or Domain(),
    )
    return _named(made)


def _leave_one_out(x: Array, y: npt.NDArray[np.int64], names: npt.NDArray[Any]) -> tuple[Array, Array]:
    """log10 LR of every item by the fit without its source, (n,), and those fits, (folds, 2).

    A source that is all there is of a class cannot be left out; its items keep the fit on everything.
    """
    everything = _platt(x, y, names)
    held_out = (everything[0] * x + everything[1]) / np.log(10)
    folds = []
    for name in np.unique(names):
        rest = names != name
        if len(np.unique(y[rest])) == 2:
            slope, intercept = _platt(x[rest], y[rest], names[rest])
            folds.append((slope, intercept))
            held_out[~rest] = (slope * x[~rest] + intercept) / np.log(10)
    if len(folds) < 2:
        raise ValueError("a calibration needs two sources that can be left out")
    return held_out, np.asarray(folds)


def _platt(x: Array, y: npt.NDArray[np.int64], names: npt.NDArray[Any]) -> tuple[float, float]:
    """Logistic regression by Newton's method with Platt's smoothed targets (1999), balanced weights, slope >= 0."""
    centre, scale = float(x.mean()), float(x.std()) or 1.0
    design = np.stack([(x - centre) / scale, np.ones_like(x)], axis=1)
    counts = [int((y == label).sum()) for label in (0, 1)]
    target = np.where(y == 1, (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2))
    weight = _balanced(y, names) * x.size
    theta = np.zeros(2)
    for _ in range(50):
        told = special.expit(design @ theta)
        gradient = design.T @ (weight * (told - target))
        curve = (design * (weight * told * (1 - told))[:, None]).T @ design + np.eye(2) * 1e-6
        step = np.linalg.solve(curve, gradient)
        theta = theta - np.clip(step, -2, 2)
        if float(np.abs(step).max()) < 1e-9:
            break
    if theta[0] <= 0:  # no better than chance here: it says nothing rather than the opposite
        return 0.0, 0.0
    slope = float(theta[0] / scale)
    return slope, float(theta[1] - slope * centre)


def _balanced(y: npt.NDArray[np.int64], names: npt.NDArray[Any]) -> Array:
    """Weights that sum to one half for each class and, within it, are alike for each source."""
    weight = np.zeros(y.size)
    for label in (0, 1):
        members = np.unique(names[y == label])
        for name in members:
            chosen = (y == label) & (names == name)
            weight[chosen] = 0.5 / (members.size * chosen.sum())
    return weight


def _jackknife(folds: Array) -> tuple[float, float, float]:
    """Covariance of (slope, intercept) by leaving out one source at a time (Efron & Stein 1981)."""
    away = folds - folds.mean(axis=0)
    covariance = away.T @ away * (len(folds) - 1) / len(folds)
    return float(covariance[0, 0]), float(covariance[0, 1]), float(covariance[1, 1])


def _named(made: Calibration) -> Calibration:
    """With its id: a digest over everything that decides what it computes."""
    told = {name: value for name, value in asdict(made).items() if name not in ("id", "error_rates")}
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return replace(made, id=f"cal-{digest[:12]}")


def _pair(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _refused(name: str) -> Problem:
    return Problem(
        "detection.calibration_refused",
        "The calibration of this detector cannot be used",
        status=422,
        detail=f"{name} is missing, damaged, or is not what its id says.",
        next_step="Make it again with the committed training code (`manage.py train`).",
    )
