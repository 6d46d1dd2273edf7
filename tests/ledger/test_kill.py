"""A writer and sequencer killed at any moment, a database put back from an older copy: real processes, real files."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests import processes

pytestmark = pytest.mark.xdist_group("kill")  # a fresh installation is made once

# A loaded machine may need this long, in seconds, for what takes one or two alone.
SLOW = 120
ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def office(migrated: Path, tmp_path: Path) -> Path:
    """The data folder of a fresh embedded installation."""
    return shutil.copytree(migrated, tmp_path / "var")


def environment(var: Path) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    return {**clean, "ASSAY_VAR": str(var)}


def manage(var: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    done = processes.run("manage.py", *arguments, environment=environment(var))
    assert "Traceback" not in done.stderr, done.stderr
    return done


def write(var: Path, count: int) -> int:
    """Append so many entries, in another process; its exit status."""
    return processes.run("-m", "tests.ledger.office", str(count), environment=environment(var)).returncode


def rows(var: Path, query: str) -> list[str]:
    with closing(sqlite3.connect(var / "assay.sqlite3")) as database:
        return [str(row[0]) for row in database.execute(query)]


def test_after_every_kill_nothing_acknowledged_is_lost_and_no_row_lacks_its_entry() -> None:
    """Writers and sequencers, killed in the middle of anything; then everything is derived again."""
    command = [sys.executable, "-m", "tests.ledger.crash_cycles", "--cycles", "6", "--database", "sqlite"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3 * SLOW, check=False)
    summary = json.loads(done.stdout)
    assert summary["whole"], (summary, done.stderr)
    assert summary["found"]["entries"] >= summary["acknowledged"] > 6
    assert sum(summary["killed"].values()) == 6


def test_the_sequencer_signs_what_arrives_and_stops_when_told(office: Path) -> None:
    command = [sys.executable, "manage.py", "sequencer", "--interval", "0.05"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(office), stderr=subprocess.PIPE, text=True)
    try:
        assert write(office, 2) == 0
        deadline = time.monotonic() + SLOW
        while rows(office, "SELECT max(size) FROM ledger_checkpoint") != ["2"] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert rows(office, "SELECT max(size) FROM ledger_checkpoint") == ["2"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(SLOW) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_database_put_back_from_an_older_copy_is_never_signed_again(office: Path) -> None:
    database, copy = office / "assay.sqlite3", office / "copy.sqlite3"
    assert write(office, 3) == 0
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    assert write(office, 3) == 0
    for leftover in office.glob("assay.sqlite3-*"):
        leftover.unlink()
    shutil.copy(copy, database)
    assert write(office, 3) != 0, "its own tick meets the guard"
    once = manage(office, "sequencer", "--once")
    assert once.returncode == 1
    assert "restore the newest copy of the database" in once.stderr
    assert rows(office, "SELECT max(size) FROM ledger_checkpoint") == ["3"]
    broken = manage(office, "check_log")
    assert broken.returncode == 1
    assert "The log is broken" in broken.stderr
