"""Logistic regression in which neither class nor publisher counts more for having more pictures."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import optimize, special

from detection.evaluation.suite import Item

Array = npt.NDArray[np.float64]


def fit(rows: Array, labels: Array, share: Array, strength: float) -> tuple[Array, float]:
    """weight, (width,), and bias; on standardised features, told for the features as they are.

    rows: (n, width), labels: (n,), 0 or 1; share: what each weighs, together 1; strength: of the penalty on weights.
    """
    mean, spread = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    x = (rows - mean) / spread

    def cost(theta: Array) -> tuple[float, Array]:
        logit = x @ theta[:-1] + theta[-1]
        value = float(share @ (np.logaddexp(0, logit) - labels * logit)) + strength / 2 * float(theta[:-1] @ theta[:-1])
        slope = share * (special.expit(logit) - labels)
        return value, np.append(x.T @ slope + strength * theta[:-1], slope.sum())

    theta = optimize.minimize(cost, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    weight = theta[:-1] / spread
    return weight, float(theta[-1] - mean @ weight)


def shares(items: Sequence[Item]) -> Array:
    """What each item weighs: those of either class one half together, and within one each generator or source by the
    root of its size, so that no publisher's taste becomes the rule.
    """
    names = [(item.synthetic, item.generator or item.source) for item in items]
    count = {name: names.count(name) for name in set(names)}
    share = np.asarray([count[name] ** -0.5 for name in names])
    for synthetic in (False, True):
        chosen = np.asarray([name[0] is synthetic for name in names])
        share[chosen] /= 2 * share[chosen].sum()
    return share
