"""Celery's door into `policy.clocks`: the hour strikes once a minute."""

from celery import shared_task

from policy import clocks


@shared_task(name="policy.strike", ignore_result=True, expires=50)
def strike() -> None:
    clocks.strike()
