"""Is the office well? The same checks answer `/healthz` and `manage.py doctor`. Upper rooms add theirs at start-up."""

import datetime as dt
import shutil
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core import isolation, landlock
from core.clock import now
from core.models import Job

QUEUE_AGE_LIMIT = dt.timedelta(minutes=5)
DISK_FREE_LIMIT = 512 << 20


@dataclass(frozen=True)
class Check:
    """One answer. detail: a sentence for the operator, saying what to do when not ok."""

    name: str
    ok: bool
    detail: str


_more: list[Callable[[], Check]] = []
# What a costly check answered last in this process, and when (monotonic).
_answers: dict[Callable[[], Check], tuple[float, Check]] = {}


def register(check: Callable[[], Check], *, costly: bool = False) -> None:
    """Add a check of an upper room (called from AppConfig.ready). costly: its answer may be some seconds old."""
    _more.append(check)
    if costly:
        _answers[check] = (float("-inf"), Check("", False, ""))


def checks(*, at_most: float = 0.0) -> list[Check]:
    """Run every check; one that breaks is a failed check, not an error.

    at_most: how many seconds old a costly check's answer may be.
    """
    every = (_database, _storage, _disk, _keys, _guard, _queue, *_more)
    return [_lately(check, at_most) if check in _answers else _safely(check) for check in every]


def _lately(check: Callable[[], Check], at_most: float) -> Check:
    at, answer = _answers[check]
    if time.monotonic() - at >= at_most:
        answer = _safely(check)
        _answers[check] = time.monotonic(), answer
    return answer


def _safely(check: Callable[[], Check]) -> Check:
    try:
        return check()
    except Exception as error:
        return Check(check.__name__.strip("_"), False, f"{type(error).__name__}: {error}")


def _database() -> Check:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        return Check("database", False, f"{len(waiting)} migrations are waiting: run `manage.py migrate`")
    return Check("database", True, f"{connection.vendor}, migrations applied")


def _storage() -> Check:
    storages["media"].exists("sha256/probe")
    return Check("storage", True, type(storages["media"]).__name__)


def _disk() -> Check:
    free = shutil.disk_usage(settings.ASSAY_VAR).free
    detail = f"{free >> 20} MiB free in the data folder"
    return Check("disk", free > DISK_FREE_LIMIT, detail if free > DISK_FREE_LIMIT else f"{detail}: make room")


def _keys() -> Check:
    folder = settings.ASSAY_KEYS
    # `.crt` and `.vkey` files are public; everything else in the folder is a secret.
    secrets = [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".crt", ".vkey", ".pem")]
    open_ones = [path.name for path in secrets if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_ones:
        return Check("keys", False, f"readable by others: {', '.join(sorted(open_ones))}; run chmod 600 on them")
    return Check("keys", True, f"{len(secrets)} secret files, mode 0600")


def _guard() -> Check:
    files = "this kernel has no Landlock: a broken parser could read files; give it its own user"
    if landlock.version():
        files = f"guarded children see only their own files (Landlock {landlock.version()})"
    return Check("guard", True, f"{files}; {_NETWORK[isolation.available()]}")


_NETWORK = {
    isolation.NAMESPACE: "they have no network",
    isolation.RULE: "network namespaces are refused here: TCP is closed to them, UDP is not",
    isolation.NOTHING: "warning: network namespaces are refused here and Landlock knows no network: a broken parser "
    "could reach the network; allow namespaces, or close the way out by a firewall",
}


def _queue() -> Check:
    oldest = Job.objects.filter(state=Job.State.QUEUED).order_by("created_at").first()
    age = now() - oldest.created_at if oldest else dt.timedelta()
    if age > QUEUE_AGE_LIMIT:
        return Check("queue", False, f"the oldest job waits {age}: is a worker running?")
    return Check("queue", True, f"oldest job waits {int(age.total_seconds())} s")
