"""Metrics against their definitions, on every small case that can be thought of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detection import metrics

SCORES = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


@given(SCORES, SCORES)
def test_auc_is_the_share_of_pairs_in_the_right_order(real: list[int], fake: list[int]) -> None:
    pairs = [(high > low) + (high == low) / 2 for low in real for high in fake]
    assert metrics.auc(real, fake) == pytest.approx(np.mean(pairs))


@given(SCORES, st.integers(0, 100))
def test_no_lower_threshold_keeps_false_signals_as_rare(real: list[int], per_cent: int) -> None:
    threshold = metrics.threshold_at(real, per_cent / 100)
    assert np.mean(np.asarray(real) >= threshold) <= per_cent / 100
    lower = [score for score in real if score < threshold]
    assert not lower or np.mean(np.asarray(real) >= max(lower)) > per_cent / 100


@given(SCORES, SCORES)
def test_the_best_calibration_never_costs_more_than_silence_or_than_any_other(real: list[int], fake: list[int]) -> None:
    best = metrics.cllr_min(real, fake)
    assert 0 <= best <= 1 + 1e-9
    for slope in (0.0, 0.3, 2.0):
        assert best <= metrics.cllr(np.asarray(real) * slope, np.asarray(fake) * slope) + 1e-9


@given(SCORES, SCORES)
def test_the_equal_error_rate_lies_between_nothing_and_everything_wrong(real: list[int], fake: list[int]) -> None:
    assert 0 <= metrics.eer(real, fake) <= 1
    assert metrics.eer([0, 1], [2, 3]) == 0 and metrics.eer([2, 3], [0, 1]) == 1 and metrics.eer([0], [0]) == 0.5


def test_silence_costs_one_bit_and_certainty_on_the_right_side_nothing() -> None:
    assert metrics.cllr([0, 0], [0]) == pytest.approx(1)
    assert metrics.cllr([-9, -9], [9]) < 1e-6
    assert metrics.cllr([2], [-2]) > 1


def test_clopper_pearson_is_the_interval_of_the_books() -> None:
    for k, n in ((0, 10), (1, 100), (3, 300), (10, 10)):
        exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
        assert metrics.rate_interval(k, n) == pytest.approx((exact.low, exact.high))
    assert metrics.rate_interval(0, 0) == (0, 1)


def test_the_interval_of_an_auc_holds_it_and_widens_where_scores_hang_together() -> None:
    random = np.random.default_rng(3)
    real, fake = random.normal(0, 1, (20, 10)), random.normal(1, 1, (20, 10))
    real, fake = real + random.normal(0, 1, (20, 1)), fake + random.normal(0, 1, (20, 1))
    groups = [group for group in range(20) for _ in range(10)]
    alone = metrics.auc_interval(real.ravel(), fake.ravel(), seed=1)
    grouped = metrics.auc_interval(real.ravel(), fake.ravel(), seed=1, groups=(groups, groups))
    assert alone[0] < metrics.auc(real.ravel(), fake.ravel()) < alone[1]
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])
    assert metrics.auc_interval(real.ravel(), fake.ravel(), seed=1) == alone


def test_calibration_error_is_nought_for_honest_and_large_for_bold_probabilities() -> None:
    random = np.random.default_rng(4)
    told = random.random(4000)
    labels = random.random(4000) < told
    assert metrics.ece(told, labels) < 0.03
    assert metrics.ece((told > 0.5).astype(float), labels) > 0.2


def test_a_class_without_items_is_refused() -> None:
    for measure in (metrics.auc, metrics.cllr, metrics.cllr_min, metrics.eer):
        with pytest.raises(ValueError, match="both classes"):
            measure([], [1.0])


def test_holms_correction_is_the_textbooks() -> None:
    given = [0.01, 0.04, 0.03, 0.005]
    assert metrics.holm(given) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert metrics.holm([]) == [] and metrics.holm([0.9, 0.9]) == [1.0, 1.0]
    # With independent tests Bonferroni is never smaller.
    assert all(h <= b for h, b in zip(metrics.holm(given), [min(1, 4 * p) for p in given], strict=True))
