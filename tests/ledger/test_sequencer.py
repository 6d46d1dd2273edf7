"""Sequencing and signing: only what is committed, only one history; what readers get is what was signed."""

import hashlib
import itertools
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client

from core.clock import now
from core.problems import NotFound
from ledger import (
    alarms,
    audit,
    custody,
    head,
    keys,
    log,
    merkle,
    notes,
    proofs,
    reading,
    receipts,
    sequencer,
    tiles,
    vault,
)
from ledger.management.commands.sequencer import Command
from ledger.models import Checkpoint, Entry, Outbox, SealedSection, Sequence, Tile
from tests.append_only import protect, unprotect
from tests.ledger import forge
from tests.ledger.conftest import ALICE, DANA, Record, erase

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]


def opened(note: str) -> notes.TreeHead:
    return notes.open_checkpoint(note, "assay.localhost/log", [custody.log_verifier()])


def test_an_empty_log_has_nothing_to_sign_and_nothing_to_show(client: Client) -> None:
    assert sequencer.tick() is None
    assert reading.signed_size() == 0
    assert client.get("/log/checkpoint", HTTP_ACCEPT="application/json").status_code == 404


def test_every_entry_has_a_receipt_that_verifies_with_key_and_leaf_alone(signed_log: Grow) -> None:
    for entry in signed_log(5):
        receipt = receipts.receipt_for(Entry.objects.get(pk=entry.pk))
        assert receipt is not None
        index, path, checkpoint = forge.read_proof(receipt.as_tlog_proof())
        tree = opened(checkpoint)
        merkle.verify_inclusion(merkle.leaf_hash(bytes(entry.leaf)), index, tree.size, path, tree.root)


def test_a_receipt_is_not_given_before_the_signature(record: Record) -> None:
    entry = record()
    assert receipts.receipt_for(entry) is None
    assert list(reading.entries()) == []
    with pytest.raises(NotFound):
        reading.entry(0)
    sequencer.tick()
    assert receipts.receipt_for(entry) is not None
    assert [row.pk for row in reading.entries()] == [entry.pk]


def test_each_checkpoint_is_proved_to_continue_the_one_before(record: Record) -> None:
    signed = []
    for count in (1, 3, 1, 260, 7):
        for _ in range(count):
            record(actor="system")
        checkpoint = sequencer.tick()
        assert checkpoint is not None
        signed.append(opened(checkpoint.note))
    assert [one.size for one in signed] == [1, 4, 5, 265, 272]
    for old, new in itertools.pairwise(signed):
        merkle.verify_consistency(old.size, old.root, new.size, new.root, proofs.consistency(old.size, new.size))


def test_nothing_new_signs_nothing(signed_log: Grow) -> None:
    signed_log(2)
    assert sequencer.tick() is None
    assert Checkpoint.objects.count() == 1


def test_a_second_sequencer_waits_for_the_first(record: Record) -> None:
    record()
    with head.only_one() as mine:
        assert mine
        assert sequencer.tick() is None
    assert sequencer.tick() is not None


def test_signing_inside_a_transaction_is_refused(record: Record) -> None:
    record()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        sequencer.tick()
    assert not Checkpoint.objects.exists()
    assert head.last_signed() is None


@pytest.mark.parametrize("step", ["before the guard", "after the guard", "after the signature"])
def test_a_crash_at_any_step_is_repaired_by_the_next_tick(
    signed_log: Grow, record: Record, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    signed_log(2)
    record()
    crash: dict[str, tuple[Any, str]] = {
        "before the guard": (head, "swap"),
        "after the guard": (notes, "sign"),
        "after the signature": (Checkpoint.objects, "create"),
    }

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*crash[step], power_cut)
        with pytest.raises(KeyboardInterrupt):
            sequencer.tick()
    assert reading.signed_size() == 2
    record()
    repaired = sequencer.tick()
    assert repaired is not None
    assert repaired.size == 4
    assert audit.check_log().signed_size == 4


def test_a_database_behind_the_signed_head_is_never_signed_again(signed_log: Grow, record: Record) -> None:
    """A restored backup: the guard remembers 3 entries, the database has others or fewer."""
    signed_log(3)
    head.swap(head.last_signed(), notes.TreeHead("assay.localhost/log", 9, b"n" * 32))
    record()
    with pytest.raises(head.HeadMismatch, match="restore the newest copy"):
        sequencer.tick()
    assert Checkpoint.objects.count() == 1


def test_another_history_of_the_same_length_is_never_signed(signed_log: Grow, record: Record) -> None:
    signed_log(3)
    head.swap(head.last_signed(), notes.TreeHead("assay.localhost/log", 3, b"n" * 32))
    record()
    with pytest.raises(head.HeadMismatch, match="not those that were signed"):
        sequencer.tick()


@pytest.mark.parametrize("damage", ["missing", "garbled", "other log"])
def test_a_damaged_guard_stops_signing_until_the_operator_vouches(
    signed_log: Grow, record: Record, damage: str
) -> None:
    signed_log(3)
    if damage == "missing":
        head.head_path().unlink()
    else:
        head.head_path().write_text("garbled" if damage == "garbled" else f"x.example/log\n3\n{'A' * 43}=\n")
    record()
    with pytest.raises(head.HeadMismatch):
        sequencer.tick()
    assert sequencer.adopt_head().size == 3
    repaired = sequencer.tick()
    assert repaired is not None
    assert repaired.size == 4


def test_a_lost_signing_key_is_never_replaced_by_a_new_one(
    signed_log: Grow, record: Record, settings: Any, tmp_path: Any
) -> None:
    signed_log(1)
    settings.ASSAY_KEYS = tmp_path
    record(actor="system")
    with pytest.raises(keys.KeyMissing):
        sequencer.tick()
    assert list(tmp_path.iterdir()) == []


def insert_raw(leaf: bytes, leaf_hash: bytes) -> Entry:
    """As a program does that holds the office's database role."""
    entry = Entry.objects.create(leaf=leaf, leaf_hash=leaf_hash, type="case:opened")
    if connection.vendor == "postgresql":
        Outbox.objects.create(entry=entry, transaction="mallory")
    else:
        with connection.cursor() as cursor:
            cursor.execute(log.SEQUENCE_SQLITE, [entry.pk])
    return entry


LARGE = b'{"x":"' + b"x" * log.MAX_LEAF_BYTES + b'"}'
NOT_OURS = pytest.mark.parametrize(
    ("leaf", "leaf_hash"), [(b"{}", b"n" * 32), (LARGE, merkle.leaf_hash(LARGE))], ids=["another hash", "too large"]
)


@pytest.mark.only_on("sqlite")  # there the sequencer gives the index
@NOT_OURS
def test_on_sqlite_a_row_that_append_cannot_have_written_is_not_signed(
    signed_log: Grow, leaf: bytes, leaf_hash: bytes
) -> None:
    signed_log(2)
    insert_raw(leaf, leaf_hash)
    with pytest.raises(head.HeadMismatch, match="the leaf of entry 2"):
        sequencer.tick()
    assert reading.signed_size() == 2


@pytest.mark.only_on("postgresql")  # SQLite has no outbox
@NOT_OURS
def test_a_row_that_append_cannot_have_written_gets_no_index_and_stops_nobody(
    signed_log: Grow, record: Record, leaf: bytes, leaf_hash: bytes
) -> None:
    signed_log(2)
    raw = insert_raw(leaf, leaf_hash)
    record()
    signed = sequencer.tick()
    assert signed is not None
    assert signed.size == 3
    assert not Sequence.objects.filter(entry=raw).exists()
    assert not Outbox.objects.exists()
    [alarm] = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("leaf", False)
    assert f"the first are of id {raw.pk}." in alarm.message
    assert any("1 rows of ledger_entry" in line for line in audit.check_log().unchecked)


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), log.ClockWentBack("The clock is behind."), notes.BadNote("not a note")],
    ids=lambda error: type(error).__name__,
)
def test_a_tick_that_fails_is_told_and_tried_again(
    record: Record, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    loop = Command()
    record()
    with monkeypatch.context() as patch:
        patch.setattr(head, "swap", fail)
        assert not loop._works()
        assert not loop._works()
        with pytest.raises(CommandError, match=str(error.args[-1])):
            call_command("sequencer", once=True)
    [alarm] = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("sequencer", False)
    assert str(error) in alarm.message
    assert loop._works()
    assert alarms.open_alarms() == []
    assert reading.signed_size() == 1


def test_key_files_are_private(signed_log: Grow, settings: Any) -> None:
    signed_log(1)
    for name in ("log.key", "vault-1.key"):
        assert (settings.ASSAY_KEYS / name).stat().st_mode & 0o777 == 0o600


def test_entries_are_paged_by_index_and_filtered_by_type(signed_log: Grow) -> None:
    signed_log(7)
    assert [row.sequence.index for row in reading.entries(after=2, limit=3)] == [3, 4, 5]
    assert list(reading.entries(types=["case:opened"])) == []
    assert len(reading.entries(types=["asset:registered"])) == 7


def test_a_stranger_can_mirror_and_verify_the_log_over_http(record: Record, client: Client) -> None:
    """Everything from the public addresses, nothing from our own proof code."""
    for _ in range(300):
        record(actor="system")
    sequencer.tick()
    response = client.get("/log/checkpoint")
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert "max-age=2" in response["Cache-Control"]
    tree = opened(response.content.decode())
    leaves = [
        leaf
        for path in ("000", "001.p/44")
        for leaf in tiles.split_bundle(client.get(f"/log/tile/entries/{path}").content)
    ]
    hashes = [hashlib.sha256(b"\0" + leaf).digest() for leaf in leaves]
    assert tree.size == len(leaves) == 300
    assert merkle.root_of(hashes) == tree.root
    first = client.get("/log/tile/0/000")
    assert first.content == b"".join(hashes[:256])
    assert "immutable" in first["Cache-Control"]
    assert client.get("/log/tile/0/001.p/44").content == b"".join(hashes[256:])
    assert client.get("/log/tile/0/001.p/10").content == b"".join(hashes[256:266])
    assert client.get("/log/tile/1/000.p/1").content == tiles.fold(first.content)
    assert client.get("/log/key").content.decode().strip() == custody.log_verifier().vkey


UNSIGNED = "0/001 0/002.p/1 0/001.p/45 1/000 2/000.p/1 entries/001"
MISSPELT = "0/1 0/x000/000 64/000 00/000 0/000.p/0 entries/zzz 0/" + "x999/" * 30 + "999"


@pytest.mark.parametrize("path", f"{UNSIGNED} {MISSPELT}".split())
def test_a_tile_that_is_not_signed_or_not_spelled_right_is_not_there(record: Record, client: Client, path: str) -> None:
    for _ in range(300):
        record(actor="system")
    sequencer.tick()
    assert client.get(f"/log/tile/{path}", HTTP_ACCEPT="application/json").status_code == 404


def test_tiles_do_not_run_ahead_of_the_signature(signed_log: Grow, record: Record, client: Client) -> None:
    signed_log(3)
    record()
    sequencer._integrate()
    assert client.get("/log/tile/0/000.p/3").status_code == 200
    assert client.get("/log/tile/0/000.p/4", HTTP_ACCEPT="application/json").status_code == 404


def test_the_api_gives_receipts_and_consistency_to_anyone(signed_log: Grow, api: Any) -> None:
    signed_log(3)
    body = api().get("/api/v1/log/entries/1/receipt").json()
    assert forge.read_proof(body["tlog_proof"])[0] == body["index"] == 1
    assert body["entry"]["type"] == "asset:registered"
    assert api().get("/api/v1/log/entries/3/receipt").status_code == 404
    assert api().get(f"/api/v1/log/entries/{10**30}/receipt").status_code == 404
    assert len(api().get("/api/v1/log/consistency?old=1&new=3").json()["proof"]) == 2
    for wrong in ("old=3&new=1", "old=1&new=4"):
        assert api().get(f"/api/v1/log/consistency?{wrong}").status_code == 404
    for wrong in ("", "old=a&new=2", "old=-1&new=2", "old=1&new=" + "9" * 40, "old=٣&new=3"):
        assert api().get(f"/api/v1/log/consistency?{wrong}").status_code == 400


def test_erasure_leaves_every_proof_and_the_root_as_they_were(signed_log: Grow, record: Record) -> None:
    rows = signed_log(4)
    before = audit.check_log()
    old = receipts.receipt_for(rows[0])
    assert old is not None
    assert [one.value for one in receipts.disclosures_for(rows[0], ["statement"])] == ["Statement 0 of Dana"]
    assert erase(DANA).indices == [0, 1, 2, 3]
    after = audit.check_log()
    assert (after.root, after.signed_size, after.erased) == (before.root, before.signed_size, 4)
    assert receipts.disclosures_for(rows[0], ["statement"]) == []
    assert [one.name for one in receipts.disclosures_for(rows[0])] == ["actor"]
    record()
    sequencer.tick()
    tree = opened(old.checkpoint)
    merkle.verify_inclusion(merkle.leaf_hash(old.leaf), old.index, tree.size, old.proof, tree.root)


def test_a_ciphertext_from_before_the_erasure_stays_shut(signed_log: Grow) -> None:
    """A backup of the sections without the key: it says nothing, and check_log does not take it for a break."""
    signed_log(1)
    kept = list(SealedSection.objects.filter(person=DANA))
    erase(DANA)
    SealedSection.objects.bulk_create(kept)
    assert receipts.disclosures_for(Entry.objects.order_by("pk")[0], ["statement"]) == []
    assert audit.check_log().erased == 1


def damage_leaf() -> None:
    row = Entry.objects.order_by("pk")[1]
    Entry.objects.filter(pk=row.pk).update(leaf=bytes(row.leaf).replace(b"image", b"video"))


def damage_leaf_and_its_hash() -> None:
    row = Entry.objects.order_by("pk")[1]
    leaf = bytes(row.leaf).replace(b"image", b"video")
    Entry.objects.filter(pk=row.pk).update(leaf=leaf, leaf_hash=merkle.leaf_hash(leaf))


def damage_type() -> None:
    Entry.objects.filter(pk=Entry.objects.order_by("pk")[0].pk).update(type="case:opened")


def backdate() -> None:
    Entry.objects.filter(pk=Entry.objects.order_by("pk")[1].pk).update(created_at=now() - timedelta(days=400))


def remove_sequence() -> None:
    Sequence.objects.filter(index=1).delete()


def swap_sequence() -> None:
    a, b = (row.entry_id for row in Sequence.objects.filter(index__in=(0, 1)).order_by("index"))
    Sequence.objects.filter(index__in=(0, 1)).delete()
    Sequence.objects.bulk_create([Sequence(index=0, entry_id=b), Sequence(index=1, entry_id=a)])


def damage_tile() -> None:
    Tile.objects.update(data=b"x" * 96)


def add_tile() -> None:
    Tile.objects.create(level=1, n=0, data=b"x" * 32)


def damage_root() -> None:
    Checkpoint.objects.update(root=b"x" * 32)


def damage_note() -> None:
    row = Checkpoint.objects.get()
    Checkpoint.objects.update(note=row.note.replace("\n3\n", "\n4\n"))


def forge_section() -> None:
    row = SealedSection.objects.filter(name="statement").order_by("pk")[0]
    blob = vault.seal(
        DANA, b"s" * 32 + b'"Another statement"', log.section_context(bytes(row.entry.leaf_hash), "statement")
    )
    SealedSection.objects.filter(pk=row.pk).update(ciphertext=blob)


def move_section() -> None:
    first, second = SealedSection.objects.filter(name="statement").order_by("pk")[:2]
    SealedSection.objects.filter(pk=first.pk).update(ciphertext=second.ciphertext)


def lose_guard() -> None:
    head.head_path().unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_leaf, "entry 1: the leaf does not hash"),
        (damage_leaf_and_its_hash, "checkpoint 3: its root is not"),
        (damage_type, "entry 0"),
        (backdate, "entry 1: its row says another time"),
        (remove_sequence, "index 1 is missing"),
        (swap_sequence, "checkpoint 3"),
        (damage_tile, "tile 0/0"),
        (add_tile, "tiles of level 1"),
        (damage_root, "checkpoint 3"),
        (damage_note, "checkpoint 3: the signature"),
        (forge_section, "does not open the commitment"),
        (move_section, "section statement"),
        (lose_guard, "head guard"),
    ],
)
def test_check_log_names_what_somebody_with_full_access_changed(
    signed_log: Grow, damage: Callable[[], None], said: str
) -> None:
    signed_log(3)
    assert audit.check_log().entries == 3
    unprotect()
    try:
        damage()
        with pytest.raises(audit.Broken, match=said):
            audit.check_log()
    finally:
        protect()


def test_check_log_passes_while_entries_wait_for_the_next_signature(signed_log: Grow, record: Record) -> None:
    signed_log(3)
    record()
    assert audit.check_log().signed_size == 3


def test_full_tiles_are_checked_too(record: Record) -> None:
    for _ in range(257):
        record(actor="system")
    sequencer.tick()
    assert audit.check_log().tiles == 3


def test_the_actor_of_an_entry_is_disclosed_to_who_may_see_it(signed_log: Grow) -> None:
    assert [one.value for one in receipts.disclosures_for(signed_log(1)[0], ["actor"])] == [ALICE]
