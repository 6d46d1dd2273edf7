"""Counts with noise, and what can be read from them.
An institution releases one thing about its held-out pictures, once: how many real and how many made ones have a logit
in each bin of a histogram. To each count it adds discrete Laplace noise of scale `per_work`/ε (the geometric mechanism:
Ghosh, Roughgarden & Sundararajan, SIAM J. Comput. 41, 2012; integers, so that no floating-point bits leak: Mironov, CCS
2012). At most `per_work` pictures of one work count, so adding or removing a whole work changes the counts by that much
in sum, and the release is ε-differentially private for each work. Metrics and calibration are computed from the noisy
counts and cost nothing more (post-processing).
"""

import math
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detection.federation.plan import Statistics
from detection.federation.rounds import Vector

Counts = npt.NDArray[np.int64]
Uniform = Callable[[], float]  # a number in [0, 1)


def uniform_draw() -> float:
    return secrets.randbits(53) / (1 << 53)


@dataclass(frozen=True)
class Histogram:
    """real, made: counts, (bins,), noisy and so at times negative."""

    real: Counts
    made: Counts


@dataclass(frozen=True)
class Platt:
    """ln LR = slope x logit + intercept."""

    slope: float
    intercept: float


def counted(logits: Vector, labels: Vector, works: Sequence[str], agreed: Statistics) -> Histogram:
    """Exact counts, no more than `per_work` of a work. Not to be released."""
    seen: Counter[str] = Counter()
    kept = []
    for index, work in enumerate(works):
        seen[work] += 1
        if seen[work] <= agreed.per_work:
            kept.append(index)
    real, made = ([i for i in kept if (labels[i] > 0.5) == side] for side in (False, True))
    edges = np.linspace(-agreed.edge, agreed.edge, agreed.bins + 1)
    inside = np.clip(logits, -agreed.edge, agreed.edge)
    return Histogram(*(np.histogram(inside[rows], edges)[0].astype(np.int64) for rows in (real, made)))


def released(exact: Histogram, agreed: Statistics, uniform: Uniform = uniform_draw) -> Histogram:
    """The counts with noise: ε-differentially private per work. uniform: for tests only."""
    scale = agreed.per_work / agreed.epsilon

    def noisy(counts: Counts) -> Counts:
        noise = [_geometric(scale, uniform) - _geometric(scale, uniform) for _ in counts]
        return np.asarray(counts + np.array(noise, dtype=np.int64))

    return Histogram(noisy(exact.real), noisy(exact.made))


def total(parts: Sequence[Histogram]) -> Histogram:
    """The counts of several institutions together."""
    return Histogram(*(np.sum([getattr(part, kind) for part in parts], axis=0) for kind in ("real", "made")))


def auc(counts: Histogram) -> float:
    """Area under the ROC curve from a histogram, ties one half; NaN where noise left a class without a count."""
    real, made = _shares(counts.real), _shares(counts.made)
    below = np.cumsum(real) - real / 2
    return float((made * below).sum())


def rate_at(counts: Histogram, agreed: Statistics, threshold: float) -> tuple[float, float]:
    """(false positive rate, true positive rate) of “logit in a bin that begins at `threshold` or above”."""
    begins = np.linspace(-agreed.edge, agreed.edge, agreed.bins + 1)[:-1]
    above = begins >= threshold - 1e-9
    return float(_shares(counts.real)[above].sum()), float(_shares(counts.made)[above].sum())


def platt(counts: Histogram, agreed: Statistics) -> Platt:
    """Logistic regression on the middles of the bins, both classes weighted alike, so that the ratio has no prior in
    it.
    """
    edges = np.linspace(-agreed.edge, agreed.edge, agreed.bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    design = np.stack([np.concatenate([middles, middles]), np.ones(2 * middles.size)], axis=1)
    target = np.repeat([0.0, 1.0], middles.size)
    weights = np.concatenate([_shares(counts.real), _shares(counts.made)])
    if not np.isfinite(weights).all():
        return Platt(0.0, 0.0)
    found = np.zeros(2)
    for _ in range(50):
        told = (1 + np.tanh(design @ found / 2)) / 2
        slope = design.T @ (weights * (told - target)) + 1e-3 * found
        curve = (design * (weights * told * (1 - told))[:, None]).T @ design + 1e-3 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        found = found - step.clip(-2, 2)
    return Platt(float(found[0]), float(found[1]))


def calibration_error(counts: Histogram, agreed: Statistics, fitted: Platt) -> float:
    """Expected calibration error at even odds, over the bins."""
    edges = np.linspace(-agreed.edge, agreed.edge, agreed.bins + 1)
    told = 1 / (1 + np.exp(-(fitted.slope * (edges[:-1] + edges[1:]) / 2 + fitted.intercept)))
    real, made = _shares(counts.real) / 2, _shares(counts.made) / 2
    both = real + made
    return float(np.abs(both * told - made).sum())


def _shares(counts: Counts) -> Vector:
    """Counts as shares of one; noise below zero counts as none."""
    kept = np.maximum(counts, 0).astype(np.float64)
    total = kept.sum()
    return np.asarray(kept / total) if total else np.full(kept.shape, np.nan)


def _geometric(scale: float, uniform: Uniform) -> int:
    """Geometric on 0, 1, 2… with ratio exp(-1/scale); the difference of two is discrete Laplace."""
    return math.floor(-scale * math.log(1.0 - uniform()))
