"""Celery's doors into this room: what beat has done once a minute."""

from celery import shared_task

from policy import clocks, operators


@shared_task(name="policy.strike", ignore_result=True, expires=50)
def strike() -> None:
    clocks.strike()


@shared_task(name="policy.tell_alarms", ignore_result=True, expires=50)
def tell_alarms() -> None:
    operators.tell_of_alarms()
