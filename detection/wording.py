"""How answers are said. One place, so that no page or answer says more than the detectors know."""

from collections.abc import Mapping, Sequence
from typing import Any

from detection import conditions
from detection.conditions import AS_IS
from detection.detectors import Answer, Question, Strength
from detection.reasons import WHY

UNCALIBRATED = "uncalibrated"

# Never a percentage, never “fake”: a word for the signal, and beside it that nobody has measured how often it is wrong.
_WORDS = {
    Strength.NONE: "No signal found",
    Strength.WEAK: "Weak signal",
    Strength.MODERATE: "Moderate signal",
    Strength.STRONG: "Strong signal",
}
_ANSWERS = {
    Answer.SIGNALS: "Signals found",
    Answer.NO_SIGNALS: "No such signals found",
    Answer.CANT_SAY: "Can’t say",
}
QUESTIONS = {
    Question.DECLARED: "Does the file say that a machine made it?",
    Question.SYNTHETIC: "Was the picture generated as a whole?",
    Question.EDITED: "Was a part of it changed?",
    Question.FACE: "Was a face generated or swapped?",
    Question.VOICE: "Is the voice synthesised or converted?",
    Question.HISTORY: "How was the file saved, resized, re-coded?",
}


def strength_words(strength: str, *, calibrated: bool = False) -> str:
    """“Weak signal (uncalibrated)”."""
    words = _WORDS[Strength(strength)]
    return words if calibrated else f"{words} ({UNCALIBRATED})"


def answer_words(answer: str, *, calibrated: bool = True) -> str:
    """“No such signals found”."""
    words = _ANSWERS[Answer(answer)]
    return words if calibrated or answer == Answer.CANT_SAY else f"{words} ({UNCALIBRATED})"


def why(reason: str) -> str:
    """Why it can’t say, to follow “because”; the slug itself where it has no words."""
    return WHY.get(reason, reason.replace("_", " "))


def question_words(question: str) -> str:
    """“Was a part of it changed?”; "" for none."""
    return QUESTIONS[Question(question)] if question else ""


def error_rate_words(rates: Sequence[Mapping[str, Any]]) -> str:
    """How often the answer “signals” was wrong on files of this kind, from the worst to the best source, and after
    what was done to them; "" if unmeasured.

    rates: as in a finding's details (`weighing.rate_as_dict`). Never pooled.
    """
    false = [float(rate["false_signals"]) for rate in rates if rate.get("false_signals") is not None]
    found = [float(rate["found"]) for rate in rates if rate.get("found") is not None]
    real = sum(int(rate["real"]) for rate in rates if rate.get("false_signals") is not None)
    made = sum(int(rate["looked_for"]) for rate in rates if rate.get("found") is not None)
    said = []
    if false:
        said.append(f"in {_range(false)} of {real:,} real files of {len(false)} sources it found signals all the same")
    if found:
        said.append(f"it found them in {_range(found)} of {made:,} files of {len(found)} generators or ways of editing")
    after = sorted({str(rate.get("condition", AS_IS)) for rate in rates} - {AS_IS})
    of_kind = f", after {' or '.join(conditions.words(one) for one in after)}" if after else ""
    return f"Measured on files it had not seen{of_kind}: {'; '.join(said)}." if said else ""


def _range(shares: Sequence[float]) -> str:
    low, high = (f"{100 * share:.0f}" for share in (min(shares), max(shares)))
    return f"{low} %" if low == high else f"{low} to {high} %"


UNCALIBRATED_NOTE = (
    "Uncalibrated: nobody has measured yet how often this detector is wrong on files like this one. "
    "It advises; a person decides."
)
CALIBRATED_NOTE = (
    "A detector measures a file, not a person. Its error rates were measured on files of sources that it had not seen; "
    "on yours they may be higher. Most are of one look at each file; here it says “signals” only if re-shipped copies "
    "agree, so it finds less and can’t say more often. It advises; a person decides."
)


def note(*, calibrated: bool) -> str:
    """How far to trust what follows, some of which is calibrated, or nothing."""
    return (
        f"{CALIBRATED_NOTE} What is marked “uncalibrated” has no measured error rate."
        if calibrated
        else UNCALIBRATED_NOTE
    )


def ratio_words(llr: str, low: str, high: str) -> str:
    """A likelihood ratio with its interval, in a sentence. Beyond what the calibration files support there is no
    interval, only “or more”. All three: log10, decimal text.
    """
    if low == high:
        more = "or more" if float(llr) > 0 else "or less"
        return f"Likelihood ratio (log10): {llr} {more}; the files it was calibrated on cannot support more."
    return f"Likelihood ratio (log10): {llr}, with 95 % certainty between {low} and {high}."


# --- What a likelihood ratio means at a prevalence that the reader chooses ------------------------------------------

# One in so many files like this one, for the reader to choose from: 0.1, 1, 10, 50 %.
PREVALENCES = ("0.001", "0.01", "0.1", "0.5")
PREVALENCE_WORDS = ("one in a thousand", "one in a hundred", "one in ten", "every other")


_NEARLY_ALL = 0.999999  # no evidence makes a share whole


def posterior(llr: str, prevalence: str) -> float:
    """The share of files with this likelihood ratio that are what was looked for, where `prevalence` of all are. Bayes.

    llr: log10, decimal text. prevalence: a share strictly between 0 and 1, decimal text. Raises ValueError.
    """
    share = float(prevalence)
    if not 0 < share < 1:
        raise ValueError("a prevalence lies between 0 and 1")
    odds = float(10 ** float(llr)) * share / (1 - share)
    return min(odds / (1 + odds), _NEARLY_ALL)


def posterior_words(llr: str, prevalence: str) -> str:
    """In natural frequencies, which people read right more often than percentages (Gigerenzer & Hoffrage 1995)."""
    before, after = float(prevalence), posterior(llr, prevalence)
    return (
        f"If {_of_a_thousand(before)} of 1,000 files like this one were what was looked for, then among 1,000 files "
        f"with this result there would be {_of_a_thousand(after)}."
    )


def _of_a_thousand(share: float) -> str:
    count = round(share * 1000)
    return "fewer than 1" if count == 0 else "more than 999" if count == 1000 else f"{count:,}"
