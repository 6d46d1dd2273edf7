"""An ordinary day leaves no change that the log does not know of: every verb records what it does."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests import processes

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("e2e")]

UNRECORDED = "SELECT leaf FROM ledger_entry WHERE type = 'record:changed'"


def test_the_whole_story_leaves_no_change_without_its_entry(tmp_path: Path) -> None:
    environment = {**os.environ, "ASSAY_VAR": str(tmp_path)}
    environment.pop("ASSAY_DATABASE_URL", None)
    for arguments in (["demo"], ["sequencer", "--once"], ["check_log"]):
        done = processes.run("manage.py", *arguments, environment=environment, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(tmp_path / "assay.sqlite3")) as database:
        assert [json.loads(leaf)["facts"] for (leaf,) in database.execute(UNRECORDED)] == []
        assert database.execute("SELECT count(*) FROM ledger_change").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="no such function: assay_transaction"):
            database.execute("UPDATE provenance_asset SET restriction = 'hidden'")
