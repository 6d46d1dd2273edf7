"""Celery's doors into the ledger: what beat has done at its hours."""

import contextlib

from celery import shared_task

from ledger import erasures, nightly, reconciliation, timestamping


@shared_task(name="ledger.complete_erasures", ignore_result=True, expires=3600)
def complete_erasures() -> None:
    erasures.nightly()


@shared_task(name="ledger.stamp", ignore_result=True, expires=1800)
def stamp() -> None:
    with contextlib.suppress(timestamping.NotStamped):  # it raised an alarm
        timestamping.stamp()


@shared_task(
    name="ledger.audit", ignore_result=True, expires=3600, autoretry_for=reconciliation.AWAY, default_retry_delay=600
)
def audit() -> None:
    nightly.run()
