"""Findings on one question, said as one answer. Never across questions, and never with what a file declares about
itself.

Likelihood ratios of detectors that look at the same file are not independent. How they go together was not measured,
so they are fused as if they were the same: their mean, never their sum (with a measured mean correlation r of k
detectors the sum is divided by 1 + (k - 1) r, of which the mean is the case r = 1). Uncalibrated findings and
experimental detectors do not take part: they are advice for people.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from detection.detectors import Answer, Question, Standing
from detection.reasons import Reason

if TYPE_CHECKING:
    from detection.models import Run


@dataclass(frozen=True)
class Weight:
    """One detector's calibrated answer to one question. llr: log10 likelihood ratio, None with CANT_SAY."""

    question: Question
    detector: str
    answer: Answer
    llr: float | None
    interval: tuple[float, float] | None = None
    reason: str = ""


@dataclass(frozen=True)
class Fused:
    """What the detectors together answer to one question."""

    question: Question
    answer: Answer
    llr: float | None
    interval: tuple[float, float] | None
    reason: str
    detectors: tuple[str, ...]


def fuse(weights: Sequence[Weight], correlation: float = 1.0) -> Fused:
    """weights: one or more, of one question. correlation: mean correlation of their log likelihood ratios, 0…1.

    Where one says “signals” and another “no signals”, the answer is “can't say”. Raises ValueError for weights of
    several questions or of none.
    """
    questions = {weight.question for weight in weights}
    if len(questions) != 1:
        raise ValueError("findings are fused on one question only")
    question, names = questions.pop(), tuple(sorted({weight.detector for weight in weights}))
    said = [weight for weight in weights if weight.answer is not Answer.CANT_SAY and weight.llr is not None]
    if not said:
        reason = next((weight.reason for weight in weights if weight.reason), Reason.UNDECIDED.value)
        return Fused(question, Answer.CANT_SAY, None, None, reason, names)
    answers = {weight.answer for weight in said}
    if len(answers) > 1:
        return Fused(question, Answer.CANT_SAY, None, None, Reason.DISAGREE.value, names)
    share = 1 + (len(said) - 1) * correlation
    llr = sum(weight.llr or 0.0 for weight in said) / share
    edges = [weight.interval or (weight.llr or 0.0, weight.llr or 0.0) for weight in said]
    interval = sum(low for low, _ in edges) / share, sum(high for _, high in edges) / share
    return Fused(question, answers.pop(), llr, interval, "", names)


def by_question(weights: Iterable[Weight]) -> list[Fused]:
    """One answer for each question that a calibrated detector was asked, in the order of `Question`."""
    asked: dict[Question, list[Weight]] = {}
    for weight in weights:
        asked.setdefault(weight.question, []).append(weight)
    return [fuse(asked[question]) for question in Question if question in asked]


def leading(answers: Sequence[Fused]) -> Fused | None:
    """The answer that stands for the file where one line must do: signals before no signals before can't say, and among
    them the largest likelihood ratio. None without any. It is one of the answers, not a mixture.
    """
    order = {Answer.SIGNALS: 2, Answer.NO_SIGNALS: 1, Answer.CANT_SAY: 0}
    return max(answers, key=lambda one: (order[one.answer], one.llr or 0.0), default=None)


def public_answer(told: Iterable[str]) -> Answer:
    """Of several readings of one detector: “signals” if any says so, “no signals” only if one does and none else."""
    answers = set(told)
    if Answer.SIGNALS in answers:
        return Answer.SIGNALS
    return Answer.NO_SIGNALS if Answer.NO_SIGNALS in answers else Answer.CANT_SAY


def weights(runs: Iterable["Run"]) -> list[Weight]:
    """What the calibrated findings of these runs weigh, experimental detectors left out."""
    return [
        weight_of(run.question, run.detector, one.answer, one.llr, (one.low, one.high), one.reason)
        for run in runs
        if run.question and run.standing == Standing.SHIPPED
        for one in run.findings.all()
        if one.calibrated and one.answer
    ]


def weight_of(question: str, detector: str, answer: str, llr: str, interval: Sequence[str], reason: str) -> Weight:
    """From the texts of a reading or a finding."""
    edges = (float(interval[0]), float(interval[1])) if len(interval) == 2 and all(interval) else None
    return Weight(Question(question), detector, Answer(answer), float(llr) if llr else None, edges, reason)
