"""Celery's doors into this room."""

from celery import shared_task

from provenance import kept


@shared_task(name="provenance.expire_reports", ignore_result=True, expires=3600)
def expire_reports() -> None:
    kept.expire()
