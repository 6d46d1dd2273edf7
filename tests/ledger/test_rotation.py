"""The log's key changes hands; a log whose key was stolen ends, and its tree goes on under another name."""

import datetime as dt
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from core.clock import now
from ledger import (
    audit,
    custody,
    head,
    keys,
    log,
    merkle,
    mldsa,
    notes,
    proofs,
    reading,
    receipts,
    rotation,
    sequencer,
    succession,
)
from ledger.events import EventType
from ledger.models import Checkpoint, Entry, LogKey
from tests.append_only import unprotect
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]
MONTH = dt.timedelta(days=30)
OLD, NEW = "assay.localhost/log", "assay.localhost/log2"


@pytest.fixture(autouse=True)
def _own_keys(settings: Any, tmp_path: Path) -> None:
    settings.ASSAY_KEYS = tmp_path / "keys"


def latest() -> str:
    checkpoint = reading.latest_checkpoint()
    assert checkpoint is not None
    return checkpoint.note


def signed_by(note: str) -> list[int]:
    return [signature.key_id for signature in notes.parse(note).signatures]


def accepted_by(key: keys.LogVerifier, note: str, origin: str = OLD) -> bool:
    try:
        notes.open_checkpoint(note, origin, [key])
    except notes.BadNote:
        return False
    return True


def facts_of(type: EventType) -> list[dict[str, Any]]:
    rows = Entry.objects.filter(type=type).order_by("pk")
    return [json.loads(bytes(row.leaf))["facts"] for row in rows]


def secret_in(path: Path) -> str:
    """The base64 of a private key, whose alphabet has the sign that parts a note key's fields."""
    text = path.read_text().strip()
    return text.split("+", 4)[4] if text.startswith("PRIVATE+KEY+") else text


def run(command: str, *arguments: str) -> str:
    said = StringIO()
    call_command(command, *arguments, stdout=said)
    return said.getvalue()


# --- Rotation ------------------------------------------------------------------------------------------------------


def test_both_keys_sign_while_a_rotation_overlaps_and_then_the_old_one_stops(signed_log: Grow, record: Record) -> None:
    signed_log(2)
    old = custody.log_verifier()
    done = rotation.rotate(MONTH)
    sequencer.tick()
    assert signed_by(latest()) == [done.new.key_id, old.key_id]
    assert accepted_by(old, latest())
    assert accepted_by(done.new, latest())
    with time_machine.travel(now() + dt.timedelta(days=31), tick=False):
        record()
        sequencer.tick()
        assert signed_by(latest()) == [done.new.key_id]
        assert custody.log_verifiers() == (done.new,)
        assert custody.all_verifiers() == (done.new, old)
        assert LogKey.objects.get(vkey=old.vkey).until == 3
        assert audit.check_log().checkpoints == 3


def test_the_statement_is_signed_by_both_keys_and_the_log_commits_to_it(signed_log: Grow) -> None:
    signed_log(3)
    done = rotation.rotate(MONTH)
    sequencer.tick()
    [note] = custody.rotations()
    for key in (done.old, done.new):
        text = notes.open_note(note, [key]).text
        assert text == f"assay-key-rotation/1\n{OLD}\n{done.old.vkey}\n{done.new.vkey}\n3\n"
    [facts] = facts_of(EventType.KEY_ROTATED)
    assert facts["statement"] == rotation.sha256(note)
    assert (facts["old"], facts["new"]) == (done.old.vkey, done.new.vkey)


def test_a_second_rotation_while_one_is_under_way_changes_nothing(signed_log: Grow) -> None:
    signed_log(1)
    first, second = rotation.rotate(MONTH), rotation.rotate(MONTH)
    assert second.repeated
    assert (second.old, second.new, second.ends) == (first.old, first.new, first.ends)
    assert LogKey.objects.count() == 2


def test_a_log_rotates_again_and_again_and_every_checkpoint_stays_good(signed_log: Grow, record: Record) -> None:
    signed_log(2)
    for _ in range(3):
        rotation.rotate(dt.timedelta())
        sequencer.tick()
        record()
        sequencer.tick()
    assert len(custody.all_verifiers()) == 4
    assert len(custody.rotations()) == 3
    assert audit.check_log().checkpoints == Checkpoint.objects.count()


@pytest.mark.parametrize("step", ["the statement is signed", "the entry is written", "the new row is written"])
def test_a_rotation_that_was_cut_short_is_completed_by_the_next_run_with_the_same_new_key(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    signed_log(2)
    crash: dict[str, tuple[Any, str]] = {
        "the statement is signed": (notes, "sign"),
        "the entry is written": (log, "append"),
        "the new row is written": (LogKey.objects, "create"),
    }

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*crash[step], power_cut)
        with pytest.raises(KeyboardInterrupt):
            rotation.rotate(MONTH)
    begun = custody.next_log_signer().verifier
    assert LogKey.objects.count() == 1
    assert rotation.rotate(MONTH).new == begun
    sequencer.tick()
    assert len(facts_of(EventType.KEY_ROTATED)) == 1
    assert audit.check_log().signed_size == 3


def test_a_key_does_not_sign_beyond_its_time(signed_log: Grow, record: Record, settings: Any) -> None:
    """Mallory has found the old key, and has full access to the database."""
    signed_log(1)
    stolen = custody.log_signer()
    rotation.rotate(dt.timedelta())
    sequencer.tick()
    record()
    newest = sequencer.tick()
    assert newest is not None
    tree = notes.parse_tree_head(notes.parse(newest.note).text)
    unprotect()
    Checkpoint.objects.filter(size=newest.size).update(note=str(notes.sign(tree.text(), stolen)))
    with pytest.raises(audit.Broken, match="not signed by a key"):
        audit.check_log()


@pytest.mark.parametrize("lie", ["a key of her own", "a statement without entry", "another first key"])
def test_a_row_alone_makes_no_key(signed_log: Grow, lie: str) -> None:
    signed_log(1)
    rotation.rotate(MONTH)
    sequencer.tick()
    hers = keys.LogSigner(OLD, b"m" * 32)
    if lie == "a key of her own":
        LogKey.objects.create(origin=OLD, vkey=hers.verifier.vkey, since=0)
    elif lie == "a statement without entry":
        old = custody.log_verifiers()[1]
        note = str(notes.sign(rotation.statement(old, hers.verifier, 1), hers))
        LogKey.objects.create(origin=OLD, vkey=hers.verifier.vkey, since=0, rotation=note, until=9)
    else:
        LogKey.objects.filter(rotation="").update(vkey=hers.verifier.vkey)
    with pytest.raises(audit.Broken):
        audit.check_log()


def test_a_rotation_whose_key_lost_its_row_breaks_the_audit(signed_log: Grow) -> None:
    """As after a restore without it: the old key would sign on alone, and nobody would be told of the new one."""
    signed_log(1)
    rotation.rotate(MONTH)
    sequencer.tick()
    unprotect()
    LogKey.objects.exclude(rotation="").delete()
    with pytest.raises(audit.Broken, match="no key came by it"):
        audit.check_log()


def test_the_private_key_is_missing_and_no_new_one_is_made(signed_log: Grow, record: Record, settings: Any) -> None:
    signed_log(1)
    rotation.rotate(MONTH)
    (settings.ASSAY_KEYS / "log-2.key").unlink()
    record()
    with pytest.raises(keys.KeyMissing, match="put it back"):
        sequencer.tick()
    assert not (settings.ASSAY_KEYS / "log-2.key").exists()


def test_the_command_says_what_was_done_and_what_is_to_be_destroyed(signed_log: Grow, settings: Any) -> None:
    signed_log(1)
    old = custody.log_verifier()
    said = run("rotate_log_key", "--overlap", "7")
    assert old.vkey in said
    assert custody.log_verifier().fingerprint in said
    assert "nothing was changed" in run("rotate_log_key")
    assert "two keys sign until" in rotation.check().detail
    assert "log.key signs no longer: destroy it" in run("rotate_log_key", "--end-overlap")
    assert rotation.check().detail == "log.key signs no longer: destroy it, and its backups"
    (settings.ASSAY_KEYS / "log.key").unlink()
    assert rotation.check().detail == "nothing to do"
    assert secret_in(settings.ASSAY_KEYS / "log-2.key") not in said


def test_a_negative_overlap_is_refused(signed_log: Grow) -> None:
    with pytest.raises(CommandError, match="number of days"):
        run("rotate_log_key", "--overlap", "-1")


def test_the_promise_key_is_vouched_for_by_the_new_key_after_a_rotation(signed_log: Grow) -> None:
    signed_log(1)
    promise = custody.promise_signer().verifier
    rotation.rotate(MONTH)
    assert custody.promise_signer().verifier == promise
    opened = notes.open_note(custody.promise_attestation(), [custody.log_verifier()])
    assert opened.text == f"assay-promise-key/1\n{OLD}\n{promise.vkey}\n"


# --- ML-DSA-44 -----------------------------------------------------------------------------------------------------


def test_a_second_line_of_ml_dsa_44_is_checked_here_and_ignored_by_others(signed_log: Grow, settings: Any) -> None:
    settings.ASSAY_LOG_MLDSA = True
    signed_log(2)
    ed25519, second = custody.log_verifier(), mldsa.parse_vkey(custody.log_vkeys()[1])
    assert signed_by(latest()) == [ed25519.key_id, second.key_id]
    assert accepted_by(ed25519, latest())
    assert 3400 < len(latest().encode()) < 3500
    assert notes.open_note(latest(), [second]).text == notes.parse(latest()).text
    assert audit.check_log().checkpoints == 1


def test_a_wrong_line_of_ml_dsa_44_breaks_the_audit(signed_log: Grow, settings: Any) -> None:
    settings.ASSAY_LOG_MLDSA = True
    signed_log(2)
    note = notes.parse(latest())
    good, second = note.signatures
    flipped = bytes([*second.signature[:-1], second.signature[-1] ^ 1])
    forged = notes.Note(note.text, (good, notes.Signature(second.name, second.key_id, flipped)))
    unprotect()
    Checkpoint.objects.update(note=str(forged))
    with pytest.raises(audit.Broken, match="signature"):
        audit.check_log()


def test_ml_dsa_44_signs_the_structure_of_the_specification() -> None:
    """tlog-cosignature, “ML-DSA-44 signed message”, byte for byte, and verified by `cryptography` alone."""
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

    tree = notes.TreeHead("example.com/log", 7, b"r" * 32)
    signer = mldsa.MlDsaSigner("example.com/log", b"s" * 32)
    signature = signer.sign(tree.text().encode())
    message = b"subtree/v1\n\0" + b"\x0fexample.com/log" + bytes(8) + b"\x0fexample.com/log" + bytes(8)
    message += (7).to_bytes(8, "big") + b"r" * 32
    assert signature[:8] == bytes(8)
    MLDSA44PublicKey.from_public_bytes(signer.verifier.public_key).verify(signature[8:], message)
    assert signer.verifier.verifies(tree.text().encode(), signature)
    assert mldsa.parse_vkey(signer.verifier.vkey) == signer.verifier


def test_nothing_private_is_said_or_logged_by_any_verb(
    signed_log: Grow, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.ASSAY_LOG_MLDSA = True
    signed_log(1)
    said = run("rotate_log_key") + run("rewrap_vault") + run("succeed_log", "--freeze")
    settings.ASSAY_LOG_ORIGIN = NEW
    said += run("succeed_log", "--origin", NEW) + rotation.check().detail + caplog.text
    secrets = [path for path in settings.ASSAY_KEYS.iterdir() if path.suffix == ".key"]
    assert len(secrets) == 8  # three of the log, two of ML-DSA-44 and of the vault, one of promises
    for path in secrets:
        assert secret_in(path) not in said
        assert path.stat().st_mode & 0o777 == 0o600


# --- Freeze --------------------------------------------------------------------------------------------------------


def test_a_frozen_log_keeps_entries_and_signs_nothing_until_it_is_succeeded(
    signed_log: Grow, record: Record, settings: Any
) -> None:
    signed_log(2)
    run("succeed_log", "--freeze")
    record()
    assert sequencer.tick() is None
    assert reading.signed_size() == 2
    with pytest.raises(CommandError, match="succeed_log"):
        run("rotate_log_key")
    settings.ASSAY_LOG_ORIGIN = NEW
    run("succeed_log", "--origin", NEW)
    assert reading.signed_size() == 4
    assert audit.check_log().checkpoints == 2


def test_a_false_alarm_ends_with_the_next_signature(signed_log: Grow, record: Record) -> None:
    signed_log(1)
    run("succeed_log", "--freeze")
    record()
    run("succeed_log", "--unfreeze")
    assert sequencer.tick() is not None


# --- Succession ----------------------------------------------------------------------------------------------------


def test_nothing_is_signed_under_another_name_by_chance(signed_log: Grow, record: Record, settings: Any) -> None:
    signed_log(2)
    settings.ASSAY_LOG_ORIGIN = NEW
    record()
    with pytest.raises((keys.BadKey, head.HeadMismatch)):
        sequencer.tick()
    with pytest.raises(keys.BadKey, match="succeed_log"):
        custody.log_signer()
    assert Checkpoint.objects.count() == 1
    assert sorted(path.name for path in settings.ASSAY_KEYS.glob("log*.key")) == ["log.key"]


def test_the_tree_goes_on_under_a_new_name_and_commits_to_the_old_head(
    signed_log: Grow, record: Record, settings: Any
) -> None:
    entries = signed_log(3)
    old, final = custody.log_verifier(), latest()
    before = receipts.receipt_for(Entry.objects.get(pk=entries[0].pk))
    settings.ASSAY_LOG_ORIGIN = NEW
    assert "3 entries" in run("succeed_log", "--origin", NEW)
    new = custody.log_verifier()
    assert before is not None
    assert accepted_by(old, before.checkpoint)
    assert not accepted_by(old, latest(), NEW)
    assert not accepted_by(new, latest(), OLD)
    tree = notes.open_checkpoint(latest(), NEW, [new])
    path = merkle.inclusion(proofs.nodes(), 0, tree.size)
    merkle.verify_inclusion(bytes(entries[0].leaf_hash), 0, tree.size, path, tree.root)
    [facts] = facts_of(EventType.LOG_SUCCEEDED)
    ended = notes.open_checkpoint(final, OLD, [old])
    assert (facts["origin"], facts["size"], facts["root"]) == (OLD, 3, ended.root.hex())
    assert (facts["keys"], facts["new"]) == ([rotation.sha256(old.vkey)], new.vkey)
    merkle.verify_consistency(3, ended.root, tree.size, tree.root, proofs.consistency(3, tree.size))
    record()
    sequencer.tick()
    assert audit.check_log().checkpoints == 3


@pytest.mark.parametrize("step", ["the entry is written", "the new row is written", "the guard moves"])
def test_a_succession_that_was_cut_short_signs_nothing_and_is_completed_by_the_next_run(
    signed_log: Grow, record: Record, settings: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    signed_log(2)
    settings.ASSAY_LOG_ORIGIN = NEW
    crash: dict[str, tuple[Any, str]] = {
        "the entry is written": (log, "append"),
        "the new row is written": (LogKey.objects, "create"),
        "the guard moves": (head, "swap"),
    }

    def power_cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*crash[step], power_cut)
        with pytest.raises(KeyboardInterrupt):
            succession.succeed()
    record()
    with pytest.raises((keys.BadKey, head.HeadMismatch)):
        sequencer.tick()
    assert Checkpoint.objects.count() == 1
    assert not succession.succeed().repeated
    assert succession.succeed().repeated
    signed = sequencer.tick()
    assert signed is not None
    assert len(facts_of(EventType.LOG_SUCCEEDED)) == 1
    assert audit.check_log().signed_size == signed.size


def test_the_old_name_signs_nothing_after_it_ended(signed_log: Grow, record: Record, settings: Any) -> None:
    signed_log(2)
    settings.ASSAY_LOG_ORIGIN = NEW
    succession.succeed()
    settings.ASSAY_LOG_ORIGIN = OLD
    record()
    with pytest.raises((keys.BadKey, head.HeadMismatch)):
        sequencer.tick()
    assert Checkpoint.objects.count() == 1


def test_there_is_nothing_to_succeed_without_another_name(signed_log: Grow) -> None:
    signed_log(1)
    with pytest.raises(CommandError, match="There is no other log"):
        run("succeed_log", "--origin", OLD)
    with pytest.raises(CommandError, match=f"ASSAY_LOG_ORIGIN is {OLD}"):
        run("succeed_log", "--origin", NEW)


def test_a_database_behind_the_guard_cannot_be_succeeded(signed_log: Grow, settings: Any) -> None:
    signed_log(2)
    head.swap(head.last_signed(), notes.TreeHead(OLD, 9, b"n" * 32))
    settings.ASSAY_LOG_ORIGIN = NEW
    with pytest.raises(CommandError, match="Restore the newest copy"):
        run("succeed_log", "--origin", NEW)
    assert facts_of(EventType.LOG_SUCCEEDED) == []


def test_the_successor_has_a_promise_key_of_its_own(signed_log: Grow, settings: Any) -> None:
    signed_log(1)
    custody.promise_attestation()
    settings.ASSAY_LOG_ORIGIN = NEW
    succession.succeed()
    promise = custody.promise_signer().verifier
    assert promise.name == f"{NEW}/promise"
    assert promise.vkey in notes.open_note(custody.promise_attestation(), [custody.log_verifier()]).text
