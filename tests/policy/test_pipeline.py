from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError

from accounts.models import User
from core import jobs
from core.models import Job
from core.problems import Problem
from detection.models import Finding, Run
from ledger.models import Entry
from policy import pipeline
from policy.filing import flags
from policy.models import Flag, PipelineStep
from provenance.models import Asset
from tests.policy.conftest import MakeAsset

pytestmark = pytest.mark.django_db
Settle = Callable[[], None]


def found(asset: Asset, *, detector: str = "declared", signal: str = "declared_synthetic", strength: str) -> None:
    run = Run.objects.create(asset=asset, detector=detector, version="1", model_digest="x", state=Run.State.DONE)
    Finding.objects.create(run=run, signal=signal, strength=strength, statement="Signals consistent with it.")


@pytest.fixture
def no_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the flags step does its real work here; examining real media is tested below and in tests/detection."""
    steps = [pipeline.Step("examine:declared", 1, lambda asset, job: None), pipeline.STEPS[-1]]
    monkeypatch.setattr(pipeline, "STEPS", steps)


def process(asset: Asset) -> Job:
    job = jobs.enqueue("asset.process", asset=str(asset.pk))
    jobs.run(str(job.pk))
    job.refresh_from_db()
    return job


@pytest.mark.usefixtures("no_detectors")
def test_a_file_that_declares_synthetic_media_and_is_registered_as_a_photograph_is_flagged(asset: Asset) -> None:
    found(asset, strength="strong")
    assert process(asset).state == Job.State.DONE
    flag = Flag.objects.get()
    assert (flag.origin, flag.case.category) == (Flag.Origin.DECLARED_SYNTHETIC, "unlabelled_synthetic")
    asset.refresh_from_db()
    assert asset.restriction == ""


@pytest.mark.usefixtures("no_detectors")
def test_forensics_alone_never_raises_a_flag(asset: Asset) -> None:
    """I8."""
    found(asset, detector="forensics", signal="inconsistency", strength="strong")
    process(asset)
    assert not Flag.objects.exists()


@pytest.mark.usefixtures("no_detectors")
@pytest.mark.parametrize("strength", ["none", "weak", "moderate"])
def test_a_mention_is_not_a_declaration(asset: Asset, strength: str) -> None:
    found(asset, strength=strength)
    process(asset)
    assert not Flag.objects.exists()


@pytest.mark.usefixtures("no_detectors")
def test_a_work_registered_as_synthetic_is_not_flagged_for_saying_so(make_asset: MakeAsset, alice: User) -> None:
    honest = make_asset(alice, source_type="trainedAlgorithmicMedia")
    found(honest, strength="strong")
    process(honest)
    assert not Flag.objects.exists()


@pytest.mark.usefixtures("no_detectors")
def test_running_again_changes_nothing(asset: Asset) -> None:
    found(asset, strength="strong")
    process(asset)
    before = Entry.objects.count()
    process(asset)
    assert Entry.objects.count() == before
    assert PipelineStep.objects.count() == 2


def test_a_step_that_refuses_is_visible_and_the_others_run(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(asset: Asset, job: Any) -> None:
        raise Problem("media.unparseable", "The file could not be examined")

    monkeypatch.setattr(pipeline, "STEPS", [pipeline.Step("one", 1, refuse), pipeline.STEPS[-1]])
    found(asset, strength="strong")
    assert process(asset).state == Job.State.DONE
    rows = dict(PipelineStep.objects.values_list("step", "error_code"))
    assert rows == {"one": "media.unparseable", "raise_flags": ""}
    assert Flag.objects.exists()


def locked(times: int, ran: list[str]) -> Any:
    """A step in which the database is locked the first `times` times, and which finds a declaration when it is not."""

    def examine(asset: Asset, job: Any) -> None:
        ran.append("examine")
        if len(ran) <= times:
            raise OperationalError("database is locked")
        found(asset, strength="strong")

    return examine


def test_a_locked_database_does_not_cost_a_work_its_flag(
    asset: Asset, monkeypatch: pytest.MonkeyPatch, settle: Settle
) -> None:
    ran: list[str] = []
    other: list[str] = []
    steps = [
        pipeline.Step("examine:declared", 1, locked(1, ran)),
        pipeline.Step("other", 1, lambda asset, job: other.append("ran")),
        pipeline.STEPS[-1],
    ]
    monkeypatch.setattr(pipeline, "STEPS", steps)
    job = process(asset)
    assert (job.state, other, Flag.objects.count()) == (Job.State.QUEUED, ["ran"], 0)
    assert dict(PipelineStep.objects.values_list("step", "error_code"))["examine:declared"] == "step.crashed"
    settle()
    job.refresh_from_db()
    assert (job.state, job.runs, other) == (Job.State.DONE, 2, ["ran"])
    assert Flag.objects.get().origin == Flag.Origin.DECLARED_SYNTHETIC
    assert set(PipelineStep.objects.values_list("state", flat=True)) == {PipelineStep.State.DONE}


def test_a_step_that_crashes_every_time_fails_the_job_visibly(
    asset: Asset, monkeypatch: pytest.MonkeyPatch, settle: Settle
) -> None:
    ran: list[str] = []
    monkeypatch.setattr(pipeline, "STEPS", [pipeline.Step("one", 1, locked(99, ran)), pipeline.STEPS[-1]])
    job = process(asset)
    settle()
    job.refresh_from_db()
    assert (job.state, job.error_code, len(ran)) == (Job.State.FAILED, "job.crashed", jobs.MAX_RUNS)
    assert PipelineStep.objects.get(step="one").error_code == "step.crashed"


def test_a_failed_step_is_tried_again_and_a_new_version_runs_again(
    asset: Asset, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[int] = []

    def once(asset: Asset, job: Any) -> None:
        ran.append(1)
        if len(ran) == 1:
            raise Problem("media.unparseable", "Not now")

    for version, runs in [(1, 1), (1, 2), (1, 2), (2, 3)]:
        monkeypatch.setattr(pipeline, "STEPS", [pipeline.Step("one", version, once)])
        process(asset)
        assert len(ran) == runs
    assert PipelineStep.objects.get(version=1).state == PipelineStep.State.DONE


def test_two_runs_at_once_raise_one_flag(asset: Asset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Deterministic interleaving: both looked for a flag and saw none; the constraint holds the second back."""
    flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    flags.raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)
    assert Flag.objects.count() == 1


def test_a_real_photograph_goes_through_every_step_without_a_flag(alice: User, photo: bytes, settle: Settle) -> None:
    from core import storage
    from provenance.registration import register_asset

    with storage.receive([photo]) as scratch:
        asset = register_asset(alice, scratch, title="Rocket")
    settle()
    rows = dict(PipelineStep.objects.filter(asset=asset).values_list("step", "state"))
    assert rows == dict.fromkeys((step.name for step in pipeline.STEPS), "done")
    assert {"examine:declared", "examine:forensics", "request_examination", "raise_flags"} <= set(rows)
    assert not Flag.objects.exists()
