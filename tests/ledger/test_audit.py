"""The audit: what it reads while others write, what it finds beyond the tree, and what follows from it at night."""

import datetime as dt
import io
import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from accounts.models import Membership, Organisation, Role, User
from accounts.people import grant_role
from core import clock
from core.canonical import canonical_json
from ledger import (
    alarms,
    audit,
    auditsections,
    custody,
    head,
    keys,
    log,
    merkle,
    nightly,
    notes,
    reconciliation,
    rotation,
    sequencer,
    vault,
)
from ledger.events import EventType
from ledger.models import Cosignature, Entry, PersonKey, SealedSection, Sequence, Tile
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


def place(**changes: Any) -> None:
    """Who may INSERT writes a leaf of their own, past `append`."""
    fields: dict[str, Any] = {
        "v": 1, "type": "asset:registered", "ts": f"{clock.now().replace(tzinfo=None).isoformat()}Z", "nonce": "",
        "role": "creator", "object": "", "refs": [], "facts": {}, "commitments": {}, **changes,
    }  # fmt: skip
    leaf = canonical_json(fields)
    entry = Entry.objects.create(leaf=leaf, leaf_hash=merkle.leaf_hash(leaf), type=fields["type"])
    Sequence.objects.create(index=Sequence.objects.count(), entry=entry)
    sequencer.tick()


@pytest.mark.parametrize("commitments", [5, ["statement"], {"statement": 5}])
def test_commitments_that_are_none_are_a_break(signed_log: Grow, commitments: object) -> None:
    signed_log(1)
    place(commitments=commitments)
    with pytest.raises(audit.Broken, match="entry 1: the commitments of the leaf are not an object of strings"):
        audit.check_log()


def test_a_section_that_no_leaf_commits_to_is_a_break(signed_log: Grow) -> None:
    entry = signed_log(1)[0]
    blob = b"\x01" + uuid.uuid4().bytes + b"x" * 64
    SealedSection.objects.create(entry=entry, name="mallorys", person=DANA, ciphertext=blob)
    with pytest.raises(audit.Broken, match="section mallorys of entry 0: the leaf commits to no section of this name"):
        audit.check_log()


def test_a_mistake_in_the_policy_file_is_no_break_of_the_log(cosigned: keys.WitnessSigner, settings: Any) -> None:
    cosign(cosigned, signed_text())
    Path(settings.ASSAY_LOG_POLICY).write_text("witnes w\n")
    found = audit.check_log()
    assert found.cosignatures == 0
    assert len(found.unchecked) == 1
    assert "No cosignature: the policy file" in found.unchecked[0]


def test_a_rotation_during_the_audit_is_no_break(signed_log: Grow, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = dt.timedelta(0)
    signed_log(1)
    rotation.rotate(at_once)
    signed_log(1)
    loads, rotated = json.loads, list[object]()

    def meanwhile(text: Any) -> Any:
        if not rotated:
            rotated.append(None)
            rotation.rotate(at_once)
        return loads(text)

    monkeypatch.setattr(json, "loads", meanwhile)
    assert rotation.broken_history() is None
    assert rotated
    assert rotation.broken_history() is None


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


def lose_list(how: str) -> None:
    if how == "key":
        vault.destroy("request:1")
    else:
        SealedSection.objects.get(name="indices").delete()


@pytest.mark.parametrize("how", ["key", "section"])
def test_an_erasure_whose_list_is_gone_is_a_break(signed_log: Grow, how: str) -> None:
    """Or one deleted row would excuse every other one."""
    signed_log(2)
    erase(DANA)
    lose_list(how)
    with pytest.raises(audit.Broken, match="the list of the 2 entries that this erasure concerns is gone"):
        audit.check_log()


def test_an_erasure_that_came_back_from_a_copy_without_its_list_leaves_a_remark(signed_log: Grow) -> None:
    signed_log(2)
    erase(DANA)
    signed_log(1)
    lose_list("section")
    with transaction.atomic():
        facts: Any = {"first": 2, "size": 3, "entries": 1}
        log.append(EventType.LOG_RECOVERED, actor="system", role="operator", facts=facts)
    [first, second] = audit.check_log().unchecked
    assert first.startswith("1 entries came back from a published copy")
    assert second.startswith("2 entries lack a section before an erasure that does not list them")


@pytest.mark.parametrize("facts", [{}, {"count": 0}, {"unlisted": 1}, {"count": 0, "unlisted": 1, "ground": "journal"}])
def test_an_erasure_that_somebody_else_inserted_explains_nothing(signed_log: Grow, facts: dict[str, object]) -> None:
    """It has no list that opens: that needs the vault's master key."""
    signed_log(2)
    SealedSection.objects.filter(person=DANA).delete()
    place(type="erasure:performed", facts=facts)
    with pytest.raises(audit.Broken, match="no recorded erasure explains it"):
        audit.check_log()


@pytest.mark.parametrize("facts", [5, {"count": "many"}, {"keys": 5}, {"keys": [5]}])
def test_an_erasure_that_cannot_be_read_is_a_break(signed_log: Grow, facts: object) -> None:
    signed_log(1)
    place(type="erasure:performed", facts=facts)
    with pytest.raises(audit.Broken, match=r"entry row \d+: the "):
        audit.check_log()


def test_what_waited_for_its_index_during_an_erasure_leaves_a_remark(
    signed_log: Grow, record: Record, django_assert_max_num_queries: Any
) -> None:
    """The list could not name it. The newest checkpoint before an erasure is asked for once, not for each entry."""
    signed_log(1)
    waiting = [record(sealed={"statement": "Not signed yet"}).pk for _ in range(30)]
    SealedSection.objects.filter(name="statement", entry__in=waiting).delete()
    erase("person:nobody")
    sequencer.tick()
    sections = auditsections.Sections()
    sections._lacking = dict(Sequence.objects.filter(index__gt=0, index__lt=31).values_list("index", "entry_id"))
    unchecked: list[str] = []
    with django_assert_max_num_queries(6):
        sections.explain(unchecked)
    assert [words[:23] for words in unchecked] == ["30 entries lack a secti"]
    SealedSection.objects.filter(name="statement", entry__sequence__index=0).delete()
    with pytest.raises(audit.Broken, match="entry 0: a section has no opening"):
        audit.check_log()


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


def test_a_source_of_rows_that_fails_hides_neither_the_others_nor_the_break(
    newcomer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> Iterator[str]:
        yield "one is wrong"
        raise KeyError("facts")

    monkeypatch.setattr(reconciliation, "_sources", {"a": fails, "b": lambda: ["another is wrong"]})
    assert reconciliation.disagreements(10) == [
        "a: one is wrong",
        "a: it cannot be compared: KeyError: 'facts'",
        "b: another is wrong",
    ]
    assert reconciliation.disagreements(1) == ["a: one is wrong"]
    sequencer.tick()
    head.head_path().unlink()
    assert nightly.run().rows == 3
    assert [(alarm.kind, alarm.halts) for alarm in alarms.open_alarms()] == [("audit", True), ("rows", False)]


def test_an_audit_that_fails_is_said_and_never_takes_back_a_break(
    newcomer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> audit.Audit:
        raise KeyError("statement")

    def breaks() -> audit.Audit:
        raise audit.Broken("index 3 is missing")

    sequencer.tick()
    monkeypatch.setattr(nightly, "check_log", fails)
    assert nightly.run().undone == "KeyError: 'statement'"
    [alarm] = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("audit", False)
    assert "could not be done: KeyError" in alarm.message
    assert not nightly.check().ok
    assert "could not be done" in nightly.check().detail
    for verdict in (breaks, fails):
        monkeypatch.setattr(nightly, "check_log", verdict)
        nightly.run()
        [alarm] = alarms.open_alarms()
        assert alarm.halts
        assert "index 3 is missing" in alarm.message


@pytest.mark.parametrize("where", ["unwrapped", "unseal"])
def test_a_key_store_that_is_away_is_no_break_and_the_audit_is_tried_again(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def away(*_: object) -> None:
        raise keys.KeyStoreAway("the KMS does not answer")

    signed_log(2)
    erase(DANA)
    monkeypatch.setattr(vault, where, away)
    with pytest.raises(keys.KeyStoreAway):
        audit_task()
    assert alarms.open_alarms() == []
    assert nightly.last() is None
    with pytest.raises(CommandError, match="was not checked: the KMS does not answer"):
        call_command("check_log", "--quiet")


def test_a_key_store_that_is_away_when_the_logs_keys_are_read_is_no_break(
    signed_log: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise keys.KeyStoreAway("the token was pulled out")

    signed_log(1)
    monkeypatch.setattr(custody, "key_times", away)
    with pytest.raises(keys.KeyStoreAway):
        audit.check_log()


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
