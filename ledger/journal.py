"""The journal of erasures: the digest of every destroyed key, beside the head guard, outside the database and its
backups. A database restored from an older backup still has those keys; the journal says which must go again.

One line each: SHA-256("assay-erased-key/1\\n" || key id) in hex, a space, the time. Key ids are random and used once:
a digest says nothing about a person to who has not the key itself. The log's `erasure:performed` entries say the same
in public; they are the truth, and this file is completed from them (`ledger.erasures`).
"""

import fcntl
import hashlib
import os
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from core.clock import now
from ledger import durable, head

_CONTEXT = b"assay-erased-key/1\n"
_LINE = re.compile(r"([0-9a-f]{64}) [0-9TZ:.+-]{10,40}", re.ASCII)


@dataclass(frozen=True)
class Journal:
    """keys: digests, hex. damaged: lines that cannot be read, such as one cut short by a power cut."""

    keys: frozenset[str]
    damaged: int


def path() -> Path:
    """`erasures`, in the folder of the head guard."""
    return head.head_path().parent / "erasures"


def key_digest(key: uuid.UUID) -> str:
    """How log and journal name a destroyed key: 64 hex digits."""
    return hashlib.sha256(_CONTEXT + key.bytes).hexdigest()


def read() -> Journal:
    """Everything noted so far; empty when there is no file. Raises OSError when it cannot be read."""
    try:
        lines = path().read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return Journal(frozenset(), 0)
    found = [_LINE.fullmatch(line) for line in lines if line]
    return Journal(frozenset(match[1] for match in found if match), sum(match is None for match in found))


def add(digests: Iterable[str]) -> None:
    """Append, durably. A digest noted twice does no harm. Raises OSError."""
    at = now().isoformat()
    text = "".join(f"{digest} {at}\n" for digest in digests)
    if not text:
        return
    path().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path(), os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _write(handle, (b"\n" if _cut_short(handle) else b"") + text.encode("ascii"))
    finally:
        os.close(handle)
    durable.sync_folder(path().parent)


def _cut_short(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return size > 0 and os.pread(handle, 1, size - 1) != b"\n"


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
    os.fsync(handle)
