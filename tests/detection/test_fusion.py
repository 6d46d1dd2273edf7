"""Findings on one question become one answer; findings on two never meet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection import fusion
from detection.detectors import Answer, Question
from detection.fusion import Weight
from detection.reasons import Reason


def weight(llr: float | None, question: Question = Question.SYNTHETIC, detector: str = "one") -> Weight:
    if llr is None:
        return Weight(question, detector, Answer.CANT_SAY, None, reason=Reason.FLIPS.value)
    return Weight(question, detector, Answer.SIGNALS if llr > 0 else Answer.NO_SIGNALS, llr, (llr - 0.5, llr + 0.5))


def test_questions_are_never_mixed() -> None:
    both = [weight(2.0), weight(-1.0, Question.FACE)]
    answers = fusion.by_question(both)
    assert [(one.question, one.llr) for one in answers] == [(Question.SYNTHETIC, 2.0), (Question.FACE, -1.0)]
    with pytest.raises(ValueError, match="one question"):
        fusion.fuse(both)


@given(st.lists(st.floats(0.1, 4), min_size=1, max_size=5), st.floats(0, 1))
def test_agreement_never_weighs_more_than_independence_or_less_than_the_mean(llrs: list[float], r: float) -> None:
    fused = fusion.fuse([weight(llr) for llr in llrs], correlation=r)
    assert fused.llr is not None and fused.answer is Answer.SIGNALS
    assert sum(llrs) / len(llrs) - 1e-9 <= fused.llr <= sum(llrs) + 1e-9


def test_without_a_measured_correlation_two_detectors_are_taken_for_one() -> None:
    fused = fusion.fuse([weight(1.0), weight(3.0, detector="two")])
    assert (fused.llr, fused.interval, fused.detectors) == (2.0, (1.5, 2.5), ("one", "two"))


def test_who_can_not_say_takes_no_part_and_who_disagrees_silences() -> None:
    assert fusion.fuse([weight(2.0), weight(None)]).llr == 2.0
    silent = fusion.fuse([weight(None)])
    assert (silent.answer, silent.llr, silent.reason) == (Answer.CANT_SAY, None, "flips")
    torn = fusion.fuse([weight(2.0), weight(-2.0)])
    assert (torn.answer, torn.llr, torn.reason) == (Answer.CANT_SAY, None, "disagree")


def test_one_line_a_file_is_one_of_its_answers() -> None:
    answers = fusion.by_question([weight(-0.4), weight(1.2, Question.FACE), weight(None, Question.EDITED)])
    leading = fusion.leading(answers)
    assert leading in answers and leading is not None and leading.question is Question.FACE
    assert fusion.leading([]) is None
