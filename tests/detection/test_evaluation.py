"""The harness: what is left out is left out, and the figures are those of the scores."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from core.problems import Problem
from detection.detectors import Answer
from detection.evaluation import harness, tables
from detection.evaluation.conditions import CONDITIONS
from detection.evaluation.harness import Scored
from detection.evaluation.suite import Item, thinned
from detection.training.splits import Split, group_of, in_folds, leave_one_generator_out, leave_one_source_out

Splits = Callable[[list[Item]], Iterator[Split]]
PUBLISHERS, GENERATORS = ("alice", "bob", "dana"), ("mallory", "oracle")


def _items() -> list[Item]:
    reals = [Item(Path(f"{who}-{i}.jpg"), False, who, "", f"{who}/{i}") for who in PUBLISHERS for i in range(12)]
    made = [Item(Path(f"{who}-{i}.png"), True, "web", who, f"alice/{i}") for who in GENERATORS for i in range(8)]
    return reals + made


class Halves:
    """A calibration that calls everything above zero signals."""

    def llr(self, logit: float) -> tuple[float, float, float]:
        return logit, logit - 1, logit + 1

    def answer(self, logit: float) -> Answer:
        return Answer.SIGNALS if logit > 0 else Answer.NO_SIGNALS


def test_what_is_synthetic_names_its_generator_and_nothing_else_does() -> None:
    with pytest.raises(ValueError, match="names its generator"):
        Item(Path("a.png"), True, "web")
    with pytest.raises(ValueError, match="names its generator"):
        Item(Path("a.png"), False, "web", "mallory")


@pytest.mark.parametrize("splits", [leave_one_generator_out, leave_one_source_out])
def test_no_picture_and_no_twin_of_it_is_on_both_sides_of_a_split(splits: Splits) -> None:
    items = _items()
    for split in splits(items):
        groups = {group_of(items[i]) for i in split.test}
        assert split.test
        assert not groups & {group_of(items[i]) for i in split.train}


def test_a_generator_that_is_left_out_is_nowhere_in_the_training() -> None:
    items = _items()
    splits = list(leave_one_generator_out(items))
    assert [split.held_out for split in splits] == list(GENERATORS)
    for split in splits:
        assert split.held_out not in {items[i].generator for i in split.train}
        assert sum(items[i].generator == split.held_out for i in split.test) == 8
        assert any(not items[i].synthetic for i in split.test)


def test_reals_that_name_no_group_are_still_trained_on_when_a_generator_is_left_out() -> None:
    items = [Item(item.path, item.synthetic, item.source, item.generator) for item in _items()]
    for split in leave_one_generator_out(items):
        assert any(not items[i].synthetic for i in split.train)
        assert any(not items[i].synthetic for i in split.test)


def test_a_publisher_that_is_left_out_is_nowhere_in_the_training() -> None:
    items = _items()
    for split in leave_one_source_out(items):
        assert split.held_out not in {items[i].source for i in split.train}
        assert {items[i].source for i in split.test} == {split.held_out}


def test_in_folds_every_picture_is_tested_once_and_twins_together() -> None:
    items = _items()
    splits = list(in_folds(items, 3, seed=1))
    assert sorted(i for split in splits for i in split.test) == list(range(len(items)))
    for split in splits:
        assert not {group_of(items[i]) for i in split.test} & {group_of(items[i]) for i in split.train}


def test_thinning_takes_the_same_few_of_each_cell_every_time() -> None:
    few = thinned(_items(), 3, seed=2)
    assert few == thinned(list(reversed(_items()))[::-1], 3, seed=2)
    assert sum(item.source == "bob" for item in few) == 3
    assert sum(item.generator == "oracle" for item in few) == 3


def test_every_condition_gives_a_picture_back_and_is_the_same_each_time() -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (200, 300, 3)).astype(np.uint8)
    for name, happens in CONDITIONS.items():
        first = happens(rgb)
        assert first.dtype == np.uint8, name
        assert first.shape[2:] == (3,), name
        assert np.array_equal(first, happens(rgb)), name
    assert not np.array_equal(CONDITIONS["jpeg_70"](rgb), rgb)


def test_a_picture_that_cannot_be_read_or_scored_counts_as_no_score() -> None:
    def load(item: Item) -> float:
        if item.path.name == "alice-0.jpg":
            raise Problem("detection.unreadable", "damaged")
        return 1.0

    def score(value: float) -> float:
        if value > 1:
            raise Problem("detection.too_small", "small")
        return value

    conditions = {"as_is": lambda value: value, "twice": lambda value: 2 * value}
    scored = harness.run(_items()[:2], load=load, score=score, conditions=conditions)
    assert [(one.condition, np.isnan(one.score)) for one in scored] == [
        ("as_is", True), ("twice", True), ("as_is", False), ("twice", True),
    ]  # fmt: skip
    assert len(harness.of(scored)) == 1


def _scored(shift: float) -> list[Scored]:
    rng = np.random.default_rng(4)
    return [Scored(item, "as_is", float(rng.normal(shift if item.synthetic else -shift, 1))) for item in _items()]


def test_a_row_holds_one_generator_against_all_reals_with_an_interval_around_its_figure() -> None:
    rows = tables.per_generator(_scored(1.0), Halves())
    assert [(row["held_out"], row["n_real"], row["n_fake"]) for row in rows] == [("mallory", 36, 8), ("oracle", 36, 8)]
    for row in rows:
        value, low, high = row["auc"]
        assert low <= value <= high
        assert 0 <= row["fpr"][1] <= row["fpr"][0] <= row["fpr"][2] <= 1


def test_scores_that_know_nothing_have_an_area_of_about_one_half() -> None:
    rows = tables.per_source(_scored(0.0), Halves())
    assert [row["held_out"] for row in rows] == list(PUBLISHERS)
    assert all(row["auc"][1] < 0.6 and row["auc"][2] > 0.4 for row in rows)


def test_only_reals_scored_by_the_same_head_stand_against_a_generator() -> None:
    scored = [Scored(one.item, one.condition, one.score, "mallory") for one in _scored(1.0) if not one.item.synthetic]
    scored += [
        Scored(one.item, one.condition, one.score, one.item.generator) for one in _scored(1.0) if one.item.synthetic
    ]
    rows = {row["held_out"]: row for row in tables.per_generator(scored, None)}
    assert rows["mallory"]["n_real"] == 36
    assert (rows["oracle"]["n_real"], rows["oracle"]["auc"]) == (0, None)


def test_the_written_file_is_what_a_card_shows(tmp_path: Path) -> None:
    rows = tables.per_generator(_scored(1.0), Halves())
    peers = tables.peer_rows("other", "1.0", _scored(0.2))
    tables.write(tmp_path, command="manage.py evaluate x", seed=5, rows=rows, data=[], peers=peers, calibration="cal-1")
    told = json.loads((tmp_path / "evaluation.json").read_text())
    assert {one["held_out"] for one in told["peers"]} == {*PUBLISHERS, *GENERATORS}
    assert not any("pooled" in row["split"] for row in told["rows"])
