"""What happens in a round of federated training. Pure NumPy, no clock, no chance: the same answers give the same model.

The head is a logistic regression on standardised features: p = sigmoid(w·x + b), model = (w, b), float64, (d + 1,). An
institution starts from the shared model, minimises its own loss plus a proximal term (FedProx: Li et al., MLSys 2020)
by Newton's method, and hands in the difference, clipped to an L2 norm (McMahan et al., ICLR 2018). The coordinator
refuses what is not finite, of another shape, longer than agreed, or raises the loss on the reference set by more than
the gate; from the rest it takes, for each parameter, the mean without the `tolerated` largest and smallest (Yin et al.,
ICML 2018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from detection.federation.plan import Plan, Training

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]
FURTHEST = 6.0  # standard deviations; what is further away counts as that far
_NEWTON_STEPS = 25
_SLACK = 1e-9  # relative; a norm that is above the bound only by rounding


class Outcome(StrEnum):
    COUNTED = "counted"
    REFUSED = "refused"
    MISSING = "missing"
    HIDDEN = "hidden"  # in the sum, which is all that the coordinator saw


@dataclass(frozen=True)
class Examples:
    """features: standardised, with a last column of ones, (n, d + 1). labels: 1 made by machine, 0 real, (n,)."""

    features: Matrix
    labels: Vector

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Verdict:
    """On one contribution. reason: slug, "" if it counted. norm: L2, of what was handed in."""

    participant: str
    outcome: Outcome
    reason: str = ""
    norm: float = 0.0


@dataclass(frozen=True)
class Round:
    """model: after the round. void: too few contributions were left, the model is as before."""

    model: Vector
    verdicts: tuple[Verdict, ...]
    void: bool


def blank(plan: Plan) -> Vector:
    """The model before the first round: knows nothing."""
    return np.zeros(plan.size)


def examples(features: npt.ArrayLike, labels: npt.ArrayLike, plan: Plan) -> Examples:
    """features: (n, d), as `features` computes them."""
    raw = np.asarray(features, dtype=np.float64)
    away = ((raw - np.asarray(plan.mean)) / np.asarray(plan.scale)).clip(-FURTHEST, FURTHEST)
    return Examples(np.hstack([away, np.ones((len(raw), 1))]), np.asarray(labels, dtype=np.float64))


def logits(model: Vector, given: Examples) -> Vector:
    return np.asarray(given.features @ model)


def loss(model: Vector, given: Examples) -> float:
    """Mean cross entropy in nats, each class weighted by one half."""
    told = logits(model, given)
    return float((_weights(given.labels) * (np.logaddexp(0, told) - given.labels * told)).sum())


def update(model: Vector, given: Examples, training: Training) -> Vector:
    """What one institution hands in: (d + 1,), of norm `clip` at most. Raises ValueError without both classes."""
    if not 0 < given.labels.sum() < len(given):
        raise ValueError("an institution needs items of both classes")
    return clipped(_minimised(model, given, training.decay, training.pull) - model, training.clip)


def central(given: Examples, training: Training, size: int) -> Vector:
    """The head that would be trained if all material were in one place: no clipping, no proximal term."""
    return _minimised(np.zeros(size), given, training.decay, 0.0)


def length(vector: Vector) -> float:
    """L2 norm; infinite, without a complaint, for what is too long to be squared."""
    largest = float(np.abs(vector).max(initial=0.0))
    return largest * float(np.linalg.norm(vector / largest)) if largest else 0.0


def clipped(vector: Vector, bound: float) -> Vector:
    norm = length(vector)
    return vector if norm <= bound else vector * (bound / norm)


def play(
    model: Vector,
    answers: Mapping[str, Vector],
    reference: Examples,
    plan: Plan,
    refused_before: Mapping[str, str] | None = None,
) -> Round:
    """One round with robust aggregation. answers: by participant; those of the plan that are not in it are missing.
    reference: the coordinator's own examples, from no institution. refused_before: reasons, by participant, of answers
    that were refused before anybody looked at their numbers.
    """
    training, before = plan.training, refused_before or {}
    verdicts = tuple(
        Verdict(one.name, Outcome.REFUSED, before[one.name])
        if one.name in before and one.name not in answers
        else _judged(one.name, answers.get(one.name), model, reference, training)
        for one in plan.participants
    )
    taken = [answers[one.participant] for one in verdicts if one.outcome is Outcome.COUNTED]
    refused = sum(one.outcome is Outcome.REFUSED for one in verdicts)
    answered = len(taken) + refused
    # Who was refused is one of those whose hostility the plan tolerates.
    moved = combined(taken, max(0, training.tolerated - refused)) if answered >= training.quorum else None
    if moved is None:
        return Round(model, verdicts, void=True)
    return Round(model + moved, verdicts, void=False)


def worsens(model: Vector, moved: Vector, reference: Examples, training: Training) -> bool:
    """Whether `model + moved` is worse on the reference set than the gate allows."""
    return loss(model + moved, reference) > loss(model, reference) + training.gate


def combined(updates: Sequence[Vector], tolerated: int) -> Vector | None:
    """The mean, for each parameter, without the `tolerated` largest and smallest; None where honest ones could be in
    the minority (fewer than 2 x tolerated + 1). With tolerated = 0 the plain mean, which one hostile institution can
    move anywhere within the clip.
    """
    if len(updates) < 2 * tolerated + 1:
        return None
    ordered = np.sort(np.stack(updates), axis=0)
    return np.asarray(ordered[tolerated : len(updates) - tolerated].mean(axis=0))


def as_bytes(vector: Vector) -> bytes:
    """Little-endian float64: what digests are computed over."""
    return np.ascontiguousarray(vector, dtype="<f8").tobytes()


def from_bytes(data: bytes) -> Vector:
    """Raises ValueError for a length that is no multiple of 8."""
    return np.frombuffer(data, dtype="<f8").astype(np.float64)


def _judged(name: str, answer: Vector | None, model: Vector, reference: Examples, training: Training) -> Verdict:
    if answer is None:
        return Verdict(name, Outcome.MISSING, "no_answer")
    if answer.shape != model.shape:
        return Verdict(name, Outcome.REFUSED, "wrong_shape")
    if not np.isfinite(answer).all():
        return Verdict(name, Outcome.REFUSED, "not_finite")
    norm = length(answer)
    if norm > training.clip * (1 + _SLACK):  # who runs the agreed code clips it themselves
        return Verdict(name, Outcome.REFUSED, "too_long", norm)
    if worsens(model, answer, reference, training):
        return Verdict(name, Outcome.REFUSED, "worse_on_reference", norm)
    return Verdict(name, Outcome.COUNTED, "", norm)


def _weights(labels: Vector) -> Vector:
    made = max(float(labels.sum()), 1.0)
    real = max(float((1 - labels).sum()), 1.0)
    return np.asarray(np.where(labels > 0.5, 0.5 / made, 0.5 / real))


def _minimised(start: Vector, given: Examples, decay: float, pull: float) -> Vector:
    """argmin of loss + decay/2 |w|² + pull/2 |model - start|²; the last parameter, the bias, does not decay."""
    ridge = np.full(start.size, decay)
    ridge[-1] = 0.0
    weights, model = _weights(given.labels), start
    for _ in range(_NEWTON_STEPS):
        told = (1 + np.tanh(logits(model, given) / 2)) / 2  # the sigmoid, without overflow
        slope = given.features.T @ (weights * (told - given.labels)) + ridge * model + pull * (model - start)
        curve = (given.features * (weights * told * (1 - told))[:, None]).T @ given.features
        step: Vector = np.linalg.solve(curve + np.diag(ridge + pull + 1e-9), slope).astype(np.float64)
        model = model - clipped(step, 4.0)
        if float(np.abs(step).max()) < 1e-10:
            break
    return model
