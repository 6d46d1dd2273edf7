"""What happens to a work after it was registered: an ordered list of steps and one loop.

Each step is idempotent on (asset, step, version). A step that fails is visible in its row and on the work's page, and
does not keep the others from running; a later run of the job tries it again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from core import jobs
from core.clock import now
from core.models import Job
from core.problems import Problem
from detection import examination, registry
from detection.models import Finding, Run
from policy.flags import raise_flag
from policy.models import Flag, PipelineStep
from provenance.models import Asset
from provenance.vocabulary import SYNTHETIC

log = structlog.get_logger()


@dataclass(frozen=True)
class Step:
    """version: raised when the step changes, so that it runs again for every work processed anew."""

    name: str
    version: int
    run: Callable[[Asset, Job | None], None]


def _examine(detector: str) -> Callable[[Asset, Job | None], None]:
    def run(asset: Asset, job: Job | None) -> None:
        if detector not in {info.name for info in registry.for_kind(asset.kind)}:
            return  # this detector does not read this kind of media
        result = examination.examine(asset, detector, job=job, again=True)
        if result.state == Run.State.FAILED:
            raise Problem(result.error_code or "detection.failed", "The examination failed", detail=result.error_detail)
        if result.state != Run.State.DONE:
            raise Problem("detection.busy", "Another worker is examining this", status=409)

    return run


def _raise_flags(asset: Asset, job: Job | None) -> None:
    """A file that declares synthetic media, registered as something else, is worth a look. Nothing else is (I8)."""
    if asset.source_type in SYNTHETIC or asset.restriction:
        return
    declared = Finding.objects.filter(
        run__asset=asset, run__detector="declared", signal="declared_synthetic", strength="strong"
    )
    if declared.exists() and not asset.flags.filter(origin=Flag.Origin.DECLARED_SYNTHETIC).exists():
        raise_flag(asset, Flag.Origin.DECLARED_SYNTHETIC)


STEPS: list[Step] = [
    Step("examine:declared", 1, _examine("declared")),
    Step("examine:forensics", 1, _examine("forensics")),
    Step("raise_flags", 1, _raise_flags),
]


@jobs.handler("asset.process", on_failed=examination.forget_unfinished)
def process(job: Job) -> None:
    """Run every step that is not done yet for the asset of this job."""
    asset = Asset.objects.select_related("entry", "owner").get(pk=job.args["asset"])
    for step in STEPS:
        _run(step, asset, job)


def _run(step: Step, asset: Asset, job: Job | None) -> None:
    key: dict[str, Any] = {"asset": asset, "step": step.name, "version": step.version}
    if PipelineStep.objects.filter(**key, state=PipelineStep.State.DONE).exists():
        return
    try:
        step.run(asset, job)
    except Problem as problem:
        _note(key, PipelineStep.State.FAILED, problem.code)
    except Exception:
        log.exception("pipeline.step_crashed", step=step.name, asset=str(asset.pk))
        _note(key, PipelineStep.State.FAILED, "step.crashed")
    else:
        _note(key, PipelineStep.State.DONE, "")


def _note(key: dict[str, Any], state: PipelineStep.State, error_code: str) -> None:
    PipelineStep.objects.update_or_create(**key, defaults={"state": state, "error_code": error_code[:64], "at": now()})
