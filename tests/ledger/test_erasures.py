"""What was erased stays erased: the journal beside the head guard, and replay after a restore."""

import io
import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from ledger import audit, bundle, erasures, head, journal, merkle, nightly, notes, receipts, sequencer, tiles, vault
from ledger.events import EventType
from ledger.models import Entry, PersonKey, SealedSection
from ledger.storedtree import read_tile
from tests.ledger.conftest import ALICE, DANA, Record, erase

pytestmark = pytest.mark.django_db(transaction=True)

Grow = Callable[[int], list[Entry]]


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    erasures._looked.clear()


def key_of(person: str) -> uuid.UUID:
    return PersonKey.objects.get(person=person).pk


class Backup:
    """What Dana's key and sections were, to be put back as a restored database has them."""

    def __init__(self) -> None:
        self.keys = list(PersonKey.objects.filter(person=DANA))
        self.sections = list(SealedSection.objects.filter(person=DANA))

    def restore(self) -> None:
        PersonKey.objects.bulk_create(self.keys)
        SealedSection.objects.bulk_create(self.sections)


def test_the_journal_names_destroyed_keys_and_nobody(signed_log: Grow) -> None:
    signed_log(2)
    key = key_of(DANA)
    erasure = vault.destroy(DANA)
    text = journal.path().read_text()
    assert erasure.keys == [journal.key_digest(key)]
    assert journal.read() == journal.Journal(frozenset(erasure.keys), 0)
    assert journal.path().parent == head.head_path().parent
    assert journal.path().stat().st_mode & 0o777 == 0o600
    assert DANA not in text and key.hex not in text


def test_an_erasure_that_was_rolled_back_is_not_in_the_journal(signed_log: Grow) -> None:
    """Or the next replay would destroy what nobody asked to be erased."""
    signed_log(1)
    with pytest.raises(RuntimeError), transaction.atomic():
        vault.destroy(DANA)
        raise RuntimeError
    assert journal.read().keys == frozenset()
    assert erasures.replay() == erasures.Replayed(0, 0, 0)
    assert vault.has_key(DANA)


@pytest.mark.parametrize("lost", ["never written", "cut short", "gone"])
def test_a_line_that_a_crash_kept_from_the_journal_comes_from_the_log(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    signed_log(1)
    if lost == "never written":

        def power_cut(*_: object) -> None:
            raise OSError("the power went")

        with monkeypatch.context() as patch:
            patch.setattr(journal, "_write", power_cut)
            erasure = erase(DANA)
    else:
        erasure = erase(DANA)
        half = journal.path().read_bytes()[:40] if lost == "cut short" else b""
        journal.path().write_bytes(half)
    assert journal.read().keys == frozenset()
    assert erasures.replay() == erasures.Replayed(1, 0, 0)
    assert journal.read().keys == frozenset(erasure.keys)
    assert erasures.replay() == erasures.Replayed(0, 0, 0)


def test_a_line_that_cannot_be_read_is_said_by_the_doctor(signed_log: Grow) -> None:
    signed_log(1)
    erase(DANA)
    assert erasures.check().ok
    with journal.path().open("a") as file:
        file.write("not a line\n")
    assert "1 lines" in erasures.check().detail
    assert not erasures.check().ok


def test_what_a_restore_brings_back_goes_again_once(signed_log: Grow) -> None:
    rows = signed_log(3)
    backup = Backup()
    erase(DANA)
    backup.restore()
    assert receipts.disclosures_for(rows[0], ["statement"]) != []
    assert not erasures.check().ok
    before = Entry.objects.count()
    assert erasures.replay() == erasures.Replayed(0, 1, 3)
    assert receipts.disclosures_for(rows[0], ["statement"]) == []
    assert not vault.has_key(DANA)
    assert Entry.objects.count() == before, "the log says already that they were destroyed"
    assert erasures.check().ok
    assert erasures.replay() == erasures.Replayed(0, 0, 0)
    sequencer.tick()
    assert audit.check_log().entries >= before


def test_whoever_came_back_after_an_erasure_has_another_key_that_replay_leaves_alone(
    signed_log: Grow, record: Record
) -> None:
    signed_log(1)
    erase(DANA)
    entry = record(sealed={"statement": "Dana appeals"})
    assert erasures.replay() == erasures.Replayed(0, 0, 0)
    assert [one.value for one in receipts.disclosures_for(entry, ["statement"])] == ["Dana appeals"]


def test_upper_rooms_empty_their_columns_in_the_same_transaction(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_log(1)
    backup = Backup()
    erase(DANA)
    backup.restore()
    emptied: list[str] = []

    def fail(person: str) -> None:
        raise RuntimeError("the machine stops here")

    monkeypatch.setattr(erasures, "_again", [fail])
    with pytest.raises(RuntimeError):
        erasures.replay()
    assert vault.has_key(DANA), "half a replay is none: the next start does it whole"
    monkeypatch.setattr(erasures, "_again", [emptied.append])
    erasures.replay()
    assert emptied == [DANA]
    assert not vault.has_key(DANA)


def test_old_receipts_verify_after_an_erasure(signed_log: Grow) -> None:
    old = [receipts.receipt_for(Entry.objects.get(pk=entry.pk)) for entry in signed_log(5)]
    erase(DANA)
    sequencer.tick()
    for receipt in old:
        assert receipt is not None
        tree = erasures.signed_head(receipt.checkpoint)
        merkle.verify_inclusion(merkle.leaf_hash(receipt.leaf), receipt.index, tree.size, receipt.proof, tree.root)


def test_a_thousand_entries_are_erased_by_the_same_few_statements_as_one(record: Record) -> None:
    for _ in range(3):
        record(actor=DANA)
    for _ in range(40):
        record(actor=ALICE)
    counts = []
    for person in (DANA, ALICE):
        with CaptureQueriesContext(connection) as queries:
            vault.destroy(person)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


# --- What the log lost ------------------------------------------------------------------------------------------------


def newest_facts() -> dict[str, object]:
    entry = Entry.objects.filter(type=EventType.ERASURE_PERFORMED).order_by("-pk")[0]
    return dict(json.loads(bytes(entry.leaf))["facts"])


def test_an_erasure_that_the_log_lost_is_recorded_again_with_its_list(signed_log: Grow) -> None:
    """Neither signed nor in the backup: only the journal knows of it."""
    signed_log(3)
    backup = Backup()
    [key] = vault.destroy(DANA).keys
    backup.restore()
    assert erasures.replay() == erasures.Replayed(0, 1, 3)
    assert newest_facts() == {"actor": "system", "ground": "journal", "count": 3, "keys": [key]}
    assert erasures.replay() == erasures.Replayed(0, 0, 0)
    found = audit.check_log()
    assert (found.erased, found.unchecked) == (3, [])


def test_what_went_while_the_database_was_behind_is_recorded_as_unlisted_and_said(signed_log: Grow) -> None:
    signed_log(2)
    vault.destroy(DANA)
    erasures.complete()
    assert (newest_facts()["count"], newest_facts()["unlisted"]) == (0, 1)
    sequencer.tick()
    assert [words[:22] for words in audit.check_log().unchecked] == ["2 entries lack a secti"]
    nightly.run()
    assert "Not checked: 2 entries lack a section" in nightly.check().detail


@pytest.mark.parametrize("after", ["the journal", "the log"])
def test_an_erasure_that_commits_while_journal_and_log_are_compared_is_not_lost(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    signed_log(1)
    read, of_log = journal.read, erasures._of_log

    def then_erase(found: Any) -> Any:
        if vault.has_key(DANA):
            erase(DANA)
        return found

    if after == "the journal":
        monkeypatch.setattr(journal, "read", lambda: then_erase(read()))
    else:
        monkeypatch.setattr(erasures, "_of_log", lambda: then_erase(list(of_log())))
    erasures.complete()
    assert not vault.has_key(DANA)
    assert Entry.objects.filter(type=EventType.ERASURE_PERFORMED).count() == 1


# --- A newer copy of the log -----------------------------------------------------------------------------------------


def publish(folder: Path) -> Path:
    """The whole signed log as tlog-tiles, as any mirror of it would hold."""
    from ledger.models import Checkpoint

    newest = Checkpoint.objects.order_by("-size")[0]
    files = {"checkpoint": newest.note.encode()}
    leaves = [bytes(row.leaf) for row in Entry.objects.order_by("sequence__index") if row.index is not None]
    for n in range(-(-newest.size // 256)):
        width = tiles.width_of(0, n, newest.size)
        files[f"tile/entries/{tiles.path_of(n, width)}"] = tiles.bundle(leaves[n * 256 : n * 256 + width])
    for level in range(3):
        for n in range(-(-(newest.size >> (8 * level)) // 256)):
            width = tiles.width_of(level, n, newest.size)
            files[f"tile/{level}/{tiles.path_of(n, width)}"] = read_tile(level, n)[: width * 32]
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def erased_elsewhere(signed_log: Grow, tmp_path: Path) -> Iterator[Path]:
    """A published copy that knows of Dana's erasure, beside a restored database and a lost journal."""
    signed_log(2)
    backup = Backup()
    erase(DANA)
    sequencer.tick()
    copy = publish(tmp_path / "copy")
    backup.restore()
    journal.path().unlink()
    yield copy


def test_a_published_copy_tells_what_the_journal_knew(erased_elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures, "_of_log", lambda: iter(()))  # the restored log is older than the erasure
    assert erasures.replay() == erasures.Replayed(0, 0, 0)
    out = io.StringIO()
    call_command("replay_erasures", "--from", str(erased_elsewhere), stdout=out)
    assert "1 keys, 2 sealed sections" in out.getvalue()
    assert not vault.has_key(DANA)
    assert len(journal.read().keys) == 1


def test_a_bundle_tells_it_too(erased_elsewhere: Path, tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    newest = erasures.signed_head((erased_elsewhere / "checkpoint").read_text())
    with path.open("w+b") as file:
        scope = bundle.BundleScope(0, newest.size)
        bundle.write_bundle(file, scope=scope, disclosures=(), about={"purpose": "mirror"})
    assert erasures.named_in(str(path)) == {journal.key_digest(key_of(DANA))}


def test_a_copy_that_is_not_of_this_log_destroys_nothing(erased_elsewhere: Path) -> None:
    """Mallory adds an entry that would have Dana's key destroyed."""
    entries = erased_elsewhere / "tile" / "entries" / tiles.path_of(0, 3)
    leaves = tiles.split_bundle(entries.read_bytes())
    leaves[2] = leaves[2].replace(b"eu.gdpr.17", b"eu.gdpr.18")
    entries.write_bytes(tiles.bundle(leaves))
    with pytest.raises(CommandError, match="do not lead to the root"):
        call_command("replay_erasures", "--from", str(erased_elsewhere))
    shutil.rmtree(erased_elsewhere)
    with pytest.raises(CommandError, match="checkpoint: there is no such file"):
        call_command("replay_erasures", "--from", str(erased_elsewhere))
    erased_elsewhere.mkdir()
    forged = notes.sign("mallory.example/log\n0\n" + "A" * 43 + "=\n", Mallory())
    (erased_elsewhere / "checkpoint").write_text(str(forged))
    with pytest.raises(CommandError, match="not signed by a key"):
        call_command("replay_erasures", "--from", str(erased_elsewhere))
    assert vault.has_key(DANA)


class Mallory:
    name, key_id = "mallory.example/log", 7

    def sign(self, text: bytes) -> bytes:
        return b"x" * 64


def test_an_entry_that_no_verb_wrote_does_not_keep_the_office_from_starting(record: Record) -> None:
    for leaf in (b'{"type":"erasure:performed"', b'{"facts":7,"type":"erasure:performed"}', b'["erasure:performed"]'):
        assert list(erasures._keys_in(leaf)) == []
