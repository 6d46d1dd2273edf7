"""Small files that are there, whole, after a power cut as soon as they are written: content, name and folder. Pure.

fsync of a file makes durable what is in it, not its name: that is in the folder, which has an fsync of its own.
"""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


def write_once(path: Path, text: str, mode: int = 0o600) -> None:
    """Create the file; if another process was quicker, its file stays. Raises OSError."""
    with _scratch(path, text, mode) as scratch, contextlib.suppress(FileExistsError):
        os.link(scratch, path)
    sync_folder(path.parent)  # also where another process linked it: who goes on from here relies on it


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """Write the file, in the place of one that may be there. Raises OSError: then the old one is whole."""
    with _scratch(path, text, mode) as scratch:
        scratch.replace(path)
    sync_folder(path.parent)


def append(path: Path, text: str, mode: int = 0o600) -> None:
    """Add to the end of the file; after a power cut that may be there in part. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode)
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    sync_folder(path.parent)


def make_folder(folder: Path, mode: int = 0o700) -> None:
    """With those above it that are missing."""
    if not folder.is_dir():
        make_folder(folder.parent, 0o777)
        folder.mkdir(mode=mode, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _scratch(path: Path, text: str, mode: int) -> Iterator[Path]:
    make_folder(path.parent)
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            os.fchmod(handle, mode)  # whatever the umask
            file.write(text)
            file.flush()
            os.fsync(handle)
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)
