"""How strengths are said. One place, so that no page or answer says more than the detectors know."""

from detection.detectors import Strength

UNCALIBRATED = "uncalibrated"

# Never a percentage, never “fake”: a word for the signal, and beside it that nobody has measured how often it is wrong.
_WORDS = {
    Strength.NONE: "No signal found",
    Strength.WEAK: "Weak signal",
    Strength.MODERATE: "Moderate signal",
    Strength.STRONG: "Strong signal",
}


def strength_words(strength: str, *, calibrated: bool = False) -> str:
    """“Weak signal (uncalibrated)”."""
    words = _WORDS[Strength(strength)]
    return words if calibrated else f"{words} ({UNCALIBRATED})"


UNCALIBRATED_NOTE = (
    "Uncalibrated: nobody has measured yet how often this detector is wrong on files like this one. "
    "It advises; a person decides."
)
