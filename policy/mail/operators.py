"""Who runs the office is written to, each once: of an alarm about the log; of a request about personal data, a breach
or a hold that waits for a person, and again when its time is nearly over.
"""

import datetime as dt
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Q, QuerySet

from accounts.models import Role, User
from core import jobs
from core.clock import now
from core.models import Job
from ledger import alarms
from policy.authority import ACTS, Act
from policy.mail import letters
from policy.models import Clock
from policy.rights import holds

NEW: Final = dt.timedelta(days=1)
# Of the month for a request and the 72 hours for a breach.
NEAR: Final = {Clock.Purpose.DATA_REQUEST: dt.timedelta(days=5), Clock.Purpose.BREACH: dt.timedelta(days=1)}
_PAGES: Final = {
    Clock.Purpose.DATA_REQUEST: ("A request about personal data", "/operations/data/"),
    Clock.Purpose.BREACH: ("A breach of personal data", "/operations/breaches/"),
}


def tell_of_alarms() -> None:
    """Asked by beat, every minute: who raises an alarm may be a process that cannot read who the operators are."""
    for alarm in alarms.open_alarms():
        operators = User.objects.filter(is_active=True, memberships__role=Role.OPERATOR).distinct()
        for pk in operators.values_list("pk", flat=True):
            jobs.enqueue("policy.tell_alarm", key=f"alarm:{alarm.pk}:{pk}", alarm=alarm.pk, user=str(pk))


@jobs.handler("policy.tell_alarm")
def _tell(job: Job) -> None:
    alarm = next((alarm for alarm in alarms.open_alarms() if alarm.pk == job.args["alarm"]), None)
    user = User.objects.filter(pk=job.args["user"], is_active=True).first()
    if alarm is None or user is None:
        return
    office = settings.ASSAY_OFFICE_NAME
    stops = "Nothing more is signed until it is over." if alarm.halts else "The log goes on meanwhile."
    body = f"{alarm.message}\n\n{stops} This office is {office}, {settings.ASSAY_URL}\n"
    send_mail(f"{office}: alarm about the log ({alarm.kind})", body, None, [user.email])


# --- What is owed to people ----------------------------------------------------------------------------------------


def tell_of_duties() -> int:
    """Of what began in the last day, of what is nearly due, of holds on their day. Run by beat; returns how many."""
    roles = ACTS[Act.ANSWER_DATA_REQUEST].roles
    users = User.objects.filter(is_active=True, memberships__role__in=roles).distinct()
    clocks, reviews = list(_clocks()), list(holds.in_force().filter(review_date__lte=now().date()))
    for pk in users.values_list("pk", flat=True) if clocks or reviews else ():
        for clock in clocks:
            # One mail, also where several laws count: of the clock that ends first.
            key = f"duty:{clock.data_request_id or clock.breach_id}:{'near' if _is_near(clock) else 'new'}:{pk}"
            jobs.enqueue("policy.tell_clock", key=key, clock=str(clock.pk), user=str(pk))
        for hold in reviews:
            key = f"hold:{hold.pk}:{hold.review_date}:{pk}"
            jobs.enqueue("policy.tell_hold", key=key, hold=str(hold.pk), user=str(pk))
    return len(clocks) + len(reviews)


def _clocks() -> QuerySet[Clock]:
    wanted = Q(created_at__gte=now() - NEW)
    for purpose, span in NEAR.items():
        wanted |= Q(purpose=purpose, due_at__lt=now() + span)
    return Clock.objects.filter(wanted, purpose__in=NEAR, state=Clock.State.RUNNING).order_by("due_at")


def _is_near(clock: Clock) -> bool:
    return clock.due_at is not None and clock.due_at < now() + NEAR[Clock.Purpose(clock.purpose)]


@jobs.handler("policy.tell_clock")
def _tell_of_clock(job: Job) -> None:
    clock = Clock.objects.filter(pk=job.args["clock"], state=Clock.State.RUNNING).first()
    user = User.objects.filter(pk=job.args["user"], is_active=True).first()
    if clock is None or user is None:
        return
    subject, path = _PAGES[Clock.Purpose(clock.purpose)]
    due = f"due by {clock.due_at:%Y-%m-%d %H:%M} UTC" if clock.due_at else "without a date"
    letters.send(user.email, subject, f"{subject} waits for you, {due}", path)


@jobs.handler("policy.tell_hold")
def _tell_of_hold(job: Job) -> None:
    hold = holds.in_force().filter(pk=job.args["hold"]).first()
    user = User.objects.filter(pk=job.args["user"], is_active=True).first()
    if hold is not None and user is not None and holds.overdue(hold):
        letters.send(user.email, "A legal hold", "A legal hold is to be looked at again", "/operations/holds/")
