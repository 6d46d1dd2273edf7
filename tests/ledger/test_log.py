"""Appending: together with the change it records, without personal data, or not at all."""

import json
import time
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Organisation
from core.canonical import NotCanonical
from ledger import keys, log, merkle, vault
from ledger.events import REGISTRY_VERSION, EventType
from ledger.models import Entry, PersonKey, SealedSection
from tests.append_only import protect, unprotect
from tests.ledger.conftest import ALICE, DANA, Record

pytestmark = pytest.mark.django_db


def append(**changes: object) -> Entry:
    arguments: dict[str, object] = {"actor": ALICE, "role": "creator", "object": "asset:1", **changes}
    kind = arguments.pop("type", EventType.ASSET_REGISTERED)
    with transaction.atomic():
        return log.append(kind, **arguments)  # type: ignore[arg-type]


def test_an_entry_shares_the_fate_of_the_change_it_records() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        Organisation.objects.create(name="Half done")
        log.append(
            EventType.ASSET_REGISTERED, actor=ALICE, role="creator", sealed={"title": log.Sealed("Sunset", ALICE)}
        )
        raise RuntimeError("the business rule said no")
    assert not Organisation.objects.filter(name="Half done").exists()
    assert not Entry.objects.exists()
    assert not SealedSection.objects.exists()


def test_appending_outside_a_transaction_is_refused() -> None:
    with pytest.raises(log.NotInTransaction):
        log.append(EventType.ASSET_REGISTERED, actor=ALICE, role="creator")
    assert not Entry.objects.exists()


def test_the_leaf_shows_facts_and_commitments_and_no_person() -> None:
    entry = append(facts={"kind": "image"}, sealed={"title": log.Sealed("Dana at the sea", DANA)})
    leaf = bytes(entry.leaf)
    fields = json.loads(leaf)
    assert merkle.leaf_hash(leaf) == bytes(entry.leaf_hash)
    assert set(fields) == {"v", "type", "ts", "nonce", "role", "object", "refs", "facts", "commitments"}
    assert fields["facts"] == {"kind": "image"}
    assert set(fields["commitments"]) == {"actor", "title"}
    for private in (ALICE, DANA, "Dana", "sea"):
        assert private.encode() not in leaf


def test_what_is_stored_of_a_section_is_ciphertext_with_its_salt_inside() -> None:
    append(sealed={"title": log.Sealed("Dana at the sea", DANA)})
    section = SealedSection.objects.get(name="title")
    assert b"Dana" not in bytes(section.ciphertext)
    assert len(bytes(section.ciphertext)) == 17 + 24 + 32 + len('"Dana at the sea"') + 16


def test_the_system_acts_under_its_own_name() -> None:
    fields = json.loads(bytes(append(actor="system:sweeper").leaf))
    assert fields["facts"]["actor"] == "system:sweeper"
    assert fields["commitments"] == {}


def test_two_equal_events_are_two_leaves() -> None:
    assert append(actor="system").leaf_hash != append(actor="system").leaf_hash


def test_refs_are_the_leaf_hashes_of_earlier_entries() -> None:
    first = append()
    assert json.loads(bytes(append(refs=[first]).leaf))["refs"] == [bytes(first.leaf_hash).hex()]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"type": "asset:invented"}, log.UnknownEventType),
        ({"facts": {"score": 0.5}}, NotCanonical),
        ({"facts": {"score": 2**60}}, NotCanonical),
        ({"facts": {"list": ["x" * 300] * 250}}, log.LeafTooLarge),
        ({"facts": {"note": "word " * 200}}, log.PersonalData),
        ({"facts": {"who": ALICE}}, log.PersonalData),
        ({"facts": {"deep": [{"who": "dana@example.org"}]}}, log.PersonalData),
        ({"facts": {DANA: 1}}, log.PersonalData),
        ({"object": "user:0193"}, log.PersonalData),
        ({"object": "no id"}, log.BadLeaf),
        ({"role": "Lead reviewer"}, log.BadLeaf),
        ({"facts": {"actor": "somebody"}}, log.BadLeaf),
        ({"sealed": {"Bad Name": log.Sealed("x", DANA)}}, log.BadLeaf),
        ({"sealed": {"title": log.Sealed("x", "")}}, log.BadLeaf),
        ({"sealed": {"title": log.Sealed(0.5, DANA)}}, NotCanonical),  # type: ignore[arg-type]
        ({"actor": ""}, log.BadLeaf),
    ],
)
def test_what_does_not_belong_in_a_leaf_is_refused_by_name(
    changes: dict[str, object], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        append(**changes)
    assert not Entry.objects.exists()


def test_a_lost_master_key_refuses_the_whole_transaction(record: Record, settings: object, tmp_path: object) -> None:
    record()
    settings.ASSAY_KEYS = tmp_path  # type: ignore[attr-defined]
    with pytest.raises(keys.KeyMissing, match="put it back"):
        append()
    assert Entry.objects.count() == 1


def test_the_names_of_old_versions_are_never_changed() -> None:
    """Old logs speak these names for ever. A new type is added to this list together with a new registry version."""
    assert REGISTRY_VERSION == 2
    assert " ".join(EventType) == (
        "asset:registered asset:restricted asset:restored detection:recorded consent:requested consent:given"
        " consent:refused consent:withdrawn notice:filed flag:raised flag:settled case:opened case:assigned"
        " decision:made action:executed action:reversed appeal:filed appeal:decided data:accessed erasure:requested"
        " erasure:performed export:made access:audited token:created token:revoked media:viewed notice:completed"
        " clock:missed case:closed case:reopened role:granted login_link:made login_link:used"
        " key:rotated log:succeeded record:changed"
    )


FROZEN = ["ledger_entry", "ledger_sequence", "ledger_checkpoint"]


@pytest.mark.parametrize("table", FROZEN)
@pytest.mark.parametrize("statement", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_raw_sql_cannot_change_or_delete_the_log(signed_log: object, table: str, statement: str) -> None:
    signed_log(3)  # type: ignore[operator]
    column = {"ledger_entry": "type", "ledger_sequence": "entry_id", "ledger_checkpoint": "note"}[table]
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement.format(table, column))
    assert Entry.objects.count() == 3


def test_insert_or_replace_cannot_replace_an_entry(signed_log: object) -> None:
    if connection.vendor != "sqlite":
        sql = "INSERT INTO ledger_entry SELECT * FROM ledger_entry ON CONFLICT (id) DO UPDATE SET type = 'case:opened'"
    else:
        sql = "INSERT OR REPLACE INTO ledger_entry SELECT * FROM ledger_entry"
    signed_log(1)  # type: ignore[operator]
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.parametrize(
    "change", ["data = ''", "n = n + 1", "level = 1", "data = substr(data, 1, 32)", "data = {0}", "data = data"]
)
def test_a_tile_only_grows(signed_log: object, change: str) -> None:
    signed_log(2)  # type: ignore[operator]
    other = "zeroblob(96)" if connection.vendor == "sqlite" else "decode(repeat('00', 96), 'hex')"
    if connection.vendor == "postgresql" and "substr" in change:
        change = "data = substring(data from 1 for 32)"
    with pytest.raises(IntegrityError, match="only grows"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE ledger_tile SET {change.format(other)}")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM ledger_tile")


def test_the_flush_of_the_test_framework_leaves_the_triggers_standing(record: Record) -> None:
    record()
    unprotect()
    protect()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Entry.objects.all()._raw_delete("default")


def test_a_value_opens_for_its_person_and_context_only() -> None:
    blob = vault.seal(DANA, b"+49 30 1234", "policy.contact")
    assert vault.unseal(DANA, blob, "policy.contact") == b"+49 30 1234"
    for person, context, sealed in [
        (ALICE, "policy.contact", blob),
        (DANA, "policy.other", blob),
        (DANA, "policy.contact", blob[:-1] + bytes([blob[-1] ^ 1])),
        (DANA, "policy.contact", b"\x02" + blob[1:]),
        (DANA, "policy.contact", b""),
    ]:
        with pytest.raises(vault.VaultError):
            vault.unseal(person, sealed, context)


@pytest.mark.django_db(transaction=True)
def test_a_destroyed_key_is_in_no_file_of_the_database_any_more(record: Record) -> None:
    """SQLite keeps deleted rows in free pages and in its write-ahead log."""
    entry = record(sealed={"statement": "Statement of Dana"})
    wrapped = bytes(PersonKey.objects.get(person=DANA).wrapped)
    sealed = bytes(SealedSection.objects.get(entry=entry, name="statement").ciphertext)
    vault.destroy(DANA)
    name = Path(connection.settings_dict["NAME"])
    files = [name, name.with_name(f"{name.name}-wal")] if connection.vendor == "sqlite" else []
    for file in files:
        held = file.read_bytes() if file.exists() else b""
        assert wrapped not in held and sealed not in held, file.name


def test_a_destroyed_key_never_opens_again_even_when_the_person_returns() -> None:
    blob = vault.seal(DANA, b"secret", "c")
    vault.destroy(DANA)
    assert not vault.has_key(DANA)
    with pytest.raises(vault.Erased):
        vault.unseal(DANA, blob, "c")
    vault.seal(DANA, b"new", "c")
    with pytest.raises(vault.Erased):
        vault.unseal(DANA, blob, "c")


def test_an_erasure_that_is_rolled_back_erases_nothing() -> None:
    blob = vault.seal(DANA, b"secret", "c")
    with pytest.raises(RuntimeError), transaction.atomic():
        vault.destroy(DANA)
        raise RuntimeError
    assert vault.unseal(DANA, blob, "c") == b"secret"


def test_erasing_a_person_with_a_thousand_entries_is_quick(record: Record) -> None:
    for _ in range(1000):
        record(actor=DANA)
    start = time.perf_counter()
    affected = vault.destroy(DANA)
    took = time.perf_counter() - start
    assert len(affected) in (1000, 0)  # 0 on PostgreSQL, where nothing has an index before the first tick
    assert took < 0.5, "the target is 50 ms on a quiet machine; ten times that means a query an entry"
