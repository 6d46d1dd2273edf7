"""A file that was written is there after a power cut: its content was synced before its name, and its folder after."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import durable


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """What was synced, in order: "file", or a folder's name, and the names that were in that folder then."""
    seen: list[tuple[str, list[str]]] = []

    def fsync(handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            seen.append((path.name, sorted(one.name for one in path.iterdir())))
        else:
            seen.append(("file", []))

    monkeypatch.setattr(os, "fsync", fsync)
    return seen


@pytest.mark.parametrize("write", [durable.write_once, durable.replace])
def test_the_content_is_synced_first_and_the_folder_when_it_has_the_name(
    tmp_path: Path, synced: list[tuple[str, list[str]]], write: Callable[[Path, str], None]
) -> None:
    path = tmp_path / "var" / "keys" / "vault-1.key"
    write(path, "secret\n")
    steps = [name for name, _ in synced]
    assert steps[1:] == ["var", "file", "keys"], "new folders are names in their folders, too"
    assert "vault-1.key" in synced[-1][1]
    assert path.read_text() == "secret\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["vault-1.key"]


def test_what_another_process_wrote_stays_and_is_synced_before_anybody_relies_on_it(
    tmp_path: Path, synced: list[tuple[str, list[str]]]
) -> None:
    (tmp_path / "key").write_text("first\n")
    durable.write_once(tmp_path / "key", "second\n")
    assert (tmp_path / "key").read_text() == "first\n"
    assert synced[-1] == (tmp_path.name, ["key"])


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "head").write_text("old\n")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        durable.replace(tmp_path / "head", "new\n")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("head", "old\n")]
