"""The audit that beat runs every night: it raises and clears alarms, and leaves its result for the doctor."""

import datetime as dt
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog
from django.utils.translation import gettext as _

from core.clock import now
from core.health import Check
from ledger import alarms, head, reconciliation
from ledger.audit import Audit, Broken, check_log

log = structlog.get_logger()

ALARM: Final = "audit"
ROWS: Final = "rows"
SHOWN: Final = 20
_OVERDUE: Final = dt.timedelta(hours=50)  # one night may fail, two are noticed


@dataclass(frozen=True)
class Result:
    """What an audit found. broken: why the log is not whole. rows: how many rows and entries disagree. undone: why
    there is no verdict. unchecked: what could not be checked, and why, in sentences.
    """

    at: dt.datetime
    seconds: float
    entries: int
    broken: str
    rows: int
    undone: str = ""
    unchecked: list[str] = field(default_factory=list)


def run() -> Result:
    """Audit log and rows, raise or clear the alarms "audit" (it halts) and "rows" (it does not), keep the result.

    With database roles (`ledger.roles`) this process may not clear "audit": a person does, `manage.py alarms --clear`.

    An audit that cannot be made now, because the database or the key store is away, changes nothing: its error is the
    caller's, who tries again. One that fails otherwise is an alarm "audit" that does not halt.
    """
    began = time.monotonic()
    audit, broken, undone = _audit()
    if broken:
        _alarm(ALARM, _("The nightly audit found the log broken: %(why)s.") % {"why": broken}, halts=True)
    else:
        _alarm(ALARM, _("The nightly audit could not be done: %(why)s.") % {"why": undone} if undone else "")
    rows = reconciliation.disagreements(SHOWN)
    # It is said, and signing goes on: who may write rows must not be able to stop the log by writing a wrong one.
    _alarm(ROWS, " ".join([_("Rows and log disagree, see `manage.py check_log`."), *rows[:1]]) if rows else "")
    seconds = round(time.monotonic() - began, 3)
    result = Result(now(), seconds, audit.entries, broken, len(rows), undone, audit.unchecked)
    _keep(result)
    return result


def _audit() -> tuple[Audit, str, str]:
    """What was checked, why the log is broken, why there is no verdict."""
    try:
        return check_log(), "", ""
    except Broken as error:
        return Audit(), str(error), ""
    except reconciliation.AWAY:
        raise
    except Exception as error:  # or one odd row would keep every later night without an audit, and without a word
        log.error("the audit could not be done", exc_info=True)
        return Audit(), "", f"{type(error).__name__}: {error}"


def _alarm(kind: str, message: str, *, halts: bool = False) -> None:
    """An open alarm that halts stays, one that does not gives way to it."""
    if not message or (halts and any(one.kind == kind and not one.halts for one in alarms.open_alarms())):
        alarms.clear(kind)
    if message:
        alarms.raise_alarm(kind, message, halts=halts)


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
        return Check(
            "audit",
            True,
            _("no nightly audit was made on this host yet; `manage.py check_log` audits now"),
        )
    ok, verdict = _verdict(found)
    return Check("audit", ok, " ".join([verdict, *(_("Not checked: %s") % words for words in found.unchecked)]))


def _verdict(found: Result) -> tuple[bool, str]:
    about = {
        "at": f"{found.at:%Y-%m-%d %H:%M} UTC",
        "entries": found.entries,
        "seconds": found.seconds,
        "why": found.broken,
        "rows": found.rows,
        "undone": found.undone,
    }
    if found.broken:
        return False, _("%(at)s: the log is broken: %(why)s") % about
    if found.undone:
        return False, _("%(at)s: the audit could not be done: %(undone)s") % about
    if found.rows:
        return False, _("%(at)s: %(rows)s rows and entries disagree: run `manage.py check_log`.") % about
    if now() - found.at > _OVERDUE:
        return False, _("the last audit passed at %(at)s, too long ago: is beat running?") % about
    return True, _("%(at)s: %(entries)s entries are whole, checked in %(seconds)s s.") % about


def _keep(result: Result) -> None:
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps({**vars(result), "at": result.at.isoformat()}), encoding="utf-8")
    scratch.replace(path)


def _path() -> Path:
    """`audit`, in the folder of the head guard: not in the database, whose owner it is about."""
    return head.head_path().parent / "audit"
