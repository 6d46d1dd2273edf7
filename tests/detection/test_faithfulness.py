"""A map that points where the score comes from passes; a random one, and one that points elsewhere, do not."""

import numpy as np
import pytest

from detection.evaluation import faithfulness
from detection.evaluation.faithfulness import Pair


def pairs(count: int = 6) -> list[Pair]:
    """Photographs of noise, each with one brighter square that was not there before."""
    rng, made = np.random.default_rng(3), []
    for _ in range(count):
        original = rng.integers(60, 120, (64, 64, 3)).astype(np.uint8)
        altered, mask = original.copy(), np.zeros((64, 64), bool)
        top, left = rng.integers(0, 5, 2) * 8
        mask[top : top + 24, left : left + 24] = True
        altered[mask] += 100
        made.append(Pair(altered, original, mask))
    return made


def brightness(rgb: np.ndarray) -> float:
    return float(rgb.mean() - 95) / 2


def where_it_is_bright(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(rgb.mean(axis=2), dtype=np.float32)


def test_a_true_map_beats_a_shuffled_one_by_both_measures() -> None:
    found = faithfulness.measured(brightness, where_it_is_bright, pairs())
    assert found.beats_random
    assert found.deletion_gain[0] > 1.25 and found.insertion_gain[0] > 1.25
    assert found.pointing == 1.0 and found.pointing_by_chance == pytest.approx(9 / 64)
    assert found.pairs == 6 and found.left_out == 0


def test_a_random_map_does_not() -> None:
    rng = np.random.default_rng(0)
    found = faithfulness.measured(brightness, lambda rgb: rng.random((8, 8)).astype(np.float32), pairs(12))
    assert not found.beats_random
    assert 0.7 < found.deletion_gain[0] < 1.4


def test_a_map_that_points_away_is_worse_than_random() -> None:
    found = faithfulness.measured(brightness, lambda rgb: -where_it_is_bright(rgb), pairs())
    assert found.deletion_gain[2] < 1 and found.insertion_gain[2] < 1
    assert found.pointing == 0.0


def test_pairs_between_which_the_detector_sees_no_difference_are_counted_not_used() -> None:
    same = np.full((64, 64, 3), 90, np.uint8)
    found = faithfulness.measured(brightness, where_it_is_bright, [Pair(same, same), *pairs(2)])
    assert (found.pairs, found.left_out) == (2, 1)
    with pytest.raises(ValueError, match="in no pair"):
        faithfulness.measured(brightness, where_it_is_bright, [Pair(same, same)])


def test_the_same_pairs_and_seed_give_the_same_figures() -> None:
    one, other = (faithfulness.measured(brightness, where_it_is_bright, pairs(3), seed=4) for _ in range(2))
    assert one.as_dict() == other.as_dict()


def test_a_picture_and_an_original_of_another_size_are_no_pair() -> None:
    with pytest.raises(ValueError, match="one size"):
        Pair(np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8))
