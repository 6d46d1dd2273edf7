"""Celery's doors into this room: what beat has done once an hour."""

from celery import shared_task

from detection import drift


@shared_task(name="detection.watch_drift", ignore_result=True, expires=3000)
def watch_drift() -> None:
    drift.watch()
