"""Celery's doors into `core.jobs`. There is one task for all work: the row says what to do."""

from celery import shared_task

from core import jobs, storage


@shared_task(name="core.run_job", acks_late=True, ignore_result=True)
def run_job(job_id: str) -> None:
    jobs.run(job_id)


@shared_task(name="core.sweep", ignore_result=True, expires=10)
def sweep() -> None:
    jobs.sweep()
    storage.sweep_uploads()


@shared_task(name="core.sweep_orphans", ignore_result=True, expires=3600)
def sweep_orphans() -> None:
    storage.sweep_orphans()
