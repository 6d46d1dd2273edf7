"""The audit that beat runs every night: it raises and clears alarms, and leaves its result for the doctor."""

import datetime as dt
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.utils.translation import gettext as _

from core.clock import now
from core.health import Check
from ledger import alarms, head, reconciliation
from ledger.audit import Audit, Broken, check_log

ALARM: Final = "audit"
ROWS: Final = "rows"
SHOWN: Final = 20
_OVERDUE: Final = dt.timedelta(hours=50)  # one night may fail, two are noticed


@dataclass(frozen=True)
class Result:
    """An audit that reached a verdict. broken: why the log is not whole. rows: how many rows and entries disagree."""

    at: dt.datetime
    seconds: float
    entries: int
    broken: str
    rows: int


def run() -> Result:
    """Audit log and rows, raise or clear the alarms "audit" (it halts) and "rows" (it does not), keep the result.

    An audit that cannot be made, because the database is away, changes nothing: its error is the caller's.
    """
    began, broken, audit = time.monotonic(), "", Audit()
    try:
        audit = check_log()
    except Broken as error:
        broken = str(error)
    rows = reconciliation.disagreements(SHOWN)
    _alarm(ALARM, _("The nightly audit found the log broken: %(why)s.") % {"why": broken} if broken else "", halts=True)
    # It is said, and signing goes on: who may write rows must not be able to stop the log by writing a wrong one.
    _alarm(ROWS, " ".join([_("Rows and log disagree, see `manage.py check_log`."), *rows[:1]]) if rows else "")
    result = Result(now(), round(time.monotonic() - began, 3), audit.entries, broken, len(rows))
    _keep(result)
    return result


def _alarm(kind: str, message: str, *, halts: bool = False) -> None:
    if message:
        alarms.raise_alarm(kind, message, halts=halts)
    else:
        alarms.clear(kind)


def last() -> Result | None:
    """None if none was made on this host, or its result cannot be read."""
    try:
        kept: dict[str, Any] = json.loads(_path().read_text(encoding="utf-8"))
        return Result(**{**kept, "at": dt.datetime.fromisoformat(kept["at"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def check() -> Check:
    """For `core.health`."""
    found = last()
    if found is None:
        return Check("audit", True, _("no nightly audit was made on this host yet (`manage.py check_log` makes one)"))
    about = {
        "at": f"{found.at:%Y-%m-%d %H:%M} UTC",
        "entries": found.entries,
        "seconds": found.seconds,
        "why": found.broken,
        "rows": found.rows,
    }
    if found.broken:
        return Check("audit", False, _("%(at)s: the log is broken: %(why)s") % about)
    if found.rows:
        return Check("audit", False, _("%(at)s: %(rows)s rows and entries disagree: run `manage.py check_log`") % about)
    if now() - found.at > _OVERDUE:
        return Check("audit", False, _("the last audit passed at %(at)s, too long ago: is beat running?") % about)
    return Check("audit", True, _("%(at)s: %(entries)s entries are whole, checked in %(seconds)s s") % about)


def _keep(result: Result) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps({**vars(result), "at": result.at.isoformat()}), encoding="utf-8")
    scratch.replace(path)


def _path() -> Path:
    """`audit`, in the folder of the head guard: not in the database, whose owner it is about."""
    return head.head_path().parent / "audit"
