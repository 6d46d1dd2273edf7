"""From logits to likelihood ratios: honest about their size, their certainty and what they were measured on."""

import json
from pathlib import Path

import numpy as np
import pytest

from core.problems import Problem
from detection import calibration, metrics
from detection.calibration import Calibration, Domain, Rate
from detection.detectors import Answer


def examples(
    *, shift: float = 0.0, reals: int = 300, fakes: int = 100, seed: int = 5
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Logits of two normal classes, whose true ln LR is 2 x - 2; the fifth real source lies `shift` higher."""
    random = np.random.default_rng(seed)
    real, fake = random.normal(0, 1, reals), random.normal(2, 1, fakes)
    sources = [f"camera {i % 5}" for i in range(reals)] + [f"generator {i % 4}" for i in range(fakes)]
    real[4::5] += shift
    return np.concatenate([real, fake]), np.repeat([0, 1], [reals, fakes]), sources


def test_the_true_likelihood_ratio_is_found_whatever_the_shares_of_the_classes() -> None:
    made = calibration.fit(*examples(reals=2000, fakes=200))
    for logit in (-1.0, 1.0, 2.0):
        assert made.raw(logit) * np.log(10) == pytest.approx(2 * logit - 2, abs=0.5)
    told = np.asarray([made.llr(x)[0] for x in examples(seed=6)[0]])
    assert metrics.cllr(told[:300], told[300:]) < 1.15 * metrics.cllr_min(told[:300], told[300:])


def test_no_ratio_is_larger_than_the_number_of_items_supports() -> None:
    made = calibration.fit(*examples(fakes=100))
    llr, low, high = made.llr(50.0)
    assert llr == high == pytest.approx(np.log10(101)) and low <= llr
    assert made.raw(50.0) > llr


def test_a_source_that_behaves_otherwise_widens_the_interval_and_raises_the_threshold() -> None:
    calm, shifted = calibration.fit(*examples()), calibration.fit(*examples(shift=1.5))
    widths = [made.llr(2.0)[2] - made.llr(2.0)[1] for made in (calm, shifted)]
    assert widths[1] > widths[0] > 0
    assert shifted.threshold > calm.threshold >= calibration.NO_HELP


def test_the_public_threshold_keeps_false_signals_at_two_per_cent_of_every_source() -> None:
    logits, labels, sources = examples(shift=1.0, reals=1000)
    made = calibration.fit(logits, labels, sources)
    for name in {source for source in sources if source.startswith("camera")}:
        of_source = [x for x, source in zip(logits, sources, strict=True) if source == name]
        assert np.mean([made.answer(x) is Answer.SIGNALS for x in of_source]) <= 0.025


def test_scores_that_tell_nothing_or_the_opposite_give_no_evidence() -> None:
    logits, labels, sources = examples()
    made = calibration.fit(-logits, labels, sources)
    assert made.llr(3.0)[0] == 0
    assert {made.answer(logit) for logit in (-9.0, 0.0, 9.0)} == {Answer.CANT_SAY}


def test_below_the_threshold_no_signals_are_found_even_where_it_leans_that_way() -> None:
    made = calibration.fit(*examples())
    zero = -made.intercept / made.slope
    assert made.answer(zero - 0.1) is made.answer(zero + 0.1) is Answer.NO_SIGNALS
    assert 0 < made.raw(zero + 0.1) < made.threshold
    assert made.answer(9.0) is Answer.SIGNALS


@pytest.mark.parametrize("sources", [["one"] * 4, ["a", "a", "b", "b"]])
def test_what_cannot_be_held_out_cannot_be_calibrated(sources: list[str]) -> None:
    with pytest.raises(ValueError, match="calibration needs two"):
        calibration.fit([0.0, 1.0, 2.0, 3.0], [0, 0, 1, 1], sources)


def test_a_written_calibration_is_read_back_the_same_and_names_itself(tmp_path: Path) -> None:
    made = calibration.fit(*examples(), domain=Domain(min_side=64, mean=(0.0, 1.0), scale=(1.0, 2.0), limit=3.0))
    made = made.with_error_rates([Rate("as_is", "camera 1", 60, 0, 0.01, None, (0.0, 0.09), None, 0.2)])
    made.write(tmp_path / "calibration.json")
    again = Calibration.read(tmp_path / "calibration.json")
    assert again == made and again.llr(1.0) == made.llr(1.0) and again.rates() == made.error_rates
    assert made.with_domain(Domain()).id != made.id


@pytest.mark.parametrize("change", [{"slope": 9.0}, {"threshold": 0.0}, {"id": "cal-000000000000"}, {"more": 1}])
def test_a_changed_calibration_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    calibration.fit(*examples()).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(Problem) as refused:
        Calibration.read(path)
    assert refused.value.code == "detection.calibration_refused"


def test_features_far_from_those_it_was_made_with_are_out_of_domain() -> None:
    domain = Domain(mean=(0.0, 10.0), scale=(1.0, 5.0), limit=3.0)
    assert domain.distance([0.5, 12.0]) < 1 < domain.limit < domain.distance([9.0, 10.0])


def test_a_calibration_that_is_missing_and_one_that_is_damaged_are_two_things(tmp_path: Path) -> None:
    assert Calibration.beside(tmp_path) is None
    calibration.fit(*examples()).write(tmp_path / "frames.calibration.json")
    assert Calibration.beside(tmp_path, "frames.calibration.json") is not None
    (tmp_path / "frames.calibration.json").write_text("{")
    with pytest.raises(Problem):
        Calibration.beside(tmp_path, "frames.calibration.json")
