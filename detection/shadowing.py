"""The shadow: a version that passed the gate answers beside the champion, about the same works, and nobody is shown
it.

A job after each examination. Only the public answers are kept, so that two people can see what would change before
they put it into service.
"""

import uuid
from dataclasses import dataclass

import structlog

from core import jobs
from core.models import Job
from detection import fusion, permission, registry, trials, versions
from detection.models import ModelVersion, Run, ShadowReading

log = structlog.get_logger()

JOB = "detection.shadow"


def follow(run: Run) -> None:
    """Called in the transaction that ends an examination: if there is a shadow, it is asked too."""
    version = versions.shadow(run.detector)
    if version is not None:
        jobs.enqueue(JOB, key=f"shadow:{version.pk}:{run.pk}", version=str(version.pk), run=str(run.pk))


@jobs.handler(JOB, queue=lambda job: jobs.INFER)
def run_shadow(job: Job) -> None:
    """The job behind `follow`. A version that left the shadow meanwhile is not asked, nor is one without a basis."""
    version = ModelVersion.objects.get(pk=uuid.UUID(str(job.args["version"])))
    run = Run.objects.select_related("asset").get(pk=uuid.UUID(str(job.args["run"])))
    gone = version.stage != ModelVersion.Stage.SHADOW or not run.asset.held
    if gone or permission.is_refused(registry.detector(run.detector), run.asset):
        return
    found = trials.examine_with(registry.detector(run.detector), run.asset, versions.opened(version))
    answer = fusion.public_answer(one.reading.answer for one in found if one.reading.answer)
    told = {"answer": answer.value, "llr": next((one.reading.llr for one in found if one.reading.llr), "")}
    champion = fusion.public_answer(run.findings.exclude(answer="").values_list("answer", flat=True))
    ShadowReading.objects.get_or_create(version=version, run=run, defaults={**told, "champion_answer": champion.value})


@dataclass(frozen=True)
class Comparison:
    """readings: of the shadow. agreed: as the champion. newly, no_longer: “signals” that only one of them says."""

    readings: int
    agreed: int
    newly: int
    no_longer: int

    def __str__(self) -> str:
        return (
            f"{self.readings} works in the shadow: {self.agreed} answered as by the champion, {self.newly} newly with"
            f" signals, {self.no_longer} no longer"
        )


def comparison(version: ModelVersion) -> Comparison:
    pairs = list(version.shadow_readings.values_list("answer", "champion_answer"))
    return Comparison(
        len(pairs),
        sum(mine == champion for mine, champion in pairs),
        sum(mine == "signals" != champion for mine, champion in pairs),
        sum(champion == "signals" != mine for mine, champion in pairs),
    )
