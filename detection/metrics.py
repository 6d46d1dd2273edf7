"""How well scores separate and how well they are calibrated. NumPy only; positive is what was looked for (“fake”).

Scores and likelihood ratios are one-dimensional arrays; higher means more consistent with “fake”. Log likelihood ratios
(`llr`) are decimal (log10), as everywhere in this office. A score counts as a signal when it is >= the threshold.
Functions raise ValueError where a class has no item: there is then nothing to measure.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

Array: TypeAlias = npt.NDArray[np.float64]
Values: TypeAlias = npt.ArrayLike

DRAWS = 1000  # of a bootstrap
LEVEL = 0.95
BINS = 10


def auc(real: Values, fake: Values) -> float:
    """The area under the ROC curve: P(fake > real) + P(equal) / 2 (Mann-Whitney)."""
    low, high = _scores(real, fake)
    order = np.sort(low)
    below = np.searchsorted(order, high, side="left")
    up_to = np.searchsorted(order, high, side="right")
    return float((below + up_to).mean() / (2 * low.size))


def auc_interval(
    real: Values, fake: Values, *, seed: int, groups: tuple[Sequence[Any], Sequence[Any]] | None = None
) -> tuple[float, float]:
    """The 95 % percentile-bootstrap interval of `auc`, drawing items with replacement within each class.

    groups: for each real and for each fake score what it belongs to (the picture a tile was cut from, the speaker of a
    clip); whole groups are drawn then, so that dependent scores do not narrow the interval.
    """
    low, high = _scores(real, fake)
    random = np.random.default_rng(seed)
    weights_low = _draws(low.size, groups[0] if groups else None, random)
    weights_high = _draws(high.size, groups[1] if groups else None, random)
    values, place = np.unique(np.concatenate([low, high]), return_inverse=True)
    areas = []
    for one, other in zip(weights_low, weights_high, strict=True):
        reals = np.bincount(place[: low.size], one, values.size)
        fakes = np.bincount(place[low.size :], other, values.size)
        below = np.cumsum(reals) - reals / 2
        areas.append(float((below * fakes).sum() / (reals.sum() * fakes.sum())))
    edge = (1 - LEVEL) / 2
    return float(np.quantile(areas, edge)), float(np.quantile(areas, 1 - edge))


def _draws(count: int, groups: Sequence[Any] | None, random: np.random.Generator) -> Array:
    """(DRAWS, count): how often each item is in each draw."""
    if groups is None:
        return random.multinomial(count, np.full(count, 1 / count), size=DRAWS).astype(np.float64)
    names, member = np.unique(np.asarray([str(one) for one in groups]), return_inverse=True)
    drawn = random.multinomial(names.size, np.full(names.size, 1 / names.size), size=DRAWS)
    return np.asarray(drawn[:, member], dtype=np.float64)


def threshold_at(real: Values, fpr: float) -> float:
    """The lowest threshold at which at most the share `fpr` of `real` counts as a signal."""
    scores = np.sort(np.asarray(real, dtype=np.float64))
    if not scores.size:
        raise ValueError("no real item")
    allowed = int(np.floor(fpr * scores.size + 1e-9))
    if allowed >= scores.size:
        return float(scores[0])
    return float(np.nextafter(scores[scores.size - allowed - 1], np.inf))


def tpr_at(real: Values, fake: Values, fpr: float) -> float:
    """The share of `fake` at or above the threshold at which `real` has at most the false-positive rate `fpr`."""
    low, high = _scores(real, fake)
    return float((high >= threshold_at(low, fpr)).mean())


def eer(real: Values, fake: Values) -> float:
    """The equal error rate: where the shares of missed fakes and of false signals meet, between thresholds by line."""
    low, high = _scores(real, fake)
    thresholds = np.append(np.unique(np.concatenate([low, high])), np.inf)
    false = 1 - np.searchsorted(np.sort(low), thresholds, side="left") / low.size
    missed = np.searchsorted(np.sort(high), thresholds, side="left") / high.size
    gap = missed - false  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(missed[before] + share * (missed[after] - missed[before]))


def probability(llr: Values, prior: float = 0.5) -> Array:
    """Posterior probability of “fake” for log10 likelihood ratios at the given prevalence."""
    odds = np.asarray(llr, dtype=np.float64) * np.log(10) + np.log(prior / (1 - prior))
    return np.asarray(special.expit(odds), dtype=np.float64)


def ece(probabilities: Values, labels: Values, bins: int = BINS) -> float:
    """Expected calibration error over bins of equal mass: mean |share of fakes - mean probability|, 0…1.

    probabilities: of “fake” (`probability` of the LLRs at the prior of the labels). labels: 1 fake, 0 real.
    """
    told, true = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if not told.size:
        raise ValueError("no item")
    order = np.argsort(told, kind="stable")
    parts = np.array_split(order, min(bins, told.size))
    return float(sum(abs(told[part].mean() - true[part].mean()) * part.size for part in parts) / told.size)


def cllr(real_llr: Values, fake_llr: Values) -> float:
    """The cost of log likelihood ratios in bits: 0 perfect, 1 = no better than saying nothing, above 1 misleading.

    Brümmer & du Preez, “Application-independent evaluation of speaker detection”, CSL 20 (2006), eq. 7.
    """
    low, high = _scores(real_llr, fake_llr)
    reals = np.logaddexp(0, low * np.log(10)).mean()
    fakes = np.logaddexp(0, -high * np.log(10)).mean()
    return float((reals + fakes) / (2 * np.log(2)))


def cllr_min(real: Values, fake: Values) -> float:
    """Cllr after the best possible monotone calibration of these very scores (pool adjacent violators): what is left is
    discrimination; `cllr` / `cllr_min` is the loss by calibration.
    """
    low, high = _scores(real, fake)
    values, place = np.unique(np.concatenate([low, high]), return_inverse=True)
    reals = np.bincount(place[: low.size], minlength=values.size).astype(np.float64)
    fakes = np.bincount(place[low.size :], minlength=values.size).astype(np.float64)
    share = _pooled(fakes, reals + fakes)
    with np.errstate(divide="ignore"):  # a share of 0 or 1 is certain, and nobody of the other class is there to pay
        odds = np.log(share) - np.log1p(-share) - np.log(high.size / low.size)
    cost_real = (reals[reals > 0] * np.logaddexp(0, odds[reals > 0])).sum() / low.size
    cost_fake = (fakes[fakes > 0] * np.logaddexp(0, -odds[fakes > 0])).sum() / high.size
    return float((cost_real + cost_fake) / (2 * np.log(2)))


def _pooled(hits: Array, counts: Array) -> Array:
    """Isotonic (rising) shares hits / counts by pooling adjacent violators."""
    blocks: list[tuple[float, float, int]] = []
    for hit, count in zip(hits, counts, strict=True):
        block = (float(hit), float(count), 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    return np.concatenate([np.full(width, hit / count) for hit, count, width in blocks])


def rate_interval(k: int, n: int) -> tuple[float, float]:
    """The exact 95 % interval of a rate seen k times in n (Clopper & Pearson 1934); (0, 1) for n = 0."""
    edge = (1 - LEVEL) / 2
    low = float(special.betaincinv(k, n - k + 1, edge)) if k else 0.0
    high = float(special.betaincinv(k + 1, n - k, 1 - edge)) if k < n else 1.0
    return low, high


def _scores(real: Values, fake: Values) -> tuple[Array, Array]:
    low, high = np.asarray(real, dtype=np.float64).ravel(), np.asarray(fake, dtype=np.float64).ravel()
    if not low.size or not high.size:
        raise ValueError("both classes need an item")
    return low, high


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979): step-down Bonferroni, monotone, at most 1; in the order given."""
    order = sorted(range(len(p)), key=lambda one: p[one])
    adjusted, highest = [0.0] * len(p), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = highest
    return adjusted
