"""The head guard: the last size and root this log has signed, kept outside the database and its backups.

Before each signature the sequencer compares and swaps it. A database that was restored from an older backup, or lost
its last commits, no longer agrees with it, and nothing is signed: a log that signs two histories is worth nothing.
The file holds the body of the last checkpoint (origin, size, root).
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from ledger import durable
from ledger.notes import BadNote, TreeHead, parse_tree_head


class HeadMismatch(RuntimeError):
    """The database is not the one that was last signed. Nothing was signed; the message says what to do."""


def head_path() -> Path:
    """`ASSAY_LOG_HEAD`, by default `ledger/head` in the data folder."""
    return Path(getattr(settings, "ASSAY_LOG_HEAD", None) or Path(settings.ASSAY_VAR) / "ledger" / "head")


@contextmanager
def only_one(wait: float = 0) -> Iterator[bool]:
    """True for the one process that may sequence and sign now; False for every other, after `wait` seconds."""
    path = head_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(handle, time.monotonic() + wait)
    finally:
        os.close(handle)


def _lock(handle: int, until: float) -> bool:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.02)
        else:
            return True


def last_signed() -> TreeHead | None:
    """None when nothing was ever signed. Raises HeadMismatch when the file cannot be read as a head."""
    try:
        return parse_tree_head(head_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (BadNote, UnicodeDecodeError) as error:
        raise HeadMismatch(
            f"The head guard {head_path()} is damaged ({error}). Nothing was signed. Run `manage.py check_log`; if it"
            " passes and you know that no newer checkpoint was published, run `manage.py sequencer --adopt-head`."
        ) from error


def swap(expected: TreeHead | None, new: TreeHead) -> None:
    """Replace the head, durably, if it still is `expected`; the caller holds `only_one`. Raises HeadMismatch."""
    if last_signed() != expected:
        raise HeadMismatch("The head guard changed while this checkpoint was made. Nothing was signed; try again.")
    durable.replace(head_path(), new.text())
