"""Alarms about the log: what a person must look at before the log may be believed again, or before it signs again.

One row a kind: "guard", "key", "quorum", "stamp", "witness:<name>". While an alarm that halts is open, the sequencer
gives no signature (`ledger.sequencer`). What is wrong and what to do is in the message.
"""

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext

from core.health import Check
from ledger.models import Alarm

log = structlog.get_logger()


def raise_alarm(kind: str, message: str, *, halts: bool = True) -> None:
    """Durable when it returns; nothing happens if an alarm of this kind is open. RuntimeError in a transaction."""
    with transaction.atomic(durable=True):
        _, new = Alarm.objects.get_or_create(kind=kind, defaults={"message": message, "halts": halts})
    if new:
        log.error("alarm about the log", alarm=kind, halts=halts, message=message)


def clear(kind: str) -> None:
    """The condition is over, or a person vouches for it. Nothing happens if no alarm of this kind is open."""
    if Alarm.objects.filter(kind=kind).delete()[0]:
        log.info("alarm about the log cleared", alarm=kind)


def clear_warning(kind: str) -> None:
    """As `clear`, but an alarm that halts stays."""
    if not Alarm.objects.filter(kind=kind, halts=True).exists():
        clear(kind)


def open_alarms() -> list[Alarm]:
    """Oldest first."""
    return list(Alarm.objects.order_by("raised_at", "pk"))


def halting() -> Alarm | None:
    """The oldest open alarm because of which nothing may be signed."""
    return Alarm.objects.filter(halts=True).order_by("raised_at", "pk").first()


def check() -> Check:
    """For `core.health`: `/healthz` and `manage.py doctor`."""
    found = open_alarms()
    if not found:
        return Check("log", True, gettext("no alarm about %(origin)s") % {"origin": settings.ASSAY_LOG_ORIGIN})
    return Check("log", False, " ".join(f"{alarm.kind}: {alarm.message}" for alarm in found))
