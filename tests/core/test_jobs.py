import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import time_machine
import yaml
from django.conf import settings

from core import jobs, supervisor
from core.clock import now
from core.models import Job
from core.problems import Problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def bench() -> Iterator[list[str]]:
    """Three handlers: one that works, one that crashes, one that refuses; and what was seen."""
    seen: list[str] = []

    def works(job: Job) -> None:
        jobs.report(job, 40, "half way")
        seen.append(str(job.args["word"]))

    def crashes(job: Job) -> None:
        seen.append(f"run {job.runs}")
        raise ZeroDivisionError

    def refuses(job: Job) -> None:
        raise Problem("media.odd", "The file is odd", detail="Very odd.")

    jobs.handler("test.works")(works)
    jobs.handler("test.crashes", on_failed=lambda job: seen.append(f"failed visibly: {job.error_code}"))(crashes)
    jobs.handler("test.refuses")(refuses)
    yield seen
    for name in ("test.works", "test.crashes", "test.refuses"):
        jobs._handlers.pop(name)
        jobs._on_failed.pop(name, None)


def test_a_job_runs_once(bench: list[str]) -> None:
    job = jobs.enqueue("test.works", word="hello")
    jobs.run(str(job.pk))
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.runs, job.progress, bench) == (Job.State.DONE, 1, 100, ["hello"])


def test_a_job_with_a_key_is_enqueued_once(bench: list[str]) -> None:
    first = jobs.enqueue("test.works", key="the key", word="one")
    second = jobs.enqueue("test.works", key="the key", word="two")
    assert first.pk == second.pk


def test_an_unknown_job_is_refused_at_once() -> None:
    with pytest.raises(RuntimeError, match="no handler"):
        jobs.enqueue("nobody.does_this")


def test_a_refusal_fails_the_job_with_its_words(bench: list[str]) -> None:
    job = jobs.enqueue("test.refuses")
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.error_code, job.error_detail) == (Job.State.FAILED, "media.odd", "Very odd.")


def test_a_crash_is_tried_three_times_and_then_fails_visibly(bench: list[str]) -> None:
    job = jobs.enqueue("test.crashes")
    for _ in range(5):
        jobs.run(str(job.pk))
    job.refresh_from_db()
    assert bench == ["run 1", "run 2", "run 3", "failed visibly: job.crashed"]
    assert (job.state, job.error_code) == (Job.State.FAILED, "job.crashed")


def test_a_job_of_a_dead_worker_is_queued_again(bench: list[str]) -> None:
    job = jobs.enqueue("test.works", word="again")
    dead = now() - dt.timedelta(minutes=1)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, runs=1, heartbeat_at=dead)
    assert jobs.sweep() >= 1
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.runs) == (Job.State.DONE, 2)


def test_a_job_whose_worker_died_three_times_is_given_up_visibly(bench: list[str]) -> None:
    job = jobs.enqueue("test.crashes")
    dead = now() - dt.timedelta(minutes=1)
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, runs=3, heartbeat_at=dead)
    jobs.sweep()
    job.refresh_from_db()
    assert (job.state, job.error_code) == (Job.State.FAILED, "job.died")
    assert bench == ["failed visibly: job.died"]


def test_a_living_worker_is_left_alone(bench: list[str]) -> None:
    job = jobs.enqueue("test.works", word="x")
    Job.objects.filter(pk=job.pk).update(state=Job.State.RUNNING, runs=1, heartbeat_at=now())
    jobs.sweep()
    job.refresh_from_db()
    assert job.state == Job.State.RUNNING


def test_a_lost_message_is_sent_again(bench: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    monkeypatch.setattr(jobs, "_wake", lambda job: sent.append(str(job.pk)))
    job = jobs.enqueue("test.works", word="x")
    assert jobs.sweep() == 0
    with time_machine.travel(now() + jobs.RESEND_AFTER, tick=False):
        assert jobs.sweep() == 1
    assert sent == [str(job.pk)]


def test_two_workers_woken_for_one_job_do_not_both_run_it(bench: list[str]) -> None:
    """The claim is a conditional UPDATE: the second worker comes exactly while the first one works."""
    job = jobs.enqueue("test.works", word="once")
    inner = jobs._handlers["test.works"]

    def interrupted(current: Job) -> None:
        jobs.run(str(job.pk))
        inner(current)

    jobs._handlers["test.works"] = interrupted
    jobs.run(str(job.pk))
    assert bench == ["once"]


def test_a_worker_taken_for_dead_that_wakes_up_ends_nothing(bench: list[str]) -> None:
    """While the first run works, the sweeper gives the job to a second one, which is still at it."""
    job = jobs.enqueue("test.works", word="late")

    def taken_over(current: Job) -> None:
        Job.objects.filter(pk=current.pk).update(runs=current.runs + 1)
        jobs.report(current, 90, "from the dead")

    jobs._handlers["test.works"] = taken_over
    jobs.run(str(job.pk))
    job.refresh_from_db()
    assert (job.state, job.runs, job.progress) == (Job.State.RUNNING, 2, 0)


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_caller_leaves_no_job_and_sends_nothing(
    bench: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import transaction

    sent: list[str] = []
    monkeypatch.setattr(jobs, "_wake", lambda job: sent.append(str(job.pk)))
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        jobs.enqueue("test.works", word="never")
        raise ZeroDivisionError
    assert (Job.objects.count(), sent) == (0, [])


def test_a_job_waits_in_the_queue_of_its_cost(
    bench: list[str], monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    sent: list[tuple[str, str]] = []
    monkeypatch.setattr("core.tasks.run_job.apply_async", lambda args, queue: sent.append((args[0], queue)))
    monkeypatch.setitem(jobs._queues, "test.crashes", lambda job: str(job.args["cost"]))
    with django_capture_on_commit_callbacks(execute=True):
        quick, slow = jobs.enqueue("test.works", word="x"), jobs.enqueue("test.crashes", cost=jobs.INFER)
    assert sent == [(str(quick.pk), jobs.QUICK), (str(slow.pk), jobs.INFER)]


def test_somebody_takes_from_every_queue() -> None:
    """A message in a queue that no worker is told of would wait for ever."""
    queues = {queue.name for queue in settings.CELERY_TASK_QUEUES}
    assert queues == {jobs.URGENT, jobs.QUICK, jobs.DETECT, jobs.INFER}
    assert all(queue.routing_key == queue.name for queue in settings.CELERY_TASK_QUEUES)
    commands = [list(service.argv) for service in supervisor.services("127.0.0.1", 8000)]
    compose = yaml.safe_load((settings.BASE_DIR / "deploy" / "compose.yaml").read_text())["services"]
    for told in (commands, [str(one.get("command", "")).split() for one in compose.values()]):
        taken = [argv[argv.index("-Q") + 1].split(",") for argv in told if "-Q" in argv]
        assert {queue for one in taken for queue in one} == queues
        assert all(jobs.URGENT in one for one in taken)
