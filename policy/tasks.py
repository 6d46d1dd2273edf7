"""Celery's doors into this room: what beat has done once a minute."""

from typing import Final

from celery import shared_task

from core import beat
from policy.audits import downloads, regulators
from policy.consents import consent
from policy.deciding import decisions, hashlist, removals, suspensions
from policy.desk import cases
from policy.filing import counter_notices, court_actions, misuse
from policy.hooks import deliveries as web_hooks
from policy.law import clocks
from policy.mail import operators
from policy.redress import appeal_dialogue, out_of_court
from policy.rights import data_answers, data_letters, retained
from policy.transparency import proposals, register

# A statute's days end in some of these: none waits for a fault in another.
MINUTE: Final = (
    clocks.reach_pending,
    clocks.miss,
    clocks.lapse,
    clocks.close_windows,
    cases.stop_waiting,
    consent.expire,
    regulators.expire,
    downloads.lapse,
    appeal_dialogue.lapse,
    out_of_court.finalise,
    court_actions.lift_unlooked,
    counter_notices.restore_due,
    misuse.run_out,
    decisions.expire,
    suspensions.run_out,
    removals.run,
    hashlist.tidy,
    data_answers.settle,
    data_letters.lapse,
    operators.tell_of_duties,
    register.leave_out_children,
    register.release_due,
    proposals.close_due,
)


@shared_task(name="policy.strike", ignore_result=True, expires=50)
def strike() -> None:
    beat.every(*MINUTE)


@shared_task(name="policy.serve_hooks", ignore_result=True, expires=50)
def serve_hooks() -> None:
    web_hooks.serve()


@shared_task(name="policy.tell_alarms", ignore_result=True, expires=50)
def tell_alarms() -> None:
    operators.tell_of_alarms()


@shared_task(name="policy.retain", ignore_result=True, expires=3600)
def retain() -> None:
    retained.daily()
