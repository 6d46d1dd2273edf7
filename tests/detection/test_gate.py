"""What the gate says of figures, without a database."""

from dataclasses import replace
from typing import Any

import pytest

from detection import gate
from detection.detectors import Question
from detection.gate import Evidence, judge
from detection.trials import Trial
from tests.detection import models_made

QUICK = Trial({"input": [None, 3, 16, 16]}, {"logit": [1, 1]}, cpu_ms=3.0)


def evidence(champion: dict[str, Any] | None = None, **figures: Any) -> Evidence:
    mine = models_made.evaluation(**figures)
    return Evidence(mine, champion, Question.EDITED, False, QUICK, None, None, ())


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
    assert "camera (as_is)" in verdict.failed[0].words and str(value) in verdict.failed[0].words


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
    assert [(one.slug, one.words) for one in verdict.failed] == [("robustness", "not measured: social")]


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
    slow = replace(QUICK, cpu_ms=gate.MAX_CPU_MS + 1)
    assert failed(replace(evidence(), trial=slow)) == {"latency"}
    assert judge(replace(evidence(), trial=slow, champion_trial=slow)).passed
    assert failed(replace(evidence(), wrong_again=["a"])) == {"appeals"}


@pytest.mark.parametrize("told", [{}, {"rows": [{}]}, {"rows": None}, {"rows": [{"split": 1}]}])
def test_an_evaluation_out_of_form_is_a_refusal_and_no_crash(told: dict[str, Any]) -> None:
    verdict = judge(replace(evidence(), evaluation=told))
    assert not verdict.passed
