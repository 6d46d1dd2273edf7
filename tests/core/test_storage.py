import datetime as dt
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import storage
from core.storage import Empty, TooLarge


def test_a_stream_is_hashed_while_it_arrives() -> None:
    with storage.receive([b"one ", b"two"]) as scratch:
        assert scratch.path.read_bytes() == b"one two"
        assert scratch.sha256 == hashlib.sha256(b"one two").hexdigest()
        assert scratch.size == 7
    assert not scratch.path.exists()


def test_an_endless_stream_is_stopped_at_the_limit() -> None:
    read = 0

    def endless() -> Iterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x" * 1000

    with pytest.raises(TooLarge), storage.receive(endless(), limit=10_000):
        pass
    assert read == 11
    assert not list(storage.scratch_dir().iterdir())


def test_an_empty_stream_is_refused_and_leaves_nothing() -> None:
    with pytest.raises(Empty), storage.receive([]):
        pass
    assert not list(storage.scratch_dir().iterdir())


def test_the_same_bytes_are_stored_once() -> None:
    first, _ = storage.keep_bytes(b"the same")
    second, _ = storage.keep_bytes(b"the same")
    assert first == second
    with storage.open_file(first) as file:
        assert file.read() == b"the same"


def test_a_local_copy_is_private_and_goes_away() -> None:
    key, _ = storage.keep_bytes(b"content")
    with storage.local_copy(key) as path:
        path.write_bytes(b"scribbled on")
    assert not path.exists()
    with storage.open_file(key) as file:
        assert file.read() == b"content"


def test_what_a_killed_process_left_is_swept_and_what_is_in_use_is_not() -> None:
    old, fresh = storage.scratch_dir() / "upload-old", storage.scratch_dir() / "upload-fresh"
    old.write_bytes(b"half a file")
    fresh.write_bytes(b"arriving")
    os.utime(old, (0, 0))
    assert storage.sweep_uploads() == 1
    assert not old.exists()
    assert fresh.exists()


def test_orphans_are_files_no_row_names(monkeypatch: pytest.MonkeyPatch) -> None:
    named, _ = storage.keep_bytes(b"named")
    orphan, _ = storage.keep_bytes(b"orphan")
    monkeypatch.setattr(storage, "_references", [lambda: [named]])
    time.sleep(0.01)
    assert list(storage.orphans(older_than=dt.timedelta())) == [orphan]
    assert list(storage.orphans()) == []


def test_stored_files_are_private_to_the_service() -> None:
    key, _ = storage.keep_bytes(b"private")
    from django.core.files.storage import storages

    assert Path(storages["media"].path(key)).stat().st_mode & 0o077 == 0
