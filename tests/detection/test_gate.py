"""What the gate says of figures, without a database; also of those that are installed."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from detection import cards, conditions, criteria, registry
from detection.criteria import Evidence, judge
from tests.detection import models_made


def evidence(champion: dict[str, Any] | None = None, **figures: Any) -> Evidence:
    mine = models_made.evaluation(**figures)
    return Evidence(mine, champion, criteria.grid_of(("image",)), False, 3.0, None, None, ())


def failed(given: Evidence) -> set[str]:
    return {one.slug for one in judge(given).failed}


def test_a_model_that_was_measured_well_passes() -> None:
    assert judge(evidence()).passed
    assert judge(evidence(champion=models_made.evaluation())).passed


@pytest.mark.parametrize(
    ("figure", "value", "slug"),
    [
        ("auc", 0.60, "cross_source_auc"),
        ("fpr", 0.031, "false_positive_rate"),
        ("ece", 0.09, "ece"),
        ("cllr", 1.01, "cllr"),
    ],
)
def test_a_figure_beyond_its_bar_is_refused_with_what_was_measured(figure: str, value: Any, slug: str) -> None:
    verdict = judge(evidence(**{figure: value}))
    assert [one.slug for one in verdict.failed] == [slug]
    assert "camera (as it is)" in verdict.failed[0].words and str(value) in verdict.failed[0].words


@pytest.mark.parametrize(
    ("figure", "value", "slug"),
    [("auc", 0.83, "cross_source_auc"), ("tpr_at_1", 0.25, "tpr_at_1_percent_fpr"), ("cllr", 0.65, "cllr")],
)
def test_worse_than_the_champion_on_one_row_is_refused_although_it_would_do_alone(
    figure: str, value: Any, slug: str
) -> None:
    assert judge(evidence(**{figure: value})).passed
    assert failed(evidence(champion=models_made.evaluation(), **{figure: value})) == {slug}


def test_what_was_not_measured_did_not_pass() -> None:
    nothing = replace(evidence(), evaluation={**models_made.evaluation(), "rows": []})
    assert {"held_out", "cross_source_auc", "false_positive_rate", "ece", "cllr", "robustness"} <= failed(nothing)


def test_a_hole_in_the_robustness_grid_is_named() -> None:
    mine = models_made.evaluation()
    mine["rows"] = [row for row in mine["rows"] if row["condition"] != "social"]
    verdict = judge(replace(evidence(), evaluation=mine))
    assert [(one.slug, one.words) for one in verdict.failed] == [("robustness", "not measured: social service")]


def test_training_that_cannot_be_repeated_is_refused_and_one_made_elsewhere_is_not_asked() -> None:
    mine = {**models_made.evaluation(), "data": [{"name": "greys"}], "membership": None}
    assert failed(replace(evidence(), evaluation=mine)) == {"reproducible", "membership"}
    assert judge(replace(evidence(), evaluation=mine, brought=True)).passed


def test_scores_that_betray_what_was_trained_on_are_refused() -> None:
    mine = {**models_made.evaluation(), "membership": {"auc": [0.71, 0.66, 0.76]}}
    assert failed(replace(evidence(), evaluation=mine)) == {"membership"}


def test_groups_latency_and_upheld_appeals_each_have_a_say() -> None:
    assert failed(replace(evidence(), audits=[False, True])) == {"groups"}
    assert failed(replace(evidence(), audits=[])) == {"groups"}
    assert judge(replace(evidence(), audits=[False])).passed
    slow = criteria.MAX_CPU_MS + 1
    assert failed(replace(evidence(), cpu_ms=slow)) == {"latency"}
    assert judge(replace(evidence(), cpu_ms=slow, champion_cpu_ms=slow)).passed
    assert failed(replace(evidence(), wrong_again=["a"])) == {"appeals"}


@pytest.mark.parametrize("told", [{}, {"rows": [{}]}, {"rows": None}, {"rows": [{"split": 1}]}])
def test_an_evaluation_out_of_form_is_a_refusal_and_no_crash(told: dict[str, Any]) -> None:
    verdict = judge(replace(evidence(), evaluation=told))
    assert not verdict.passed


# --- Conditions, as the harness writes them --------------------------------------------------------------------------


def test_the_grid_is_what_the_harness_changes_pictures_sound_and_films_into() -> None:
    from detection.evaluation.conditions import CONDITIONS
    from detection.training.sound_augmentation import CONDITIONS as OF_SOUND

    assert set(CONDITIONS) == set(conditions.PICTURES) and set(OF_SOUND) == set(conditions.SOUNDS)
    assert set(criteria.grid_of(("image", "video"))) == set(CONDITIONS) - {"as_is"}
    assert set(criteria.grid_of(("audio", "video"))) == set(OF_SOUND) - {"as_is"}
    assert set(criteria.grid_of(("video", "image"))) == {"webp_70", "h264_28", "resize"}
    # One frame of a film is measured like any picture.
    assert criteria.grid_of(("video", "image"), brought=True) == criteria.grid_of(("image",))


def test_a_voice_model_passes_with_the_conditions_of_sound_and_only_with_all_of_them() -> None:
    mine = models_made.evaluation()
    rows = [row for row in mine["rows"] if row["condition"] == "as_is"]
    mine["rows"] = [{**row, "condition": name} for row in rows for name in conditions.SOUNDS]
    heard = replace(evidence(), evaluation=mine, grid=criteria.grid_of(("audio",)))
    assert judge(heard).passed
    mine["rows"] = [row for row in mine["rows"] if row["condition"] not in ("room", "mp3_32")]
    assert [(one.slug, one.words) for one in judge(heard).failed] == [
        ("robustness", "not measured: MP3 at 32 kbit/s, in a room")
    ]


NETWORKS = [one.parent.name for one in sorted((registry.ROOM / "detectors").glob("*/model.onnx"))]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_the_gate_has_against_an_installed_network_stands_on_its_card(name: str) -> None:
    """Whatever serves as shipped was never asked by an office's gate, so its card says what that would have said."""
    info, told = registry.detector(name), cards.read(registry.ROOM / "detectors" / name).evaluation
    assert told is not None
    network = (registry.ROOM / "detectors" / name / registry.MODEL).read_bytes()
    assert told.get("model_sha256", sha256(network).hexdigest()) == sha256(network).hexdigest()
    figures = criteria.of_figures(told, criteria.grid_of(info.kinds))
    # No bar of these: without them the other figures would be worth nothing.
    assert not {one.slug for one in figures.failed} & {"evaluation", "held_out", "reproducible"}
    assert all(f"- {one.title}: {one.words}" in info.card for one in figures.failed)
    assert ("meet every bar" in info.card) == figures.passed


@pytest.mark.parametrize("info", registry.all_detectors(), ids=lambda info: info.name)
def test_a_card_names_what_happened_to_a_file_in_words(info: registry.DetectorInfo) -> None:
    told = cards.read(registry.ROOM / "detectors" / info.name).evaluation or {"rows": []}
    for name in {row["condition"] for row in told["rows"]}:
        assert conditions.words(name) != name or "_" not in name, name


# --- What Mallory would hand in --------------------------------------------------------------------------------------


def of_rows(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    mine = models_made.evaluation()
    for row in mine["rows"]:
        change(row)
    return mine


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("whose", ["evaluation", "champion"])
def test_a_figure_that_is_no_number_passes_nothing(bad: float, whose: str) -> None:
    spoilt = of_rows(lambda row: row.update(auc=[bad] * 3, fpr=[bad] * 3, tpr_at_1=bad, ece=bad, cllr=bad))
    given = evidence(champion=models_made.evaluation())
    given = replace(given, evaluation=spoilt) if whose == "evaluation" else replace(given, champion=spoilt)
    assert "evaluation" in failed(given)


def test_rows_of_other_names_are_no_comparison_with_what_serves() -> None:
    renamed = of_rows(lambda row: row.update(held_out=f"my_{row['held_out']}"))
    given = replace(evidence(champion=models_made.evaluation(auc=0.99)), evaluation=renamed)
    assert failed(given) == {"compared"}
    assert "camera (as it is)" in judge(given).failed[0].words
    # A child that was compared with this very parent, on the same files, needs none; a model of others' has no parent.
    child = replace(given, evaluation={**renamed, "against": "ab" * 32}, champion_model="ab" * 32)
    assert judge(child).passed
    assert failed(replace(child, champion_model="cd" * 32)) == failed(replace(child, brought=True)) == {"compared"}


def test_a_handful_of_files_decides_nothing_and_is_told() -> None:
    verdict = judge(replace(evidence(), evaluation=of_rows(lambda row: row.update(n_real=19))))
    assert [one.slug for one in verdict.failed] == ["numbers"]
    assert "camera (as it is) has 19 real and 300 made files" in verdict.failed[0].words


@pytest.mark.parametrize("figure", ["auc", "tpr_at_1", "ece", "cllr"])
def test_a_figure_that_one_row_leaves_out_was_not_measured(figure: str) -> None:
    mine = models_made.evaluation()
    next(row for row in mine["rows"] if row["condition"] == "as_is")[figure] = None
    assert "measured" in failed(replace(evidence(), evaluation=mine))


def test_false_signals_are_measured_on_every_real_source_under_every_calm_condition() -> None:
    mine = of_rows(lambda row: row["condition"] == "jpeg_70" and row.update(fpr=None))
    verdict = judge(replace(evidence(), evaluation=mine))
    assert [(one.slug, one.words) for one in verdict.failed] == [
        ("measured", f"not measured: camera ({conditions.words('jpeg_70')}) FPR")
    ]


def test_an_evaluation_says_which_network_it_is_of() -> None:
    of_it = {**models_made.evaluation(), "model_sha256": "ab" * 32}
    assert judge(replace(evidence(), evaluation=of_it, model="ab" * 32)).passed
    assert failed(replace(evidence(), evaluation=of_it, model="cd" * 32)) == {"bound"}
    assert failed(replace(evidence(), model="ab" * 32)) == {"bound"}
