"""The catch-all: a change of a regulated table without an entry becomes one; a change with an entry does not."""

import json
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from accounts.models import MachineToken, Membership, Organisation, Role, User
from accounts.people import grant_role
from ledger import changes, log, protection, sequencer, vault
from ledger.events import EventType
from ledger.models import Change, Entry, SealedSection

# Real commits: on PostgreSQL the transaction around a test would be one with everything in it.
pytestmark = pytest.mark.django_db(transaction=True)


def recorded() -> list[dict[str, Any]]:
    """What the catch-all has recorded, after a tick."""
    sequencer.tick()
    leaves = Entry.objects.filter(type=EventType.RECORD_CHANGED).order_by("pk").values_list("leaf", flat=True)
    return [json.loads(bytes(leaf)) for leaf in leaves]


def facts() -> list[tuple[str, str, int]]:
    return [(leaf["facts"]["table"], leaf["facts"]["operation"], leaf["facts"]["rows"]) for leaf in recorded()]


@pytest.fixture
def studio(alice: User, bob: User) -> Organisation:
    """Alice and Bob are there, and what made them is accounted for."""
    home = Organisation.objects.create(name="The Studio")
    Change.objects.all().delete()
    return home


def test_a_verb_leaves_its_own_entry_and_no_other(studio: Organisation, alice: User) -> None:
    with transaction.atomic():
        grant_role(alice, studio, Role.REVIEWER)
    assert facts() == []
    assert not changes.waiting()


def test_rows_made_in_bulk_without_an_entry_are_recorded_once(studio: Organisation, alice: User, bob: User) -> None:
    rows = [Membership(user=user, organisation=studio, role=Role.OPERATOR) for user in (alice, bob)]
    Membership.objects.bulk_create(rows)
    assert facts() == [("accounts_membership", "INSERT", 2)]
    assert facts() == [("accounts_membership", "INSERT", 2)]


def test_an_update_in_bulk_is_recorded_with_its_number_of_rows(studio: Organisation) -> None:
    Membership.objects.update(role=Role.OPERATOR)
    [leaf] = recorded()
    assert leaf["facts"] == {
        "actor": "system:changes",
        "operation": "UPDATE",
        "rows": 2,
        "table": "accounts_membership",
    }
    assert (leaf["role"], leaf["object"], leaf["commitments"]) == ("system", "", {})


def test_raw_sql_is_recorded(studio: Organisation) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM accounts_membership")
    assert facts() == [("accounts_membership", "DELETE", 2)]


def test_a_row_written_as_it_was_has_not_changed(studio: Organisation) -> None:
    Membership.objects.update(role=F("role"))
    for membership in Membership.objects.all():
        membership.save()
    assert facts() == []


def test_what_is_rolled_back_is_not_recorded(studio: Organisation, alice: User) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        Membership.objects.all().delete()
        raise RuntimeError("it was a mistake")
    with transaction.atomic():
        with pytest.raises(RuntimeError), transaction.atomic():
            log.append(EventType.ROLE_GRANTED, actor="system", role="operator")
            raise RuntimeError("the entry is gone, and accounts for nothing")
        Membership.objects.filter(user=alice).update(role=Role.OPERATOR)
    assert facts() == [("accounts_membership", "UPDATE", 1)]


def test_an_entry_accounts_for_its_own_transaction_only(studio: Organisation, alice: User, bob: User) -> None:
    with transaction.atomic():
        Membership.objects.filter(user=alice).update(role=Role.OPERATOR)
    with transaction.atomic():
        grant_role(bob, studio, Role.REVIEWER)
    with transaction.atomic():
        with transaction.atomic():
            Membership.objects.filter(user=bob).delete()
        log.append(EventType.ROLE_GRANTED, actor="system", role="operator")
    with transaction.atomic():
        Membership.objects.filter(user=alice).delete()
        Membership.objects.create(user=alice, organisation=studio, role=Role.OPERATOR)
    assert facts() == [
        ("accounts_membership", "UPDATE", 1),
        ("accounts_membership", "DELETE", 1),
        ("accounts_membership", "INSERT", 1),
    ]


def test_a_decorated_verb_that_runs_twice_is_two_transactions(studio: Organisation, alice: User) -> None:
    """Django uses one Atomic object for every call of a decorated function."""

    @transaction.atomic
    def change(*, recorded: bool) -> None:
        Membership.objects.filter(user=alice).update(role=Role.OPERATOR if recorded else Role.REGULATOR)
        if recorded:
            log.append(EventType.ROLE_GRANTED, actor="system", role="operator")

    change(recorded=True)
    change(recorded=False)
    assert facts() == [("accounts_membership", "UPDATE", 1)]


def test_what_very_many_transactions_changed_is_a_few_entries_and_no_row_is_forgotten(
    studio: Organisation, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "APART", 3)
    own = Membership.objects.filter(user=alice)
    for role in [Role.OPERATOR, Role.REGULATOR] * 3:
        with transaction.atomic():
            own.update(role=role)
    with transaction.atomic():
        grant_role(alice, studio, Role.REVIEWER)
    with transaction.atomic():
        own.filter(role=Role.REVIEWER).delete()
    updated = ("accounts_membership", "UPDATE", 1)
    assert facts() == [updated] * 3 + [("accounts_membership", "UPDATE", 3), ("accounts_membership", "DELETE", 1)]
    assert [leaf["facts"].get("transactions") for leaf in recorded()] == [None, None, None, 3, None]
    assert not Change.objects.exclude(table="ledger_entry").exists()


def test_an_erased_section_needs_its_entry(studio: Organisation, alice: User) -> None:
    with transaction.atomic():
        entry = log.append(EventType.ASSET_REGISTERED, actor=alice.actor, role="creator")
    entry.sections.all().delete()
    assert facts() == [("ledger_sealedsection", "DELETE", 1)]


def test_nothing_is_recorded_about_a_counter(studio: Organisation, alice: User) -> None:
    """Fields named at registration change without an entry, by design."""
    triggers = dict(protection.notes(connection))
    body = triggers["policy_notice_noted_update"][1]
    assert "wrong_pins" not in body
    assert "state" in body


def test_the_work_of_accounting_is_one_query_when_there_is_none(
    studio: Organisation, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        assert changes.account() == 0


def test_a_missing_trigger_is_named(studio: Organisation) -> None:
    assert protection.missing(connection) == []
    with connection.cursor() as cursor:
        on = "" if connection.vendor == "sqlite" else " ON accounts_membership"
        cursor.execute(f"DROP TRIGGER accounts_membership_noted_update{on}")
    assert protection.missing(connection) == ["accounts_membership_noted_update"]
    protection.watch(connection)
    assert protection.missing(connection) == []


@pytest.mark.parametrize("name", ["accounts_membership_noted_insert", "ledger_entry_no_replace"])
def test_a_trigger_that_was_replaced_by_one_that_does_nothing_is_named(studio: Organisation, name: str) -> None:
    table = name.partition("_no")[0]
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"DROP TRIGGER {name}")
            cursor.execute(f"CREATE TRIGGER {name} BEFORE INSERT ON {table} BEGIN SELECT 1; END")
        else:
            name = "ledger_note" if "noted" in name else "ledger_refuse"
            nothing = "LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"
            cursor.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger {nothing}")
        assert protection.missing(connection) == [name]
        transaction.set_rollback(True)
    assert protection.missing(connection) == []


def test_tokens_are_regulated_too(alice: User) -> None:
    Change.objects.all().delete()
    MachineToken.objects.create(user=alice, name="found", scopes=[])  # type: ignore[no-untyped-call]
    assert facts() == [("accounts_machinetoken", "INSERT", 1)]


@pytest.mark.only_on("sqlite")  # INSERT OR REPLACE is SQLite's own
def test_a_key_replaced_in_one_statement_is_recorded_as_gone(studio: Organisation) -> None:
    vault.seal("person:0193dddd-0000-7000-8000-000000000002", b"secret", "c")
    with connection.cursor() as cursor:
        cursor.execute("INSERT OR REPLACE INTO ledger_personkey SELECT * FROM ledger_personkey")
    assert ("ledger_personkey", "DELETE", 1) in facts()


def test_a_sealed_section_written_over_is_recorded(studio: Organisation) -> None:
    with transaction.atomic():
        log.append(EventType.ACCESS_AUDITED, actor="user:alice", role="operator")
    sequencer.tick()
    assert SealedSection.objects.update(ciphertext=b"spoilt") == 1
    assert ("ledger_sealedsection", "UPDATE", 1) in facts()
