"""Operators are written to when an alarm about the log is raised: each once, about each alarm."""

from django.conf import settings
from django.core.mail import send_mail

from accounts.models import Role, User
from core import jobs
from core.models import Job
from ledger import alarms


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
