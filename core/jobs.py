"""Background work: `@handler` registers, `enqueue` records and wakes a worker, `run` executes, `sweep` repairs.

A message can be lost (the filesystem broker loses the one a killed worker held), so the Job row is the truth: whatever
is queued too long or running without a heartbeat is sent again, and given up, visibly, after `MAX_RUNS` runs.
A handler must be idempotent: it may run again after a crash.
"""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.db import connection, transaction
from django.db.models import F, QuerySet

from core.canonical import Json
from core.clock import now
from core.models import Job
from core.problems import Problem

log = structlog.get_logger()

MAX_RUNS = 3
HEARTBEAT = dt.timedelta(seconds=2)
# Five missed heartbeats: a worker that is only slow (a loaded machine) is not taken for dead.
STALE_AFTER = dt.timedelta(seconds=10)
RESEND_AFTER = dt.timedelta(seconds=15)

# Queues by cost. What takes long has a worker of its own, so that it holds nothing up; what a deadline waits for is
# taken by every worker.
URGENT, QUICK, DETECT, INFER = "urgent", "celery", "detect", "infer"

Handler = Callable[[Job], None]
_handlers: dict[str, Handler] = {}
_queues: dict[str, Callable[[Job], str]] = {}
_on_failed: dict[str, Handler] = {}


def handler(
    name: str, *, on_failed: Handler | None = None, queue: Callable[[Job], str] | None = None
) -> Callable[[Handler], Handler]:
    """Register the function that runs jobs called `name`; `on_failed` makes the failure visible where people look.

    queue: in which queue such a job waits; QUICK if nothing is said.

    Called by an app at start-up (`AppConfig.ready` imports the module), so that lower rooms start upper work by name.
    """

    def register(function: Handler) -> Handler:
        if name in _handlers:
            raise RuntimeError(f"two handlers for job {name}")
        _handlers[name] = function
        if on_failed:
            _on_failed[name] = on_failed
        if queue:
            _queues[name] = queue
        return function

    return register


def enqueue(name: str, *, key: str | None = None, **args: Json) -> Job:
    """Record a job in the caller's transaction and wake a worker when it commits.

    key: enqueued once for this key; the existing job is returned the second time.
    """
    if name not in _handlers:
        raise RuntimeError(f"no handler is registered for job {name}")
    if key is None:
        job = Job.objects.create(name=name, args=args, due_at=now() + RESEND_AFTER)
    else:
        defaults = {"name": name, "args": args, "due_at": now() + RESEND_AFTER}
        job, created = Job.objects.get_or_create(key=key, defaults=defaults)
        if not created:
            return job
    transaction.on_commit(lambda: _wake(job))
    return job


def report(job: Job, percent: int, note: str = "") -> None:
    """Show progress on the page that watches this job; also a heartbeat."""
    job.progress, job.note = max(0, min(100, percent)), note[:200]
    _mine(job).update(progress=job.progress, note=job.note, heartbeat_at=now())


def _mine(job: Job) -> QuerySet[Job]:
    """The row while this very run has it: a worker that was taken for dead and wakes up changes nothing any more."""
    return Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, runs=job.runs)


def run(job_id: str) -> None:
    """Run one queued job. Does nothing if another worker has it or it is over."""
    claimed = Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(
        state=Job.State.RUNNING,
        runs=F("runs") + 1,
        started_at=now(),
        heartbeat_at=now(),
        error_code="",
        error_detail="",
    )
    if claimed != 1:
        return
    job = Job.objects.get(pk=job_id)
    try:
        with _beating(job):
            _handlers[job.name](job)
    except Problem as problem:
        _fail(job, problem.code, problem.detail or problem.title)
    except Exception as error:
        log.exception("job.crashed", job=str(job.pk), name=job.name, runs=job.runs)
        if job.runs >= MAX_RUNS:
            _fail(
                job,
                "job.crashed",
                f"{type(error).__name__} in run {job.runs} of {MAX_RUNS}; the log has the details.",
            )
        else:
            _mine(job).update(
                state=Job.State.QUEUED, due_at=now() + RESEND_AFTER, note="Interrupted; will be tried again."
            )
    else:
        _mine(job).update(state=Job.State.DONE, progress=100, note="", finished_at=now())


def sweep() -> int:
    """Queue again what a dead worker left behind, give up what failed too often, re-send what is overdue.

    Returns how many jobs were touched. Run by beat every few seconds, and once at start-up.
    """
    touched = 0
    stale = Job.objects.filter(state=Job.State.RUNNING, heartbeat_at__lt=now() - STALE_AFTER)
    for job in stale.filter(runs__gte=MAX_RUNS):
        _fail(job, "job.died", f"The worker died {job.runs} times while working on this; it was given up.")
        touched += 1
    touched += stale.filter(runs__lt=MAX_RUNS).update(
        state=Job.State.QUEUED, due_at=now(), note="The worker died; will be tried again."
    )
    for job in Job.objects.filter(state=Job.State.QUEUED, due_at__lte=now())[:500]:
        Job.objects.filter(pk=job.pk).update(due_at=now() + RESEND_AFTER)
        _wake(job)
        touched += 1
    return touched


def _wake(job: Job) -> None:
    from core.tasks import run_job  # the task imports this module

    try:
        run_job.apply_async((str(job.pk),), queue=_queues[job.name](job) if job.name in _queues else QUICK)
    except Exception:
        # The row is the truth: the sweeper sends it again when the broker is back.
        log.exception("job.not_sent", job=str(job.pk), name=job.name)


def _fail(job: Job, code: str, detail: str) -> None:
    failed = _mine(job).update(state=Job.State.FAILED, error_code=code, error_detail=detail, finished_at=now())
    if failed == 1 and job.name in _on_failed:
        job.refresh_from_db()
        _on_failed[job.name](job)


@contextmanager
def _beating(job: Job) -> Iterator[None]:
    """Touch the heartbeat from a thread while a handler works, so that long native calls do not look dead."""
    if connection.in_atomic_block:  # the caller's transaction hides the row from every other connection
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(HEARTBEAT.total_seconds()):
            try:
                _mine(job).update(heartbeat_at=now())
            except Exception:
                log.warning("job.heartbeat_missed", job=str(job.pk), exc_info=True)
        connection.close()

    thread = threading.Thread(target=beat, daemon=True, name=f"heartbeat-{job.pk}")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
