"""Appending: together with the change it records, without personal data, or not at all."""

import json
import sqlite3
import time
from contextlib import closing, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Organisation
from core.canonical import canonical_json
from core.clock import now
from ledger import jcs, keys, log, merkle, receipts, sequencer, vault
from ledger.events import REGISTRY_VERSION, EventType
from ledger.models import Entry, PersonKey, SealedSection
from tests.append_only import protect, unprotect
from tests.ledger.conftest import ALICE, DANA, Record

pytestmark = pytest.mark.django_db


def append(**changes: object) -> Entry:
    arguments: dict[str, object] = {"actor": ALICE, "role": "creator", "object": "asset:1", **changes}
    kind = arguments.pop("type", EventType.ASSET_REGISTERED)
    with transaction.atomic() if arguments.pop("own_block", True) else nullcontext():
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


class Lookalike(str):
    """Spelled like another, and yet not equal to it: two of them fit into one dict."""

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


TITLES = {Lookalike("title"): log.Sealed("Sunset", DANA), Lookalike("title"): log.Sealed("Sunrise", DANA)}
CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


HALF_A_PAIR = "\ud83d"


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"type": "asset:invented"}, log.UnknownEventType),
        ({"facts": {"score": 0.5}}, log.BadValue),
        ({"facts": {"score": float("nan")}}, log.BadValue),
        ({"facts": {"score": 2**60}}, log.BadValue),
        ({"facts": {"kind": HALF_A_PAIR}}, log.BadValue),
        ({"facts": {HALF_A_PAIR: 1}}, log.BadValue),
        ({"facts": {"kind": b"image"}}, log.BadValue),
        ({"facts": {1: "image"}}, log.BadValue),
        ({"facts": {"circle": CIRCLE}}, log.BadValue),
        ({"facts": {"deep": nested(59)}}, log.BadValue),
        ({"sealed": {"deep": log.Sealed(nested(61), DANA)}}, log.BadValue),
        ({"facts": {Lookalike("kind"): 1, Lookalike("kind"): 2}}, log.DuplicateKey),
        ({"facts": {"deep": [{Lookalike("kind"): 1, "kind": 2}]}}, log.DuplicateKey),
        ({"sealed": TITLES}, log.DuplicateKey),
        ({"sealed": {"title": log.Sealed({Lookalike("a"): 1, "a": 2}, DANA)}}, log.DuplicateKey),
        ({"sealed": {"title": log.Sealed(HALF_A_PAIR, DANA)}}, log.BadValue),
        ({"sealed": {"title": log.Sealed("x", "user:" + "1" * 120)}}, log.BadLeaf),
        ({"sealed": {"title": log.Sealed("x", "user:\0")}}, log.BadLeaf),
        ({"sealed": {"title": log.Sealed("x", HALF_A_PAIR)}}, log.BadLeaf),
        ({"refs": [Entry()]}, log.BadLeaf),
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
        ({"sealed": {"title": log.Sealed(0.5, DANA)}}, log.BadValue),  # type: ignore[arg-type]
        ({"actor": ""}, log.BadLeaf),
    ],
)
def test_what_does_not_belong_in_a_leaf_is_refused_by_name_and_takes_the_change_with_it(
    changes: dict[str, object], refusal: type[log.LogError]
) -> None:
    refused_with_its_change(refusal, **changes)
    assert not Entry.objects.exists()


def refused_with_its_change(refusal: type[log.LogError], **changes: object) -> str:
    """Even a caller who catches the error cannot commit the business row. Returns what the error says."""
    assert issubclass(refusal, log.LogError)
    said = []
    with transaction.atomic():
        Organisation.objects.create(name="Half done")
        try:
            append(**changes, own_block=False)
        except refusal as error:
            said.append(str(error))
    assert said
    assert not Organisation.objects.filter(name="Half done").exists()
    return said[0]


def test_what_is_as_deep_as_append_takes_is_read_by_the_verifiers_also_inside_a_receipt() -> None:
    entry = append(facts={"deep": nested(58)}, sealed={"deep": log.Sealed(nested(60), DANA)})
    sequencer.tick()
    receipt = receipts.receipt_for(entry, holder=DANA)
    assert receipt is not None
    shown = jcs.decode(receipt.as_json())
    assert shown["entry"]["facts"] == {"deep": nested(58)}
    assert shown["disclosures"][0]["value"] == nested(60)


def test_sixty_four_is_the_depth_of_canonical_json_for_writer_and_verifier() -> None:
    assert canonical_json(nested(64)) == jcs.encode(nested(64))
    for encode in (canonical_json, jcs.encode):
        with pytest.raises(ValueError, match="nested"):
            encode(nested(65))


def test_a_traceback_that_prints_its_variables_shows_neither_key_nor_value() -> None:
    with transaction.atomic():
        [(_, key)] = vault.sealing_keys([DANA]).items()
    assert "key=" not in repr(key)
    assert "Sunset" not in repr(log.Sealed("Sunset", DANA))


def test_a_lost_master_key_refuses_the_whole_transaction(record: Record, settings: Any, tmp_path: Path) -> None:
    record()
    settings.ASSAY_KEYS = tmp_path
    assert "put it back" in refused_with_its_change(log.VaultKeyMissing)
    assert Entry.objects.count() == 1
    assert list(tmp_path.iterdir()) == [], "a new key would open nothing that was sealed"


def test_another_offices_master_key_refuses_the_whole_transaction(
    record: Record, settings: Any, tmp_path: Path
) -> None:
    record()
    settings.ASSAY_KEYS = tmp_path
    keys.master_key(tmp_path / "vault-1.key", create=True)
    assert "master key" in refused_with_its_change(log.VaultKeyMissing)


def test_a_clock_that_went_back_refuses_the_whole_transaction(record: Record) -> None:
    record()
    with time_machine.travel(now() - timedelta(seconds=30)):
        said = refused_with_its_change(log.ClockWentBack, actor="system")
    assert "set the clock right" in said
    assert Entry.objects.count() == 1


def test_a_step_of_ntp_is_forgiven_and_the_operator_may_forgive_more(record: Record, settings: Any) -> None:
    record()
    with time_machine.travel(now() - timedelta(seconds=3)):
        record()
    with time_machine.travel(now() - timedelta(seconds=30)):
        settings.ASSAY_LOG_CLOCK_TOLERANCE = 60
        record()
    assert Entry.objects.count() == 3


def test_many_small_steps_back_are_one_large_one(record: Record) -> None:
    """Each is compared with the newest time in the log, not with the entry before it."""
    record()
    moment = now()
    with time_machine.travel(moment - timedelta(seconds=4)):
        record()
    with time_machine.travel(moment - timedelta(seconds=8)), pytest.raises(log.ClockWentBack):
        record()


def test_an_appended_entry_is_the_row_that_is_stored(record: Record) -> None:
    entry = record(sealed={"statement": "Statement of Dana"})
    stored = Entry.objects.get(pk=entry.pk)
    assert (bytes(stored.leaf), bytes(stored.leaf_hash)) == (entry.leaf, entry.leaf_hash)
    assert (stored.type, stored.created_at) == (entry.type, entry.created_at)
    assert json.loads(bytes(stored.leaf))["ts"] == f"{entry.created_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    assert entry == stored
    assert not entry._state.adding
    assert [section.name for section in entry.sections.order_by("name")] == ["actor", "statement"]


def test_values_of_subclasses_are_stored_as_what_they_are() -> None:
    facts = {"kind": EventType.CASE_OPENED, "count": True, "list": ("a", 1)}
    stored = json.loads(bytes(append(facts=facts).leaf))["facts"]
    assert stored == {"kind": "case:opened", "count": True, "list": ["a", 1]}


def test_a_section_opens_at_its_own_leaf_only(record: Record) -> None:
    first, second = record(), record()
    section = SealedSection.objects.get(entry=first)
    own = log.section_context(bytes(first.leaf_hash), "actor")
    assert own == f"leaf:{bytes(first.leaf_hash).hex()}:actor"
    assert vault.unseal(ALICE, bytes(section.ciphertext), own)[log.SALT_BYTES :] == f'"{ALICE}"'.encode()
    with pytest.raises(vault.VaultError):
        vault.unseal(ALICE, bytes(section.ciphertext), log.section_context(bytes(second.leaf_hash), "actor"))


def test_an_append_is_one_statement_on_postgresql_and_few_on_sqlite(record: Record) -> None:
    record()
    with CaptureQueriesContext(connection) as queries, transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor="system", role="system")
    written = [query["sql"] for query in queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(written) == (1 if connection.vendor == "postgresql" else 3), written


def test_the_names_of_old_versions_are_never_changed() -> None:
    """Old logs speak these names for ever. A new type is added to this list together with a new registry version."""
    assert REGISTRY_VERSION == 6
    assert " ".join(EventType) == (
        "asset:registered asset:restricted asset:restored detection:recorded consent:requested consent:given"
        " consent:refused consent:withdrawn notice:filed flag:raised flag:settled case:opened case:assigned"
        " decision:made action:executed action:reversed appeal:filed appeal:decided data:accessed"
        " erasure:requested erasure:performed export:made access:audited token:created token:revoked"
        " media:viewed notice:completed clock:missed case:closed case:reopened role:granted login_link:made"
        " login_link:used key:rotated log:succeeded record:changed hold:placed hold:released log:recovered"
        " manifest:updated manifest:redacted trust_list:added certificate:rotated certificate:revoked"
        " model:registered model:staged label:recorded model:audited drift:alarmed federation:round"
        " pack:proposed pack:approved pack:published pack:retired clock:paused clock:resumed clock:extended"
        " consent:renewed consent:expired consent:halted consent:invalidated signal:seen basis:recorded"
        " basis:withdrawn processing:refused notice:withdrawn notice:unfounded notice:answered"
        " flagger:designated flagger:changed misuse:observed misuse:warned misuse:suspended misuse:ended"
        " case:recused case:waiting reviewer:changed conflict:declared decision:proposed decision:approved"
        " decision:returned decision:expired decision:reviewed_again action:planned action:failed"
        " hash:blocked hash:suspended hash:withdrawn hash:purged account:suspended account:reinstated"
        " strike:given strike:voided statement:exported statement:corrected appeal:assigned appeal:messaged"
        " appeal:withdrawn appeal:final out_of_court:opened out_of_court:closed counter_notice:filed"
        " counter_notice:completed counter_notice:forwarded counter_notice:restored counter_notice:blocked"
        " counter_notice:withdrawn data:requested data:answered data:refused breach:opened breach:told"
        " breach:closed retention:purged hold:reviewed pack:submitted clock:replaced breach:assessed"
        " notice:reopened decision:withdrawn clock:lapsed data:put_back data:proved case:routed"
        " counter_notice:lifted regulator:invited regulator:activated regulator:suspended regulator:expired"
        " regulator:changed export:requested export:fetched export:failed export:expired consultation:opened"
        " consultation:messaged consultation:closed referral:recorded report:frozen report:published"
        " report:corrected register:published register:withheld register:redacted research:granted"
        " research:revoked research:read proposal:opened proposal:closed proposal:answered proposal:withdrawn"
        " comment:received comment:shown comment:withheld comment:replied webhook:made webhook:changed"
        " webhook:disabled statement:submitted charter:adopted example:chosen example:ended report:drafted"
        " proposal:drafted consent:proved"
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


@pytest.mark.django_db(transaction=True)
@pytest.mark.only_on("sqlite")  # PostgreSQL has no write-ahead log beside the database
def test_what_a_reader_keeps_in_the_write_ahead_log_goes_when_the_reader_has_gone(record: Record) -> None:
    record(sealed={"statement": "Statement of Dana"})
    wrapped = bytes(PersonKey.objects.get(person=DANA).wrapped)
    name = Path(connection.settings_dict["NAME"])
    waiting = name.with_name(f"{name.name}-wal")
    with closing(sqlite3.connect(name)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM ledger_personkey").fetchall()
        vault.destroy(DANA)
        assert wrapped in waiting.read_bytes() + name.read_bytes()
    vault.finish_erasures()
    assert wrapped not in waiting.read_bytes() + name.read_bytes()


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
    affected = vault.destroy(DANA).indices
    took = time.perf_counter() - start
    assert len(affected) in (1000, 0)  # 0 on PostgreSQL, where nothing has an index before the first tick
    assert took < 0.5, "the target is 50 ms on a quiet machine; ten times that means a query an entry"
