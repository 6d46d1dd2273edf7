"""What happens to a work after it was registered: an ordered list of steps and one loop.

Each step is idempotent on (asset, step, version). A step that fails is visible in its row and on the work's page, and
does not keep the others from running. A refusal (a Problem: the file cannot be examined) is an answer and stays. A
crash (“database is locked”) is not: `core.jobs` runs the job again, with the steps that are not done and those that
build on them, and gives it up, visibly, when the last run crashes too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
from django.conf import settings

from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Problem
from detection import examination, registry
from detection.models import Finding, Run
from policy.consents import signals
from policy.filing.flags import raise_flag
from policy.models import Clock, Flag, PipelineStep
from provenance.models import Asset
from provenance.vocabulary import SYNTHETIC

log = structlog.get_logger()


class NotExamined(Problem):
    """A detector cannot read this kind of work: its step is done, and its row says why there is nothing."""

    def __init__(self, why: str) -> None:
        super().__init__("detection.not_examined", "The work was not examined", status=422, detail=why)


@dataclass(frozen=True)
class Step:
    """version: raised when the step changes, so that it runs again for every work processed anew.

    after: steps whose results it reads; it runs again when one of them was done only in a later run.
    """

    name: str
    version: int
    run: Callable[[Asset, Job | None], None]
    after: tuple[str, ...] = ()


def _examine(detector: str) -> Callable[[Asset, Job | None], None]:
    def run(asset: Asset, job: Job | None) -> None:
        why = registry.why_not(registry.detector(detector), asset.kind, asset.media_type, held=asset.held)
        if why:
            raise NotExamined(why)
        result = examination.examine(asset, detector, job=job, again=True)
        if result.state == Run.State.FAILED:
            raise Problem(result.error_code or "detection.failed", "The examination failed", detail=result.error_detail)
        if result.state != Run.State.DONE:
            raise Problem("detection.busy", "Another worker is examining this", status=409)

    return run


def _request_slow_ones(asset: Asset, job: Job | None) -> None:
    """Detectors that ask networks examine in a job of their own, so that the work's page need not wait for them."""
    able = [info for info in registry.all_detectors() if info.is_slow]
    names = [one.name for one in able if not registry.why_not(one, asset.kind, asset.media_type, held=asset.held)]
    if names and settings.ASSAY_EXAMINE == "all":
        examination.request_examination(asset, names)


def _has_a_deadline(asset: Asset) -> bool:
    """A clock runs on one of its cases: what reviewers decide by is examined first."""
    return Clock.objects.filter(case__asset=asset, state=Clock.State.RUNNING).exists()


examination.register_urgency(_has_a_deadline)


def _raise_flags(asset: Asset, job: Job | None) -> None:
    """A file that declares synthetic media, registered as something else, is worth a look. Nothing else is (I8)."""
    if asset.source_type in SYNTHETIC or asset.restriction:
        return
    declared = Finding.objects.filter(
        run__asset=asset, run__detector="declared", signal="declared_synthetic", strength="strong"
    )
    if declared.exists() and not asset.flags.filter(origin=Flag.Origin.DECLARED_SYNTHETIC).exists():
        raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)


def _note_signals(asset: Asset, job: Job | None) -> None:
    signals.file_says(asset)


def _steps() -> list[Step]:
    quick = [about.name for about in registry.abouts() if about.queue != jobs.INFER]
    return [
        *(Step(f"examine:{name}", 1, _examine(name)) for name in quick),
        Step("request_examination", 1, _request_slow_ones),
        Step("note_signals", 1, _note_signals),
        Step("raise_flags", 1, _raise_flags, after=("examine:declared",)),
    ]


STEPS: list[Step] = _steps()


@jobs.handler("asset.process", on_failed=examination.forget_unfinished)
def process(job: Job) -> None:
    """Run every step that is not done yet for the asset of this job. Raises the first crash, after the other steps."""
    asset = Asset.objects.select_related("entry", "owner").get(pk=job.args["asset"])
    ran: set[str] = set()
    crashes: list[Exception] = []
    for step in STEPS:
        key: dict[str, Any] = {"asset": asset, "step": step.name, "version": step.version}
        if ran.isdisjoint(step.after) and PipelineStep.objects.filter(**key, state=PipelineStep.State.DONE).exists():
            continue
        ran.add(step.name)
        try:
            _run(step, key, asset, job)
        except Exception as crash:
            log.exception("pipeline.step_crashed", step=step.name, asset=str(asset.pk))
            crashes.append(crash)
    if crashes:
        raise crashes[0]


def _run(step: Step, key: dict[str, Any], asset: Asset, job: Job | None) -> None:
    try:
        step.run(asset, job)
    except NotExamined as reason:
        _note(key, PipelineStep.State.DONE, reason.code)
    except Problem as problem:
        _note(key, PipelineStep.State.FAILED, problem.code)
    except Exception:
        _note(key, PipelineStep.State.FAILED, "step.crashed")
        raise
    else:
        _note(key, PipelineStep.State.DONE, "")


def _note(key: dict[str, Any], state: PipelineStep.State, error_code: str) -> None:
    PipelineStep.objects.update_or_create(**key, defaults={"state": state, "error_code": error_code[:64], "at": now()})
