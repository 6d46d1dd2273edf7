"""Two roles on a real PostgreSQL: the office appends and erases, the sequencer sequences and signs, neither changes
what was written, not even when the owner has switched every trigger off. And the catch-all, with open transactions.
"""

from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from tests import processes
from tests.services.office import Office

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("roles")]

APP, SEQUENCER = "office_app", "office_sequencer"
VERB = """
from django.db import transaction
from accounts.models import Organisation, Role, User
from accounts.people import create_person
create_person("alice@example.org", "Alice", roles=[Role.CREATOR], organisation="Studio")
"""
AUDITED = """
from django.db import transaction
from ledger import log
from ledger.events import EventType
with transaction.atomic():
    log.append(EventType.ACCESS_AUDITED, actor="system", role="system")
"""
ERASE = """
from accounts.models import User
from policy.rights.data_rights import erase
erase(User.objects.get(email="alice@example.org"))
"""


def as_role(url: str, role: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:secret@{host}"))


class Guarded(Office):
    """An office that works with two roles; `url` stays the owner's."""

    def __init__(self, server: str, var: Path) -> None:
        super().__init__(server, var)
        for role in (APP, SEQUENCER):
            if not self.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'"):
                self.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        self.run("manage.py", "prepare")
        self.run("manage.py", "database_roles", "--app", APP, "--sequencer", SEQUENCER, "--apply")
        self.environment["ASSAY_DATABASE_URL"] = as_role(self.url, APP)
        self.environment["ASSAY_SEQUENCER_DATABASE_URL"] = as_role(self.url, SEQUENCER)

    @property
    def owner(self) -> dict[str, str]:
        """The environment of who owns the database."""
        bound = {name: value for name, value in self.environment.items() if name != "ASSAY_SEQUENCER_DATABASE_URL"}
        return {**bound, "ASSAY_DATABASE_URL": self.url}

    def python(self, code: str) -> str:
        return self.run("manage.py", "shell", "-v", "0", "-c", code)

    def attempt(self, role: str, statement: str) -> None:
        with psycopg.connect(as_role(self.url, role), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[call-overload,unused-ignore]

    def recorded(self) -> list[tuple[object, ...]]:
        """What the catch-all has appended: table, operation, rows."""
        self.run("manage.py", "sequencer", "--once")
        leaf = "convert_from(leaf, 'UTF8')::jsonb -> 'facts'"
        return self.sql(
            f"SELECT {leaf} ->> 'table', {leaf} ->> 'operation', ({leaf} ->> 'rows')::int FROM ledger_entry"
            " WHERE type = 'record:changed' ORDER BY id"
        )


@pytest.fixture(scope="module")
def prepared(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    """Prepared by the owner; Alice has an account, and the log is signed."""
    office = Guarded(postgres_url, tmp_path_factory.mktemp("var"))
    office.python(VERB)
    office.run("manage.py", "sequencer", "--once")
    return office


@pytest.fixture
def office(prepared: Guarded, tmp_path: Path) -> Guarded:
    return prepared.copy(tmp_path / "var")


def test_office_and_sequencer_do_their_work_and_the_audit_its_own_each_with_its_role(office: Guarded) -> None:
    with_entries = office.sql("SELECT count(*) FROM ledger_entry")
    assert office.sql("SELECT max(size) FROM ledger_checkpoint") == with_entries
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]
    assert office.sql("SELECT count(*) FROM ledger_change") == [(0,)]
    assert office.recorded() == []
    assert "The log is whole" in office.run("manage.py", "check_log")


@pytest.fixture
def undefended(office: Guarded) -> Guarded:
    """The owner has switched every trigger of the log off."""
    for (table,) in office.sql("SELECT tablename FROM pg_tables WHERE tablename LIKE 'ledger_%'"):
        office.sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    return office


def test_an_office_without_the_owners_rights_prepares_and_is_well(office: Guarded) -> None:
    office.run("manage.py", "prepare")  # nothing to migrate: it needs no owner
    assert "ok    triggers:" in office.run("manage.py", "doctor")


ALARM = "INSERT INTO ledger_alarm (kind, message, halts, raised_at)"
LOG = "ledger_entry ledger_sequence ledger_tile ledger_checkpoint ledger_cosignature ledger_stamp ledger_logkey"
FORBIDDEN = [
    (role, statement.format(table))
    for role in (APP, SEQUENCER)
    for table in LOG.split()
    for statement in ("DELETE FROM {}", "TRUNCATE {} CASCADE", "ALTER TABLE {} DISABLE TRIGGER ALL", "DROP TABLE {}")
]
FORBIDDEN += [
    (role, statement)
    for role in (APP, SEQUENCER)
    for statement in (
        "UPDATE ledger_entry SET type = 'case:opened'",
        "UPDATE ledger_sequence SET entry_id = entry_id",
        "UPDATE ledger_checkpoint SET note = ''",
        "UPDATE ledger_tile SET level = 1",
        "UPDATE ledger_sealedsection SET ciphertext = ''",
        "INSERT INTO ledger_change (\"table\", operation) VALUES ('x', 'INSERT')",
        "CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "SET session_replication_role = replica",
    )
]
FORBIDDEN += [
    (APP, "INSERT INTO ledger_sequence VALUES (1000, 1)"),
    (APP, "INSERT INTO ledger_tile (level, n, data) VALUES (7, 7, 'x')"),
    (APP, "UPDATE ledger_tile SET data = data"),
    (APP, "INSERT INTO ledger_checkpoint VALUES (1000, 'x', 'x', now())"),
    (APP, "DELETE FROM ledger_outbox"),
    (APP, "DELETE FROM ledger_change"),
    (APP, "UPDATE ledger_personkey SET person = 'user:mallory'"),
    (APP, "UPDATE ledger_alarm SET halts = false"),
    (APP, "ALTER TABLE ledger_alarm DISABLE ROW LEVEL SECURITY"),
    (APP, "DROP POLICY office_clears ON ledger_alarm"),
    (APP, f"{ALARM} VALUES ('witness:mallory', 'A fork.', true, now())"),
    (SEQUENCER, "DELETE FROM ledger_sealedsection"),
    (SEQUENCER, "INSERT INTO ledger_sealedsection (entry_id, name, person, ciphertext) VALUES (1, 'x', 'x', 'x')"),
    (SEQUENCER, "DELETE FROM ledger_personkey"),
    (SEQUENCER, "SELECT * FROM accounts_user"),
]


def test_each_role_is_refused_what_is_not_its_own_even_without_triggers(undefended: Guarded) -> None:
    for role, statement in FORBIDDEN:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            undefended.attempt(role, statement)
            pytest.fail(f"{role} may {statement}")
    signed = undefended.sql("SELECT max(size) FROM ledger_checkpoint")
    assert undefended.sql("SELECT count(*) FROM ledger_sequence") == signed


def test_the_office_cannot_end_what_halts_the_log(office: Guarded) -> None:
    office.sql(f"{ALARM} VALUES ('witness:greta', 'Another history.', true, now()), ('stamp', 'None.', false, now())")
    office.attempt(APP, f"{ALARM} VALUES ('audit', 'The log is broken.', true, now())")
    office.attempt(APP, "DELETE FROM ledger_alarm")
    assert office.sql("SELECT kind FROM ledger_alarm ORDER BY 1") == [("audit",), ("witness:greta",)]

    of_web = {name: value for name, value in office.environment.items() if name != "ASSAY_SEQUENCER_DATABASE_URL"}
    refused = processes.run("manage.py", "alarms", "--clear", "audit", environment=of_web)
    assert refused.returncode == 1
    assert "ASSAY_SEQUENCER_DATABASE_URL" in refused.stderr

    office.run("manage.py", "alarms", "--clear", "audit")
    office.run("manage.py", "alarms", "--clear", "witness:greta")
    assert "No alarm" in office.run("manage.py", "alarms")


def test_the_nightly_audit_works_with_the_role_of_the_office(office: Guarded) -> None:
    office.python("from ledger import nightly; assert nightly.run().broken == ''")
    assert office.sql("SELECT kind FROM ledger_alarm") == []


def test_what_the_office_role_inserts_past_append_gets_no_index_and_stops_nobody(office: Guarded) -> None:
    large = "convert_to('{\"x\":\"' || repeat('x', 60000) || '\"}', 'UTF8')"
    for leaf, leaf_hash in (("'{}'", "sha256('other')"), (large, f"sha256(decode('00', 'hex') || {large})")):
        office.attempt(
            APP,
            "WITH raw AS (INSERT INTO ledger_entry (leaf, leaf_hash, type, created_at)"
            f" VALUES ({leaf}, {leaf_hash}, 'access:audited', now()) RETURNING id)"
            " INSERT INTO ledger_outbox SELECT id, 'mallory' FROM raw",
        )
    office.python(AUDITED)
    office.run("manage.py", "sequencer", "--once")
    assert office.sql("SELECT count(*) FROM ledger_outbox") == [(0,)]
    placed = "SELECT entry_id FROM ledger_sequence"
    assert office.sql(f"SELECT count(*) FROM ledger_entry WHERE id NOT IN ({placed})") == [(2,)]
    assert "2 rows of ledger_entry" in office.run("manage.py", "alarms")


def test_the_doctor_says_that_triggers_are_switched_off(undefended: Guarded) -> None:
    done = undefended.outcome("manage.py", "doctor")
    assert done.returncode == 1
    assert "triggers that guard the log are gone" in done.stdout


def test_a_role_that_no_grant_binds_is_refused(office: Guarded) -> None:
    office.sql("DROP ROLE IF EXISTS office_heir")
    office.sql("CREATE ROLE office_heir LOGIN IN ROLE postgres")
    for app in ("postgres", "office_heir", "nobody_there"):
        command = ("manage.py", "database_roles", "--app", app, "--sequencer", SEQUENCER, "--apply")
        done = processes.run(*command, environment=office.owner)
        assert done.returncode == 1
        assert ("no role" if app == "nobody_there" else "superuser") in done.stderr


def test_the_statements_are_printed_for_who_runs_them_by_hand(office: Guarded) -> None:
    printed = office.run("manage.py", "database_roles", "--app", APP, "--sequencer", SEQUENCER)
    assert f'GRANT SELECT, INSERT ON ledger_entry TO "{APP}";' in printed
    assert f'GRANT SELECT, INSERT, UPDATE (data) ON ledger_tile TO "{SEQUENCER}";' in printed


def test_the_catch_all_counts_rows_of_each_transaction(office: Guarded) -> None:
    membership = (
        "INSERT INTO accounts_membership (id, user_id, organisation_id, role, created_at)"
        " SELECT gen_random_uuid(), user_id, organisation_id, {}, now() FROM accounts_membership LIMIT 1"
    )
    with psycopg.connect(as_role(office.url, APP)) as slow, psycopg.connect(as_role(office.url, APP)) as quick:
        slow.execute(membership.format("'operator'"))
        quick.execute(membership.format("'regulator'"))
        quick.execute("UPDATE accounts_membership SET created_at = created_at - interval '1 day'")
        quick.commit()
        assert office.recorded() == [
            ("accounts_membership", "INSERT", 1),
            ("accounts_membership", "UPDATE", 2),
        ]
        slow.execute("UPDATE accounts_membership SET role = role")
        slow.commit()
    assert office.recorded()[2:] == [("accounts_membership", "INSERT", 1)]
    office.sql("TRUNCATE accounts_membership")
    assert office.recorded()[3:] == [("accounts_membership", "TRUNCATE", 3)]


def test_a_change_is_accounted_for_by_an_entry_that_waits_in_another_batch(office: Guarded) -> None:
    """Only so many entries leave the outbox at once; all of them say which transactions have one."""
    with psycopg.connect(office.url) as writer:
        writer.execute(
            "WITH new AS (INSERT INTO ledger_entry (leaf, leaf_hash, type, created_at)"
            " SELECT leaf, leaf_hash, type, created_at FROM ledger_entry, generate_series(1, 8300)"
            " WHERE id = (SELECT min(id) FROM ledger_entry) RETURNING id)"
            " INSERT INTO ledger_outbox SELECT id, pg_current_xact_id()::text FROM new"
        )
        writer.commit()
    office.python(VERB.replace("alice", "bob"))
    assert office.recorded() == []


def test_the_office_erases_with_its_own_role(office: Guarded) -> None:
    office.python(ERASE)
    assert office.sql("SELECT count(*) FROM ledger_entry WHERE type = 'erasure:performed'") == [(1,)]
