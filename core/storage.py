"""The storage door: content-addressed files (local folder or S3), and uploads that become content only when whole.

A file's key is `sha256/ab/cd/<hex>`: written once, never changed, shared by every row that names it. Uploads stream
into a scratch folder on local disk first; what a killed process leaves there is swept after an hour or at start-up.
"""

import datetime as dt
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog
from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.files.base import File
from django.core.files.storage import storages

from core.clock import now
from core.problems import Problem

log = structlog.get_logger()

SCRATCH_LIFE = dt.timedelta(hours=1)
ORPHAN_LIFE = dt.timedelta(days=1)
CHUNK = 1 << 20


@dataclass(frozen=True)
class Scratch:
    """A whole upload in the scratch folder. sha256: lower-case hex. size: bytes."""

    path: Path
    sha256: str
    size: int


class TooLarge(Problem, SuspiciousOperation):
    """Also a SuspiciousOperation, so that Django turns it into a 4xx wherever in the stack the body is read."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            "media.too_large",
            "The file is too large",
            status=413,
            detail=f"This office accepts files of at most {limit // (1 << 20)} MiB; reading stopped there.",
            next_step="Send a smaller rendition, or ask the operator to raise ASSAY_MAX_UPLOAD_MB.",
        )


class Empty(Problem):
    def __init__(self) -> None:
        super().__init__(
            "media.empty",
            "The file is empty",
            detail="No byte arrived.",
            next_step="Check that the file opens on your own device, then send it again.",
        )


def scratch_dir() -> Path:
    folder = Path(settings.ASSAY_VAR) / "scratch"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def receive(chunks: Iterable[bytes], *, limit: int | None = None) -> Iterator[Scratch]:
    """Stream chunks to a scratch file while hashing; the file is gone when the block ends.

    limit: bytes; by default settings.ASSAY_MAX_UPLOAD_BYTES. Raises TooLarge as soon as it is passed, Empty.
    """
    limit = settings.ASSAY_MAX_UPLOAD_BYTES if limit is None else limit
    handle, name = tempfile.mkstemp(dir=scratch_dir(), prefix="upload-")
    path = Path(name)
    try:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(handle, "wb") as file:
            for chunk in chunks:
                size += len(chunk)
                if size > limit:
                    raise TooLarge(limit)
                digest.update(chunk)
                file.write(chunk)
        if size == 0:
            raise Empty
        yield Scratch(path, digest.hexdigest(), size)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def scratch_path(suffix: str = "") -> Iterator[Path]:
    """A path in the scratch folder for a tool's output; removed when the block ends."""
    with tempfile.TemporaryDirectory(dir=scratch_dir(), prefix="work-") as folder:
        yield Path(folder) / f"file{suffix}"


def key_of(sha256: str) -> str:
    return f"sha256/{sha256[:2]}/{sha256[2:4]}/{sha256}"


def keep(path: Path, sha256: str) -> str:
    """Store a local file under its content's key, whose bytes are never rewritten. Returns the key."""
    key, store = key_of(sha256), storages["media"]
    if not _renewed(key):
        with scratch_path() as whole:
            _link_or_copy(path, whole)
            with whole.open("rb") as file:
                saved = store.save(key, _Whole(file))
        if saved != key:  # another process was quicker, and Django gave ours another name
            store.delete(saved)
    return key


def _renewed(key: str) -> bool:
    """Whether the file is there, its age set back: the orphan sweep must not take it before the caller commits."""
    store = storages["media"]
    if not store.exists(key):
        return False
    try:
        os.utime(store.path(key))
    except NotImplementedError:
        return False  # an object store renews a file by writing the same bytes again
    except FileNotFoundError:  # swept this very moment
        return False
    return True


class _Whole(File):  # type: ignore[type-arg]  # generic in the stubs only
    """Django moves a file that has a path of its own, so a killed process never leaves half a file under a key."""

    def temporary_file_path(self) -> str:
        return str(self.name)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def exists(key: str) -> bool:
    return storages["media"].exists(key)


def digest(path: Path) -> tuple[str, int]:
    """SHA-256 (lower-case hex) and size in bytes of a local file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def keep_bytes(data: bytes) -> tuple[str, str]:
    """Store bytes; returns (key, sha256 hex)."""
    sha256 = hashlib.sha256(data).hexdigest()
    with scratch_path() as path:
        path.write_bytes(data)
        return keep(path, sha256), sha256


class Missing(Problem):
    """A row names a file that the store does not have: the office's fault, and the operator must hear of it."""

    def __init__(self, key: str) -> None:
        log.error("storage.missing", key=key)
        super().__init__(
            "office.file_missing",
            "The file cannot be read just now",
            status=503,
            detail="The register knows this file, but the store did not give it out.",
            next_step="Try again later; if it happens again, tell the operator.",
        )


def open_file(key: str) -> IO[bytes]:
    """Open a stored file for reading; the caller closes it. Raises Missing."""
    try:
        return storages["media"].open(key, "rb")
    except FileNotFoundError as error:
        raise Missing(key) from error


@contextmanager
def local_copy(key: str, suffix: str = "") -> Iterator[Path]:
    """A local, private copy of a stored file, for tools that want a path."""
    with scratch_path(suffix) as path:
        with open_file(key) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK)
        yield path


def remove(key: str) -> None:
    """Delete a stored file. The caller has made sure that no row names it."""
    storages["media"].delete(key)


def sweep_uploads(*, older_than: dt.timedelta = SCRATCH_LIFE) -> int:
    """Remove what killed processes left in the scratch folder. Returns how many things were removed."""
    horizon, removed = (now() - older_than).timestamp(), 0
    for left in scratch_dir().iterdir():
        try:
            if left.stat().st_mtime > horizon:
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
            removed += 1
        except FileNotFoundError:
            continue
    return removed


# Upper rooms say which keys their rows name; what nobody names (a crash between `keep` and commit) is an orphan.
_references: list[Callable[[], Iterable[str]]] = []


def register_references(keys: Callable[[], Iterable[str]]) -> None:
    """Called at start-up by each app whose rows hold storage keys."""
    _references.append(keys)


def orphans(*, older_than: dt.timedelta = SCRATCH_LIFE) -> Iterator[str]:
    """Keys stored longer than `older_than` that no row names."""
    named = {key for keys in _references for key in keys()}
    store = storages["media"]
    for key in _walk("sha256"):
        if key not in named and store.get_modified_time(key) < now() - older_than:
            yield key


def sweep_orphans(*, older_than: dt.timedelta = ORPHAN_LIFE) -> int:
    """Remove stored files that no row has named for `older_than`. Returns how many. Run by beat once a day.

    `keep` renews the age of a file it finds, so one that a running registration is about to name is not taken.
    """
    removed = 0
    for key in list(orphans(older_than=older_than)):
        if storages["media"].get_modified_time(key) < now() - older_than:
            remove(key)
            removed += 1
    return removed


def _walk(folder: str) -> Iterator[str]:
    store = storages["media"]
    try:
        folders, files = store.listdir(folder)
    except FileNotFoundError:
        return
    yield from (f"{folder}/{name}" for name in files)
    for name in folders:
        yield from _walk(f"{folder}/{name}")
