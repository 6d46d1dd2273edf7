"""Operators are written to when a detector's scores have shifted: each once, about each alarm.

As `policy.mail.operators` does for alarms about the log. The letters are queued in the transaction of the alarm and its
entry, and go out when that commits.
"""

from django.conf import settings
from django.core.mail import send_mail

from accounts.models import Role, User
from core import jobs
from core.models import Job
from detection.models import DriftWindow


def tell_operators(window: DriftWindow) -> None:
    """To be called in the transaction in which `window` is written."""
    operators = User.objects.filter(is_active=True, memberships__role=Role.OPERATOR).distinct()
    for pk in operators.values_list("pk", flat=True):
        jobs.enqueue("detection.tell_drift", key=f"drift:{window.pk}:{pk}", window=str(window.pk), user=str(pk))


@jobs.handler("detection.tell_drift")
def _tell(job: Job) -> None:
    """Nothing where somebody has looked into it meanwhile, or the operator has left."""
    window = DriftWindow.objects.filter(pk=job.args["window"], cleared_at=None).first()
    user = User.objects.filter(pk=job.args["user"], is_active=True).first()
    if window is None or user is None:
        return
    office = settings.ASSAY_OFFICE_NAME
    send_mail(f"{office}: the scores of {window.detector} have shifted", _body(window, office), None, [user.email])


def _body(window: DriftWindow, office: str) -> str:
    return (
        f"The last {window.size} scores of the detector {window.detector} on works of {window.source} no longer look as"
        f" they did (Kolmogorov-Smirnov p {window.ks_p}; population stability index {window.psi},"
        f" p {window.psi_p}).\n\n"
        "Its error rates may not hold for what comes in now. Look at that first; then roll back (manage.py model"
        " rollback) or clear the alarm (manage.py model drift --clear). Nothing was changed by itself.\n\n"
        f"This office is {office}, {settings.ASSAY_URL}\n"
    )
