"""The head of the detector of generated pictures: fitted, left-out, calibrated; on numbers made here."""

from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from detection import criteria, metrics
from detection.evaluation.suite import Item
from detection.training import outside
from detection.training import synthetic_image as training
from detection.training.synthetic_image import Features

PUBLISHERS, GENERATORS = ("alice", "bob", "dana"), ("mallory", "oracle", "sibyl")
EACH, WIDTH = 40, 12


def _features(seed: int = 0) -> Features:
    """Numbers 0 to 3 tell generated pictures, 4 to 6 each one generator, 7 to 9 each one publisher."""
    rng = np.random.default_rng(seed)
    items, rows = [], []
    for synthetic, names, own in ((False, PUBLISHERS, 7), (True, GENERATORS, 4)):
        for at, name in enumerate(names):
            for i in range(EACH):
                path = Path(f"{name}/{name}-{i}.png")
                items.append(Item(path, synthetic, "web" if synthetic else name, name if synthetic else ""))
                row = rng.normal(0, 1, WIDTH)
                row[:4] += 1.2 if synthetic else -1.2
                row[own + at] += 3
                rows.append(row)
    return Features(tuple(items), np.asarray(rows))


def test_the_head_tells_apart_what_can_be_told_apart() -> None:
    seen, other = _features(), _features(1)
    logits = training.fit([seen])(other.rows)
    assert metrics.auc(logits[other.labels == 0], logits[other.labels == 1]) > 0.98


def test_a_class_with_more_pictures_does_not_win_by_number() -> None:
    seen = _features()
    few = seen.at([i for i, item in enumerate(seen.items) if not item.synthetic or i % 8 == 0])
    logits = training.fit([few])(_features(1).rows)
    assert abs(float(np.median(logits))) < 1.5


def test_what_is_scored_was_left_out_and_still_found() -> None:
    seen = _features()
    scored = training.cross_scored([seen], {"as_is": seen}, seed=1)
    generators = scored["leave_one_generator_out"]
    assert {one.held_out for one in generators} == set(GENERATORS)
    assert all(one.item.generator in ("", one.held_out) for one in generators)
    publishers = scored["leave_one_source_out"]
    assert {one.item.source for one in publishers if not one.item.synthetic} == set(PUBLISHERS)
    for name in GENERATORS:
        reals = [one.score for one in generators if one.held_out == name and not one.item.synthetic]
        fakes = [one.score for one in generators if one.held_out == name and one.item.synthetic]
        assert metrics.auc(reals, fakes) > 0.9


def test_every_publisher_and_every_generator_is_scored_once_by_a_head_that_missed_it() -> None:
    seen = _features()
    scored = training.cross_scored([seen], {"as_is": seen}, seed=1)
    fakes = [one.item.path for one in scored["leave_one_generator_out"] if one.item.synthetic]
    reals = [one.item.path for one in scored["leave_one_source_out"] if not one.item.synthetic]
    assert len(fakes) == len(set(fakes)) == EACH * len(GENERATORS)
    assert len(reals) == len(set(reals)) == EACH * len(PUBLISHERS)


def test_the_public_threshold_is_above_the_reals_of_every_publisher_left_out() -> None:
    seen = _features()
    scored = training.cross_scored([seen], {"as_is": seen}, seed=1)
    made = training.calibrated(scored)
    for name in PUBLISHERS:
        reals = [one for one in scored["leave_one_source_out"] if one.item.source == name and not one.item.synthetic]
        wrong = sum(made.raw(one.score) >= made.threshold for one in reals)
        assert wrong <= 0.05 * len(reals)


def test_in_domain_the_probabilities_are_worth_what_they_say() -> None:
    seen = _features()
    told = training.in_domain(seen, seen, seed=3)
    assert told["ece"] < 0.2
    assert told["cllr"] < 0.5


def test_features_that_were_kept_are_not_computed_again(tmp_path: Path) -> None:
    items = [Item(Path(f"/nowhere/alice/{i}.png"), False, "alice") for i in range(3)]
    known = {f"alice/{i}.png": np.full(4, i, dtype=np.float16) for i in range(3)}
    training._write_kept(tmp_path / "features" / "later_tokens-v1.npz", known)
    kept = training.features(tmp_path, items, "v1")
    assert np.array_equal(kept.rows, [[0] * 4, [1] * 4, [2] * 4])


def test_a_journey_brings_pictures_of_any_size_to_about_the_same() -> None:
    rng = np.random.default_rng(2)
    for size in ((1000, 1500), (300, 300), (90, 400)):
        rgb = rng.integers(0, 255, (*size, 3)).astype(np.uint8)
        for seed in range(5):
            shorter = min(training.journey(rgb, np.random.default_rng(seed)).shape[:2])
            assert shorter <= 400 * 1.25


def _drawings(seed: int) -> Features:
    """As `_features`, but numbers 10 and 11 tell that they are none of both classes."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (EACH, WIDTH))
    rows[:, 10:] += 3
    items = [Item(Path(f"{outside.PAGES}/{i}.png"), False, outside.PAGES) for i in range(EACH)]
    return Features(tuple(items), rows)


def test_what_lies_outside_lies_above_the_line_and_little_else_does() -> None:
    seen = _features()
    line = training._line(seen, seen, [_drawings(2)], seed=1)
    head = training.fit_outside([seen], [_drawings(2)], line)
    assert (head(_drawings(3).rows) > outside.LIMIT).mean() > 0.9
    assert (head(_features(1).rows) > outside.LIMIT).mean() < 0.05


def test_how_often_nothing_is_said_is_counted_by_source() -> None:
    [alice, bob] = outside.abstentions({"bob": [0, 0, 2, 0], "alice": [2, 3]})
    assert (alice["source"], alice["n"], alice["abstained"][0]) == ("alice", 2, 1.0)
    assert (bob["source"], bob["abstained"][0]) == ("bob", 0.25)
    assert bob["abstained"][1] < 0.25 < bob["abstained"][2]
    assert "bob 25% of 4" in outside.note([alice, bob])


def test_pages_of_text_are_written_once_and_always_the_same(tmp_path: Path) -> None:
    outside.pages(tmp_path)
    written = {path.name: path.read_bytes() for path in (tmp_path / "simulated" / outside.PAGES).iterdir()}
    outside.pages(tmp_path)
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "simulated" / outside.PAGES).iterdir()}
    assert len(set(written.values())) == len(written) > 10
    assert {item.source for item in outside.items(tmp_path)} == {outside.PAGES}


def test_every_condition_that_the_gate_asks_for_is_measured() -> None:
    assert {*criteria.grid_of(("image",)), *criteria.CALM} <= set(training.MEASURED)


@pytest.mark.parametrize(
    ("what", "why"), [("nothing_of_the_kind", "Nothing called"), ("../data", "Nothing called"), ("sources", "has no")]
)
def test_what_is_not_trained_here_is_refused_in_words(what: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        call_command("train", what)
    with pytest.raises(CommandError, match=why):
        call_command("evaluate", what)


def test_a_source_that_does_not_exist_is_named() -> None:
    with pytest.raises(CommandError, match="no source mallory"):
        call_command("train", "data", only=["mallory"])
