"""A PostgreSQL that stops at once, sequencers that race, a database put back from a copy: real processes throughout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes import ROOT
from tests.services.office import Office

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("crashes")]

SLOW = 600


def crash_cycles(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.ledger.crash_cycles", "--database", "postgresql", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SLOW, check=False)
    summary: dict[str, Any] = json.loads(done.stdout)
    assert summary["whole"], (summary, done.stderr)
    assert summary["found"]["entries"] >= summary["acknowledged"] > 0
    return summary


def test_after_kills_and_immediate_stops_nothing_acknowledged_is_lost() -> None:
    killed = crash_cycles("--cycles", "8")["killed"]
    assert sum(killed.values()) == 8
    assert killed["database"] > 0


@pytest.mark.parametrize("lock", [[], ["--without-lock"]], ids=["locked", "fenced by primary keys alone"])
def test_two_sequencers_at_once_make_no_fork(lock: list[str]) -> None:
    assert crash_cycles("--race", "3", *lock)["found"]["checkpoints"] > 1


@pytest.fixture(scope="module")
def migrated(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Office:
    office = Office(postgres_url, tmp_path_factory.mktemp("var"))
    office.run("manage.py", "migrate", "-v0")
    return office


@pytest.fixture
def office(migrated: Office, tmp_path: Path) -> Office:
    return migrated.copy(tmp_path / "var")


def on_server(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(statement)  # type: ignore[call-overload,unused-ignore]


def test_a_database_put_back_from_an_older_copy_is_never_signed_again(office: Office, postgres_url: str) -> None:
    name = office.database
    office.run("-m", "tests.ledger.office", "3")
    on_server(postgres_url, f'CREATE DATABASE "{name}_copy" TEMPLATE "{name}"')
    office.run("-m", "tests.ledger.office", "3")
    on_server(postgres_url, f'DROP DATABASE "{name}"')
    on_server(postgres_url, f'ALTER DATABASE "{name}_copy" RENAME TO "{name}"')
    office.run("-m", "tests.ledger.office", "2")  # the office takes entries; they wait
    for _ in range(2):
        once = office.outcome("manage.py", "sequencer", "--once")
        assert once.returncode == 1
        assert "restore the newest copy of the database" in once.stderr
        assert "Traceback" not in once.stderr
    assert office.sql("SELECT max(size) FROM ledger_checkpoint") == [(3,)]
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(2,)]
    assert office.sql("SELECT kind FROM ledger_alarm") == [("guard",)]


def test_no_section_survives_that_never_opens(office: Office) -> None:
    """Of one who seals and one who destroys the key, the second waits for the first, whichever that is."""
    assert json.loads(office.run("-m", "tests.ledger.sealing_race")) == {
        "sealed first": {"sections": 0, "open": 0, "keys": 0},
        "destroyed first": {"sections": 1, "open": 1, "keys": 1},
        "both make her first key": {"sections": 2, "open": 2, "keys": 1},
    }


ONE_APPEND = """
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from ledger import log
from ledger.events import EventType

def append():
    sealed = {"title": log.Sealed("Sunset", "user:alice"), "note": log.Sealed("By the sea", "person:dana")}
    return log.append(EventType.ACCESS_AUDITED, actor="user:alice", role="creator", sealed=sealed)

with transaction.atomic():
    append()
with transaction.atomic(), CaptureQueriesContext(connection) as queries:
    append()
print([query["sql"].split()[0] for query in queries])
with transaction.atomic():
    append()
    connection.cursor().execute("SELECT pg_current_xact_id()::text")
"""


def test_an_append_is_one_statement_after_the_keys_are_read(office: Office) -> None:
    assert "['SELECT', 'WITH']" in office.run("manage.py", "shell", "-v0", "-c", ONE_APPEND)
    assert office.sql("SELECT count(*), count(DISTINCT transaction) FROM ledger_outbox") == [(3, 3)]
    assert office.sql("SELECT count(*) FROM ledger_sealedsection") == [(9,)]
    assert office.sql("SELECT count(*) FROM ledger_personkey") == [(2,)]


def test_tiles_are_not_compressed_and_the_outbox_is_swept_often(office: Office) -> None:
    storage = "SELECT attstorage FROM pg_attribute WHERE attrelid = 'ledger_tile'::regclass AND attname = 'data'"
    assert office.sql(storage) == [("e",)]
    [(options,)] = office.sql("SELECT reloptions FROM pg_class WHERE relname = 'ledger_outbox'")
    assert "autovacuum_vacuum_scale_factor=0" in str(options)
