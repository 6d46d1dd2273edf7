"""The log on a real PostgreSQL: triggers, outbox, one sequencer at a time. Each step is a process of its own."""

from pathlib import Path

import psycopg
import pytest

from core.canonical import canonical_json
from core.clock import now
from ledger.merkle import leaf_hash
from tests.processes import SLOW
from tests.services.office import Office

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services")]


@pytest.fixture(scope="module")
def prepared(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Migrated, with 12 entries written by two processes at once, and signed."""
    office = Office(postgres_url, tmp_path_factory.mktemp("var"))
    office.run("manage.py", "migrate", "-v0")
    writers = [office.start("-m", "tests.ledger.office", "6") for _ in range(2)]
    for process in writers:
        _, errors = process.communicate(timeout=SLOW)
        assert process.returncode == 0, errors
    office.run("manage.py", "sequencer", "--once")
    return office


@pytest.fixture
def office(prepared: Office, tmp_path: Path) -> Office:
    return prepared.copy(tmp_path / "var")


def test_two_writers_at_once_leave_one_whole_log(office: Office) -> None:
    assert "12 entries" in office.run("manage.py", "check_log")
    assert office.sql('SELECT "index" FROM ledger_sequence ORDER BY 1') == [(n,) for n in range(12)]
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]
    assert office.sql("SELECT max(size) FROM ledger_checkpoint") == [(12,)]


TABLES = {"ledger_entry": "type", "ledger_sequence": "entry_id", "ledger_checkpoint": "note", "ledger_tile": "data"}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"])
def test_raw_sql_cannot_change_delete_or_truncate_the_log(office: Office, table: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match=r"append-only|only grows"):
        office.sql(statement.format(table, TABLES[table]))


def test_a_tile_cannot_lose_or_change_its_beginning(office: Office) -> None:
    for data in (
        "decode(repeat('00', 640), 'hex')",
        "substring(data from 1 for 32)",
        "data || decode(repeat('00', 8192), 'hex')",
    ):
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="only grows"):
            office.sql(f"UPDATE ledger_tile SET data = {data}")


def test_a_sequencer_on_another_host_waits_for_the_lock(office: Office) -> None:
    from ledger.sequencer import _LOCK_KEY

    office.run("-m", "tests.ledger.office", "1")
    with psycopg.connect(office.url) as other:
        other.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        office.run("manage.py", "sequencer", "--once")
        assert office.sql("SELECT count(*) FROM ledger_outbox") == [(1,)]
    office.run("manage.py", "sequencer", "--once")
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]


def test_an_entry_whose_transaction_is_still_open_comes_later_and_is_not_lost(office: Office) -> None:
    """Ids commit out of order: the smaller one, committed later, still gets its index."""
    at = now()
    leaf = canonical_json({"ts": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), "type": "late"})
    with psycopg.connect(office.url) as slow:
        row = slow.execute(
            "INSERT INTO ledger_entry (leaf, leaf_hash, type, created_at) VALUES (%s, %s, 'late', %s) RETURNING id",
            [leaf, leaf_hash(leaf), at],
        ).fetchone()
        assert row is not None
        slow.execute("INSERT INTO ledger_outbox (entry_id, transaction) VALUES (%s, %s)", [row[0], "slow"])
        office.run("-m", "tests.ledger.office", "1")
        office.run("manage.py", "sequencer", "--once")
        assert office.sql(f"SELECT 1 FROM ledger_sequence WHERE entry_id > {row[0]}") == [(1,)]
        slow.commit()
    office.run("manage.py", "sequencer", "--once")
    late = office.sql(f'SELECT "index" FROM ledger_sequence WHERE entry_id = {row[0]}')
    assert late == office.sql('SELECT max("index") FROM ledger_sequence')


def test_what_mallory_puts_into_the_outbox_without_an_entry_gets_no_index_and_stops_nothing(office: Office) -> None:
    """The outbox has no foreign key, which every append would pay for."""
    office.sql("INSERT INTO ledger_outbox (entry_id, transaction) VALUES (999999999, 'mallory')")
    office.run("-m", "tests.ledger.office", "1")
    office.run("manage.py", "sequencer", "--once")
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]
    assert office.sql("SELECT 1 FROM ledger_sequence WHERE entry_id = 999999999") == []
    [(count,)] = office.sql("SELECT count(*) FROM ledger_entry")
    assert f"{count} entries" in office.run("manage.py", "check_log")
