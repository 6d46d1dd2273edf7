"""The audit: what it reads while others write, what it finds beyond the tree, and what follows from it at night."""

import datetime as dt
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import Membership, Organisation, Role, User
from accounts.people import grant_role
from core import clock
from ledger import alarms, audit, auditsections, head, keys, log, nightly, notes, reconciliation, sequencer, vault
from ledger.events import EventType
from ledger.models import Cosignature, Entry, PersonKey, SealedSection, Tile
from ledger.tasks import audit as audit_task
from tests.append_only import protect, unprotect
from tests.ledger.conftest import DANA, Record, erase

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]


# --- While others write ----------------------------------------------------------------------------------------------


def test_the_log_grows_while_it_is_audited(signed_log: Grow, record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_log(7)
    monkeypatch.setattr(audit, "CHUNK", 2)

    def go_on(done: int, total: int) -> None:
        record(sealed={"statement": "written meanwhile"})
        sequencer.tick()

    found = audit.check_log(go_on)
    assert (found.entries, found.signed_size) == (7, 7)
    assert audit.check_log().entries > 7


def test_the_audit_does_not_hold_the_sequencer_up(signed_log: Grow, record: Record) -> None:
    signed_log(3)
    record()
    with head.only_one() as mine:
        assert mine
        assert audit.check_log().entries == 3


def test_a_person_is_erased_while_the_log_is_audited(signed_log: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    signed_log(6)
    monkeypatch.setattr(audit, "CHUNK", 2)
    erased: list[vault.Erasure] = []

    def go_on(done: int, total: int) -> None:
        if not erased:
            erased.append(erase(DANA))

    assert audit.check_log(go_on).erased == 4  # the first two were read before
    assert audit.check_log().erased == 6


def test_what_a_crash_left_between_guard_and_signature_is_no_break(signed_log: Grow, record: Record) -> None:
    signed_log(2)
    record()
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:

        def power_cut(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(notes, "sign", power_cut)
        sequencer.tick()
    found = audit.check_log()
    assert (found.entries, found.signed_size) == (3, 2)


# --- Beyond the tree -------------------------------------------------------------------------------------------------


def test_a_tile_too_many_on_its_level_is_named(signed_log: Grow) -> None:
    signed_log(3)
    Tile.objects.create(level=0, n=5, data=b"x" * 32)
    with pytest.raises(audit.Broken):
        audit.check_log()


@pytest.fixture
def cosigned(signed_log: Grow, settings: Any, tmp_path: Path) -> keys.WitnessSigner:
    """A signed log of three entries, cosigned by the witness that the policy file names."""
    signed_log(3)
    witness = keys.WitnessSigner("witness.example/w", b"w" * 32)
    policy = tmp_path / "policy"
    policy.write_text(f"witness w {witness.verifier.vkey} https://witness.example\nquorum w\n")
    settings.ASSAY_LOG_POLICY = str(policy)
    return witness


def cosign(witness: keys.WitnessSigner, text: str, **changes: object) -> None:
    line = notes.sign(text, witness).signatures[0]
    row: dict[str, Any] = {
        "checkpoint_id": 3,
        "name": witness.verifier.name,
        "key_id": witness.verifier.key_id,
        "line": line.line(),
        "timestamp": int.from_bytes(line.signature[:8], "big"),
    }
    Cosignature.objects.create(**{**row, **changes})


def signed_text() -> str:
    guard = head.last_signed()
    assert guard is not None
    return guard.text()


def test_cosignatures_are_verified(cosigned: keys.WitnessSigner) -> None:
    cosign(cosigned, signed_text())
    assert audit.check_log().cosignatures == 1


def test_a_cosignature_of_another_tree_is_named(cosigned: keys.WitnessSigner) -> None:
    cosign(cosigned, signed_text().replace("\n3\n", "\n4\n"))
    with pytest.raises(audit.Broken, match=r"checkpoint 3: the cosignature by witness\.example/w is not of this"):
        audit.check_log()


def test_a_cosignature_with_another_time_in_its_row_is_named(cosigned: keys.WitnessSigner) -> None:
    cosign(cosigned, signed_text(), timestamp=1)
    with pytest.raises(audit.Broken, match="is not of this checkpoint"):
        audit.check_log()


def test_a_cosignature_by_nobody_we_know_is_said_not_to_be_checked(cosigned: keys.WitnessSigner) -> None:
    cosign(keys.WitnessSigner("mallory.example/w", b"m" * 32), signed_text())
    found = audit.check_log()
    assert found.cosignatures == 0
    assert found.unchecked == ["1 cosignatures are by witnesses the policy file does not name."]


def test_a_trigger_that_is_gone_is_a_break(signed_log: Grow) -> None:
    signed_log(1)
    unprotect()
    try:
        with pytest.raises(audit.Broken, match="triggers are missing or switched off"):
            audit.check_log()
    finally:
        protect()


# --- Erasures --------------------------------------------------------------------------------------------------------


def test_an_erasure_on_record_explains_what_is_gone(signed_log: Grow) -> None:
    signed_log(3)
    erase(DANA)
    found = audit.check_log()
    assert (found.erased, found.unchecked) == (3, [])
    sequencer.tick()
    assert audit.check_log().erased == 3


def test_a_section_that_is_gone_without_an_erasure_is_named(signed_log: Grow) -> None:
    signed_log(3)
    erase(DANA)
    signed_log(2)
    SealedSection.objects.filter(name="statement").order_by("-pk")[0].delete()
    with pytest.raises(audit.Broken, match=r"entry 5: a section has no opening, and no recorded erasure explains it"):
        audit.check_log()


def test_a_key_that_is_gone_without_an_erasure_is_named(signed_log: Grow) -> None:
    signed_log(3)
    PersonKey.objects.filter(person=DANA).delete()
    with pytest.raises(audit.Broken, match="no recorded erasure names it"):
        audit.check_log()


def test_an_erasure_that_counts_other_than_it_lists_is_named(signed_log: Grow) -> None:
    signed_log(2)
    with transaction.atomic():
        erasure = vault.destroy(DANA)
        facts: Any = {"ground": "eu.gdpr.17", "count": 9, "keys": erasure.keys}
        sealed = {"indices": log.Sealed(erasure.indices, "request:1")}
        log.append(EventType.ERASURE_PERFORMED, actor="system", role="system", facts=facts, sealed=sealed)
    with pytest.raises(audit.Broken, match="lists 2 entries and counts 9"):
        audit.check_log()


def test_an_erasure_whose_list_cannot_be_read_leaves_a_remark(signed_log: Grow) -> None:
    signed_log(2)
    erase(DANA)
    vault.destroy("request:1")
    found = audit.check_log()
    assert len(found.unchecked) == 1
    assert found.unchecked[0].startswith("2 entries lack a section")


def test_keys_are_forgotten_when_there_are_too_many(signed_log: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "CHUNK", 2)
    monkeypatch.setattr(auditsections, "_KEPT", 1)
    signed_log(6)
    assert audit.check_log().sections == 12


# --- Rows and entries ------------------------------------------------------------------------------------------------


@pytest.fixture
def studio(db: None) -> Organisation:
    return Organisation.objects.create(name="The Studio")


@pytest.fixture
def newcomer(studio: Organisation) -> User:
    """Somebody whose only role is on record."""
    user = User.objects.create_user("nora@example.org", name="Nora")
    grant_role(user, studio, Role.CREATOR)
    return user


def test_rows_that_say_what_the_log_says_agree(newcomer: User) -> None:
    assert reconciliation.disagreements(10) == []


def test_a_role_that_was_never_granted_is_named(newcomer: User, studio: Organisation) -> None:
    row = Membership.objects.create(user=newcomer, organisation=studio, role=Role.OPERATOR)
    assert reconciliation.disagreements(10) == [
        f"roles: the role of membership:{row.pk} is “operator”, and the log says nothing"
    ]


def test_a_role_that_was_changed_by_hand_is_named(newcomer: User) -> None:
    Membership.objects.update(role=Role.REGULATOR)
    [sentence] = reconciliation.disagreements(10)
    assert sentence.endswith("is “regulator”, and the log says “creator”")


def test_a_registration_without_its_work_is_named(record: Record) -> None:
    record()
    assert reconciliation.disagreements(10) == ["works: asset:1 was registered, and there is no such work"]


@pytest.mark.django_db(transaction=True)
def test_reconciling_leaves_no_transaction_behind(newcomer: User) -> None:
    assert reconciliation.disagreements(10) == []
    with transaction.atomic():
        Organisation.objects.create(name="Afterwards")
    assert not connection.in_atomic_block


def test_the_command_says_what_is_whole_and_which_rows_are_not(newcomer: User, studio: Organisation) -> None:
    sequencer.tick()
    out = io.StringIO()
    call_command("check_log", "--quiet", stdout=out)
    assert "The log is whole: 1 entries, 1 checkpoints" in out.getvalue()
    Membership.objects.create(user=newcomer, organisation=studio, role=Role.OPERATOR)
    with pytest.raises(CommandError, match="1 or more rows"):
        call_command("check_log", "--quiet", stdout=out)
    call_command("check_log", "--log-only", "--quiet", stdout=out)


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    from ledger.management.commands import check_log

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(check_log, "_SOON", 0.0)
    monkeypatch.setattr(check_log, "_EVERY", 0.0)
    terminal, file = Terminal(), io.StringIO()
    for out in (terminal, file):
        bar = check_log._Bar(out)
        bar.show(500, 1000)
        bar.end()
    assert f"[{'#' * 20}{'.' * 20}] 500 of 1,000 entries" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")
    assert file.getvalue().startswith("500 of 1,000 entries")
    assert "\x1b" not in file.getvalue()


# --- At night --------------------------------------------------------------------------------------------------------


def test_a_night_without_a_break_leaves_its_result(newcomer: User) -> None:
    sequencer.tick()
    assert not nightly.last()
    assert nightly.check().ok
    audit_task()
    found = nightly.last()
    assert found is not None
    assert (found.entries, found.broken, found.rows) == (1, "", 0)
    assert nightly.check().ok
    assert "1 entries are whole" in nightly.check().detail
    assert alarms.open_alarms() == []


def test_a_break_stops_the_signing_until_it_is_repaired(newcomer: User) -> None:
    sequencer.tick()
    guard = head.head_path().read_text()
    head.head_path().unlink()
    nightly.run()
    alarm = alarms.halting()
    assert alarm is not None
    assert alarm.kind == "audit"
    assert "the head guard" in alarm.message
    assert not nightly.check().ok
    head.head_path().write_text(guard)
    nightly.run()
    assert alarms.halting() is None
    assert nightly.check().ok


def test_rows_that_disagree_are_said_and_do_not_stop_the_log(newcomer: User) -> None:
    sequencer.tick()
    Membership.objects.update(role=Role.OPERATOR)
    nightly.run()
    [alarm] = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("rows", False)
    assert "1 rows and entries disagree" in nightly.check().detail


def test_two_nights_without_an_audit_are_noticed(newcomer: User, monkeypatch: pytest.MonkeyPatch) -> None:
    nightly.run()
    later = clock.now() + dt.timedelta(hours=51)
    monkeypatch.setattr(nightly, "now", lambda: later)
    assert not nightly.check().ok
    assert "is beat running" in nightly.check().detail


def test_a_result_that_cannot_be_read_is_none(newcomer: User) -> None:
    nightly.run()
    path = head.head_path().parent / "audit"
    assert json.loads(path.read_text())["broken"] == ""
    path.write_text("{")
    assert nightly.last() is None
