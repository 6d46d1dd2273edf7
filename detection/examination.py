"""Examining a registered work: one run for each (work, detector, version), in a guarded child, recorded in the ledger.

A run is claimed by one conditional UPDATE and ended by another that names the same attempt, so that neither two
workers nor one that was taken for dead can record a result twice. A run whose worker was killed is taken up again by
its job's next try.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet

from core import jobs, storage
from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import NotFound, Problem
from detection import guarded, permission, registry, shadowing, versions
from detection.artefacts import Artefact
from detection.detectors import Reading, Region, Span, Standing
from detection.models import Finding, Run
from detection.registry import DetectorInfo
from ledger import log as ledger_log
from ledger.events import EventType
from ledger.log import Sealed
from ledger.models import Entry
from provenance.models import Asset, Rendition

log = structlog.get_logger()

JOB = "detection.examine"
ACTOR = "system:detection"
# The sealed section of an experimental detector's entry, and what is recorded of each finding: no text of the file's.
SECTION = "found"
RECORDED = ("signal", "strength", "score", "calibrated", "answer", "llr", "calibration", "reason")
# Longer than any detector may run: without a job to ask, a run older than this has lost its worker.
ABANDONED_AFTER = dt.timedelta(minutes=10)

CRASHED = Problem(
    "detection.crashed",
    "The examination broke off",
    status=500,
    detail="Something broke on our side while this work was examined. The work itself is unharmed.",
)


def examine(asset: Asset, detector: str, *, job: Job | None = None, again: bool = False) -> Run:
    """Have `detector` examine the file of `asset` as it was sent, unless it has done so.

    Returns the run: done or failed (its error says why, in words), or running when another worker is at it. A failed
    run is tried once more only if `again`. Progress goes to `job`. Raises NotFound for an unknown detector or one
    that does not read this kind of media, and whatever else is our own fault; what is the file's fault is a failed run,
    and so is a detector of faces or voices where there is no basis for it (`permission`).
    """
    info = registry.detector(detector)
    if _why_not(info, asset):
        raise NotFound("detector for this kind of media")
    serving = _serving(info)
    run, _ = Run.objects.get_or_create(
        asset=asset,
        detector=info.name,
        version=serving.version,
        defaults={
            "model_digest": serving.digest,
            "question": info.about.question.value,
            "standing": info.standing.value,
        },
    )
    if _is_still_refused(run, info) or not _claim(run, serving, job, again=again):
        return run
    try:
        _work(run, serving, job)
    except Problem as problem:
        log.info("detection.failed", run=str(run.pk), detector=info.name, code=problem.code)
        _end(run, problem=problem)
    except Exception:
        # Our own fault. The caller's job tries again; until then the run says so instead of “running” for ever.
        _end(run, problem=CRASHED)
        raise
    return run


@dataclass(frozen=True)
class Serving:
    """What examines now: the detector with the files beside it, or with the model version in service.

    version: “1.2”, or “1.2+<model version>”. digest: the detector's own, or of it and the model's. refusal: why the
    model in service cannot be used; then nothing is examined, rather than by another model.
    """

    info: DetectorInfo
    version: str
    digest: str
    model: Artefact | None = None
    refusal: Problem | None = None


def _serving(info: DetectorInfo) -> Serving:
    try:
        model = versions.in_service(info.name)
    except Problem as problem:
        return Serving(info, info.version, info.model_digest, refusal=problem)
    if model is None:
        return Serving(info, info.version, info.model_digest)
    digest = versions.serving_digest(info.model_digest, model)
    return Serving(info, f"{info.version}+{model.version}", digest, model)


def unexamined(asset: Asset) -> list[tuple[DetectorInfo, str]]:
    """The detectors that cannot examine this work, each with the reason, which begins with “not examined”.

    Not those that have looked, or were refused: that is said where their results are.
    """
    cannot = [(info, _why_not(info, asset)) for info in registry.all_detectors()]
    if any(info.biometric and not why for info, why in cannot) and not permission.of(asset).basis:
        told = Run.objects.filter(Q(standing=Standing.SHIPPED) | Q(state=Run.State.DONE), asset=asset)
        looked = set(told.values_list("detector", flat=True))
        refused = {info.name for info, _ in cannot if info.biometric} - looked
        cannot = [(info, why or (permission.words(info) if info.name in refused else "")) for info, why in cannot]
    return [(info, why) for info, why in cannot if why]


def _why_not(info: DetectorInfo, asset: Asset) -> str:
    return registry.why_not(info, asset.kind, asset.media_type, held=asset.held)


def _is_still_refused(run: Run, info: DetectorInfo) -> bool:
    """It was refused for want of a basis, which is on record, and there is none today either."""
    refused = run.state == Run.State.FAILED and run.error_code == permission.NO_BASIS
    return refused and permission.is_refused(info, run.asset)


def _claim(run: Run, serving: Serving, job: Job | None, *, again: bool) -> bool:
    """Make this process the run's worker. False: it is over, or somebody else is at it."""
    if not _may_be_taken(run, job, again=again):
        return False
    claimed = Run.objects.filter(pk=run.pk, state=run.state, attempt=run.attempt).update(
        state=Run.State.RUNNING,
        attempt=run.attempt + 1,
        job=job,
        model_digest=serving.digest,
        question=serving.info.about.question.value,
        standing=serving.info.standing.value,
        started_at=now(),
        finished_at=None,
        error_code="",
        error_detail="",
    )
    run.refresh_from_db()
    return claimed == 1


def _may_be_taken(run: Run, job: Job | None, *, again: bool) -> bool:
    match run.state:
        case Run.State.QUEUED:
            return True
        case Run.State.FAILED:
            return again
        case Run.State.RUNNING:
            return _abandoned(run, job)
    return False


def _abandoned(run: Run, job: Job | None) -> bool:
    """Running, but by no worker any more: by an earlier try of this very job, by a job that is not running, or too
    long ago.
    """
    if run.job is not None:
        return run.job.state != Job.State.RUNNING or (job is not None and run.job_id == job.pk)
    return run.started_at is None or run.started_at < now() - ABANDONED_AFTER


def _work(run: Run, serving: Serving, job: Job | None) -> None:
    info, model = serving.info, serving.model

    def progress(percent: int, note: str) -> None:
        if job:
            jobs.report(job, percent, f"{info.title}: {note}" if note else info.title)

    progress(1, "starting")
    basis = permission.basis_for(info, run.asset)
    if serving.refusal:
        raise serving.refusal
    known = _found_before(run)
    if known is not None:
        _end(run, findings=[_again(finding, run) for finding in known], basis=basis)
        return
    original = run.asset.rendition(Rendition.Role.ORIGINAL)
    with storage.local_copy(original.key) as path, storage.scratch_path() as work:
        out = work.parent / "out"
        out.mkdir()
        files = model.paths() if model else ()
        found = guarded.examine(info, path, original.media_type, out, progress=progress, model=files)
        basis = permission.basis_for(info, run.asset)  # what was withdrawn meanwhile counts
        findings = [finding_of(run, one, _keep(one)) for one in found]
        _end(run, findings=findings, basis=basis)


def _found_before(run: Run) -> Sequence[Finding] | None:
    """What this very detector and model found in these very bytes, registered as another work: pure, so the same again.

    None: they have not been examined, or their file is not here any more.
    """
    same = Run.objects.filter(
        asset__original_sha256=run.asset.original_sha256,
        asset__held=True,
        detector=run.detector,
        version=run.version,
        model_digest=run.model_digest,
        state=Run.State.DONE,
    ).exclude(asset=run.asset_id)
    before = same.prefetch_related("findings").order_by("pk").first()
    return None if before is None else sorted(before.findings.all(), key=lambda finding: finding.pk)


def _again(finding: Finding, run: Run) -> Finding:
    """A copy for another run. Its heat map is the same file."""
    copied = {name: getattr(finding, name) for name in _COPIED}
    return Finding(run=run, **copied)


_COPIED = [field.attname for field in Finding._meta.concrete_fields if field.attname not in ("id", "run_id")]


def _keep(one: guarded.Checked) -> str:
    """The key of its heat map, "" without one. A crash before the commit leaves an orphan (`storage.orphans`)."""
    return storage.keep_bytes(one.picture.read_bytes())[0] if one.picture else ""


def finding_of(run: Run, one: guarded.Checked, heatmap_key: str = "") -> Finding:
    """The row of a reading, not saved."""
    reading = one.reading
    low, high = reading.interval or ("", "")
    return Finding(
        run=run,
        signal=reading.signal,
        strength=reading.strength.value,
        statement=reading.statement,
        score=reading.score,
        calibrated=bool(reading.calibration),
        answer=reading.answer.value if reading.answer else "",
        llr=reading.llr,
        low=low,
        high=high,
        calibration=reading.calibration,
        reason=reading.reason,
        places=places_of(reading),
        details=dict(reading.details),
        heatmap_key=heatmap_key,
    )


def places_of(reading: Reading) -> dict[str, Json]:
    """Where, as JSON without floats: {"regions": [{x, y, width, height}], "spans": [{start, end, llr}], "timeline"}."""
    told: dict[str, Json] = {}
    if reading.regions:
        told["regions"] = [_box(region) for region in reading.regions]
    if reading.spans:
        told["spans"] = [_stretch(span) for span in reading.spans]
    if reading.timeline:
        told["timeline"] = [_stretch(span) for span in reading.timeline]
    return told


def _box(region: Region) -> Json:
    sides = {"x": region.x, "y": region.y, "width": region.width, "height": region.height}
    return {name: f"{value:.4f}" for name, value in sides.items()}


def _stretch(span: Span) -> Json:
    return {"start": f"{span.start:.2f}", "end": f"{span.end:.2f}", "llr": span.llr}


def _end(run: Run, *, findings: Sequence[Finding] = (), problem: Problem | None = None, basis: str = "") -> None:
    """Record the outcome and its ledger entry, both or neither; nothing if this attempt was taken over.

    basis: on which it looked at people, if it did.
    """
    state = Run.State.FAILED if problem else Run.State.DONE
    with transaction.atomic():
        mine = Run.objects.filter(pk=run.pk, state=Run.State.RUNNING, attempt=run.attempt)
        ended = mine.update(
            state=state,
            finished_at=now(),
            error_code=problem.code[:64] if problem else "",
            error_detail=_words(problem)[:500] if problem else "",
        )
        if ended == 1:
            Finding.objects.filter(run=run).delete()
            for finding in findings:
                finding.save(force_insert=True)
            Run.objects.filter(pk=run.pk).update(entry=_record(run, findings, problem, basis))
            if problem is None:
                shadowing.follow(run)
    run.refresh_from_db()


def _words(problem: Problem) -> str:
    if problem.code == "media.unparseable":  # the guard speaks of an upload; this work is registered and stays so
        return (
            f"{problem.detail.removesuffix(' Nothing was kept.')} The work itself is unharmed; nothing was found out."
        )
    return problem.detail or problem.title


def _record(run: Run, findings: Sequence[Finding], problem: Problem | None, basis: str) -> Entry:
    """Its entry. What an experimental detector found says nothing that anybody may rely on, and facts are public for
    ever: it is sealed, for as long as the work's own key is there, and of no person.
    """
    state = Run.State.FAILED if problem else Run.State.DONE
    code = problem.code if problem else ""
    facts, found = facts_of(run, state) | ({"basis": basis} if basis else {}), found_of(findings, code)
    about = f"asset:{run.asset_id}"
    hidden = run.standing == Standing.EXPERIMENTAL
    return ledger_log.append(
        recorded_as(code),
        actor=ACTOR,
        role="system",
        object=about,
        refs=[run.asset.entry],
        facts=facts if hidden else facts | found,
        sealed={SECTION: Sealed(found, about)} if hidden else {},
    )


def recorded_as(error_code: str) -> EventType:
    """Of which type the entry of an examination is that ended with this code, "" with none."""
    return EventType.PROCESSING_REFUSED if error_code == permission.NO_BASIS else EventType.DETECTION_RECORDED


def facts_of(run: Run, state: str) -> dict[str, Json]:
    """What the entry of every examination says in public."""
    return {
        "detector": run.detector,
        "version": run.version,
        "model_digest": run.model_digest,
        "standing": run.standing,
        "outcome": str(state),
    }


def found_of(findings: Iterable[Finding], error_code: str) -> dict[str, Json]:
    """What came of it: each finding without its words, or why there is none."""
    if error_code:
        return {"error_code": error_code[:64]}
    return {"findings": [{name: getattr(one, name) for name in RECORDED} for one in findings]}


# --- On request -----------------------------------------------------------------------------------------------------


def request_examination(asset: Asset, names: Sequence[str] = ()) -> Job:
    """Queue an examination of `asset` by the named detectors (all that can read it if none is named).

    Who asks twice gets the same job while it is not over. Runs that are done are not repeated; failed ones are.
    Raises NotFound for a detector that does not exist or cannot read this work, and when none can.
    """
    able = {info.name for info in registry.all_detectors() if not _why_not(info, asset)}
    if set(names) - able or not able:
        raise NotFound("detector for this kind of media")
    wanted = sorted(set(names) or able)
    with transaction.atomic():
        same = next((job for job in _unfinished(asset) if job.args.get("detectors") == wanted), None)
        return same or jobs.enqueue(JOB, asset=str(asset.pk), detectors=wanted)


def unfinished_examination(asset: Asset) -> Job | None:
    """The first requested examination of this work that is not over."""
    return _unfinished(asset).first()


def _unfinished(asset: Asset) -> QuerySet[Job]:
    unfinished = [Job.State.QUEUED, Job.State.RUNNING]
    return Job.objects.filter(name=JOB, args__asset=str(asset.pk), state__in=unfinished).order_by("pk")


Urgency = Callable[[Asset], bool]
_urgencies: list[Urgency] = []


def register_urgency(urgent: Urgency) -> None:
    """Called at start-up by upper rooms: a work for which this is true is examined before others."""
    _urgencies.append(urgent)


def queue_of(job: Job) -> str:
    """Where an examination waits: with what a deadline waits for, or by the cost of its most costly detector."""
    asset = Asset.objects.filter(pk=job.args["asset"]).first()
    if asset is not None and any(urgent(asset) for urgent in _urgencies):
        return jobs.URGENT
    asked = [info for info in registry.all_detectors() if info.name in job.args["detectors"]]
    return jobs.INFER if any(info.is_slow for info in asked) else jobs.DETECT


def forget_unfinished(job: Job) -> None:
    """`on_failed` of a job that examined: a run its dead worker left behind is failed where people look."""
    for run in Run.objects.filter(job=job, state=Run.State.RUNNING).select_related("asset__entry"):
        _end(run, problem=Problem(job.error_code, "The examination was given up", detail=job.error_detail))


@jobs.handler(JOB, on_failed=forget_unfinished, queue=queue_of)
def run_examination(job: Job) -> None:
    """The job behind `request_examination`."""
    asset = Asset.objects.select_related("entry").get(pk=job.args["asset"])
    for name in job.args["detectors"]:
        examine(asset, name, job=job, again=True)
