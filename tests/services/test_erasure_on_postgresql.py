"""Erasure, a restore and the recovery of the log on a real PostgreSQL. Each step is a process of its own."""

import threading
from pathlib import Path

import psycopg
import pytest

from ledger import keys, merkle, notes
from tests.ledger.test_recovery import ERASE, MANY, ORIGIN, published_tiles
from tests.processes import SLOW
from tests.services.office import Office

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services")]

# Append for the person while another transaction may erase them; say what became of it.
SEAL = """
import sys, django
django.setup()
from django.db import transaction
from ledger import log, receipts
from ledger.events import EventType
for n in range(int(sys.argv[1])):
    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor="user:alice", role="creator", facts={"n": n})
"""
OPEN = """
import django
django.setup()
from ledger import receipts
from ledger.models import Entry
print(sum(len(receipts.disclosures_for(entry)) for entry in Entry.objects.order_by("pk")))
"""


@pytest.fixture
def office(postgres_url: str, tmp_path: Path) -> Office:
    office = Office(postgres_url, tmp_path / "var")
    office.environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
    office.run("manage.py", "migrate", "-v0")
    office.run("-c", MANY, "5")
    office.run("manage.py", "sequencer", "--once")
    return office


def copy_database(server: str, source: str, target: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)')  # type: ignore[call-overload,unused-ignore]
        connection.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"')  # type: ignore[call-overload,unused-ignore]


def opened(copy: Path) -> notes.TreeHead:
    vkey = (copy / "key").read_text().splitlines()[0]
    return notes.open_checkpoint((copy / "checkpoint").read_text(), ORIGIN, [keys.parse_vkey(vkey)])


def test_a_restored_database_is_erased_again_recovered_and_signs_on(
    office: Office, postgres_url: str, tmp_path: Path
) -> None:
    name, copy = office.database, tmp_path / "copy"
    office.run("-c", MANY, "2")  # they wait in the backup's outbox, and are published later
    copy_database(postgres_url, name, f"{name}_backup")
    office.run("manage.py", "sequencer", "--once")
    office.run("-c", ERASE, "user:alice")
    office.run("manage.py", "sequencer", "--once")
    office.run("manage.py", "publish_log", str(copy))
    old = opened(copy)
    assert old.size == 8
    copy_database(postgres_url, f"{name}_backup", name)
    assert office.run("-c", OPEN) != "0\n", "the backup still opens what was erased"

    office.run("manage.py", "replay_erasures")  # as `prepare` does before anything is served
    assert office.run("-c", OPEN) == "0\n"
    assert office.sql("SELECT count(*) FROM ledger_personkey WHERE person = 'user:alice'") == [(0,)]
    office.run("-c", MANY, "1")  # the office goes on; it only does not sign
    refused = office.outcome("manage.py", "sequencer", "--once")
    assert refused.returncode == 1 and "recover_log --from" in refused.stderr
    assert office.sql("SELECT count(*) FROM ledger_sequence") == [(5,)], "nothing got a place that others have"

    said = office.run("manage.py", "recover_log", "--from", str(copy))
    assert "holds 8 entries again; the backup had 5. 1 came from the copy, 2 had waited in the backup. 1 were" in said
    office.run("manage.py", "sequencer", "--once")
    office.run("manage.py", "check_log", "--log-only")
    office.run("manage.py", "publish_log", str(copy))
    new = opened(copy)
    assert new.size >= 10, "the eight, the one that waited, and log:recovered"
    node = published_tiles(copy, new.size)
    merkle.verify_consistency(old.size, old.root, new.size, new.root, merkle.consistency(node, old.size, new.size))
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]
    assert office.sql("SELECT count(DISTINCT leaf_hash) = count(*) FROM ledger_entry") == [(True,)]


def test_whoever_appends_while_somebody_is_erased_loses_nothing_and_leaves_nothing(office: Office) -> None:
    """What is sealed before goes with the key; what comes after has a key of its own, and opens."""
    writers = [office.start("-c", SEAL, "40") for _ in range(2)]
    failed: list[str] = []

    def erase_now_and_then() -> None:
        while any(process.poll() is None for process in writers):
            done = office.outcome("-c", ERASE, "user:alice")
            if done.returncode:
                failed.append(done.stderr)

    eraser = threading.Thread(target=erase_now_and_then)
    eraser.start()
    for process in writers:
        _, errors = process.communicate(timeout=SLOW)
        assert process.returncode == 0, errors
    eraser.join(SLOW)
    assert failed == []
    office.run("manage.py", "sequencer", "--once")
    sealed = office.sql("SELECT count(*) FROM ledger_sealedsection WHERE person = 'user:alice'")
    assert sealed == office.sql(
        "SELECT count(*) FROM ledger_sealedsection JOIN ledger_personkey USING (person)"
        " WHERE substring(ciphertext FROM 2 FOR 16) = decode(replace(ledger_personkey.id::text, '-', ''), 'hex')"
        " AND person = 'user:alice'"
    ), "no section is left whose key is gone"
    office.run("manage.py", "check_log", "--log-only")
