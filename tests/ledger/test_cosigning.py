"""The log asks its witnesses, believes only what they signed, and stops signing when one saw another history."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock, health
from ledger import (
    alarms,
    cosigning,
    custody,
    head,
    keys,
    merkle,
    notes,
    policyfile,
    posting,
    reading,
    sequencer,
    tlogpolicy,
    witness,
)
from ledger.models import Alarm, Checkpoint, Cosignature, Entry
from ledger.witness import AddCheckpoint, State, Witness
from tests.ledger.conftest import Record

pytestmark = pytest.mark.django_db

Grow = Callable[[int], list[Entry]]
Ask = Callable[[int, str, bytes], list[cosigning.Outcome]]


class Running:
    """A real witness on a port of this machine."""

    def __init__(self, name: str, folder: Path) -> None:
        signer = keys.witness_signer(folder / "witness.key", f"{name}.example/witness", create=True)
        logs = {verifier.name: (verifier,) for verifier in [custody.log_verifier()]}
        self.name, self.witness = name, Witness(signer, logs, State(folder, signer.verifier))
        self.server = witness.serve(self.witness, "127.0.0.1:0")
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join(10)
            self.server.server_close()

    @property
    def line(self) -> str:
        return f"witness {self.name} {self.witness.signer.verifier.vkey} {self.url}\n"

    @property
    def size(self) -> int | None:
        note = self.witness.state.latest(custody.log_verifier().name)
        return None if note is None else notes.parse_tree_head(note.text).size

    def show(self, old: int, head: notes.TreeHead, proof: tuple[bytes, ...] = ()) -> int:
        """What Mallory does who holds the log's key: show this witness another history of it."""
        note = notes.sign(head.text(), *custody.log_signers())
        return int(self.witness.add_checkpoint(str(AddCheckpoint(old, proof, note)).encode()).status)


@pytest.fixture
def start(db: None, tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    made: list[Running] = []

    def run(name: str) -> Running:
        made.append(Running(name, tmp_path / name))
        return made[-1]

    yield run
    for one in made:
        one.stop()


@pytest.fixture
def greta(start: Callable[[str], Running]) -> Running:
    return start("greta")


SetPolicy = Callable[..., None]


@pytest.fixture
def policy(settings: Any, tmp_path: Path) -> SetPolicy:
    def write(*lines: str) -> None:
        path = tmp_path / "policy"
        path.write_text("".join(lines))
        settings.ASSAY_LOG_POLICY = str(path)

    return write


@pytest.fixture
def witnessed(greta: Running, policy: SetPolicy, signed_log: Grow) -> Running:
    """Greta has cosigned a log of five entries."""
    policy(greta.line, "quorum greta\n")
    signed_log(5)
    assert [outcome.cosigned for outcome in cosigning.cosign()] == [True]
    return greta


def fork(size: int) -> notes.TreeHead:
    return notes.TreeHead(custody.log_verifier().name, size, bytes([size]) * 32)


# --- As it should be -----------------------------------------------------------------------------------------------


def test_a_cosigned_checkpoint_carries_the_witnesss_line_and_meets_the_quorum(witnessed: Running) -> None:
    checkpoint = Checkpoint.objects.get(size=5)
    note = notes.parse(reading.checkpoint_text(checkpoint))
    assert [line.name for line in note.signatures][-1] == "greta.example/witness"
    assert [w.name for w in policyfile.office_policy().check(note)] == ["greta"]
    assert reading.latest_cosigned() == checkpoint
    assert alarms.open_alarms() == []


def test_each_newer_checkpoint_is_shown_to_continue_the_one_cosigned_before(witnessed: Running, record: Record) -> None:
    for _ in range(3):
        record()
        sequencer.tick()
    record()
    sequencer.tick()
    assert [outcome.cosigned for outcome in cosigning.cosign()] == [True]
    assert witnessed.size == 9
    assert sorted(Cosignature.objects.values_list("checkpoint", flat=True)) == [5, 9]


def test_a_witness_that_knows_more_than_we_remember_is_asked_again_from_its_size(
    witnessed: Running, record: Record
) -> None:
    """Its answer of before was lost on its way: it stands at 6, our rows say 5."""
    record()
    sequencer.tick()
    six = Checkpoint.objects.get(size=6)
    asked = cosigning._first(next(iter(policyfile.office_policy().witnesses.values())), six)
    assert witnessed.witness.add_checkpoint(str(asked.request).encode()).status == 200
    record()
    sequencer.tick()
    assert [outcome.cosigned for outcome in cosigning.cosign()] == [True]
    assert witnessed.size == 7


def test_a_log_without_news_is_cosigned_again_in_good_time_and_not_more_often(witnessed: Running) -> None:
    assert cosigning.cosign() == []
    with time_machine.travel(clock.now() + dt.timedelta(minutes=20), tick=False):
        assert [outcome.cosigned for outcome in cosigning.cosign()] == [True]
        assert cosigning.cosign() == []
        times = list(Cosignature.objects.order_by("timestamp").values_list("timestamp", flat=True))
        assert len(times) == 2
        note = notes.parse(reading.checkpoint_text(Checkpoint.objects.get(size=5)))
        (ours,) = [line for line in note.signatures if line.name == "greta.example/witness"]
        assert int.from_bytes(ours.signature[:8], "big") == times[1]


def test_without_a_policy_nobody_is_asked_and_nothing_is_missing(signed_log: Grow) -> None:
    signed_log(2)
    assert cosigning.cosign() == []
    assert policyfile.office_policy().quorum == tlogpolicy.NONE
    assert alarms.open_alarms() == []


def test_the_offices_policy_names_its_own_keys_whatever_the_file_says(
    greta: Running, policy: SetPolicy, settings: Any
) -> None:
    stranger = keys.LogSigner("stranger.example/log", b"\x01" * 32).verifier
    policy(f"log {stranger.vkey}\n", greta.line, "quorum greta\n")
    read = policyfile.office_policy()
    assert tuple(log.verifier for log in read.logs) == custody.log_verifiers()
    assert tlogpolicy.parse(read.text()).text() == read.text()


# --- A witness that refuses ----------------------------------------------------------------------------------------


def alarm_of(name: str) -> Alarm:
    (alarm,) = Alarm.objects.filter(kind=f"witness:{name}")
    assert alarm.halts
    assert f"manage.py alarms --clear witness:{name}" in alarm.message
    return alarm


def refuses_to_sign(record: Record) -> None:
    """Entries are still taken and sequenced; nothing is signed."""
    before = reading.signed_size()
    record()
    assert sequencer.tick() is None
    assert reading.signed_size() == before


def test_another_root_for_one_size_stops_the_signing(greta: Running, policy: SetPolicy, record: Record) -> None:
    policy(greta.line, "quorum none\n")
    assert greta.show(0, fork(1)) == 200
    record()
    sequencer.tick()
    (outcome,) = cosigning.cosign()
    assert not outcome.cosigned
    # Our rows say that Greta has seen nothing, so we learn her size first, and are refused at it.
    assert "another root" in alarm_of("greta").message
    refuses_to_sign(record)


def test_a_witness_that_says_409_for_another_root_is_understood_too(
    mallory_answers: Ask, signed_log: Grow, record: Record
) -> None:
    """As tlog-witness had it before 2026; the witness has cosigned this very size for us before."""
    signed_log(3)
    text = notes.parse(Checkpoint.objects.get(size=3).note).text
    now = clock.now()
    assert mallory_answers(200, "text/plain", cosignature(b"\x07", text, now.timestamp()))[0].cosigned
    with time_machine.travel(now + dt.timedelta(minutes=20), tick=False):
        mallory_answers(409, "text/plain", b"")
        assert "another root" in alarm_of("mallory").message
        refuses_to_sign(record)


def test_a_fork_that_is_longer_stops_the_signing(witnessed: Running, record: Record) -> None:
    """Somebody with our key had a longer history cosigned; here as a restored backup would look, too."""
    leaves = [bytes(entry.leaf_hash) for entry in Entry.objects.order_by("sequence__index")]
    longer = [*leaves, bytes(32), bytes(32)]
    proof = tuple(merkle.consistency(lambda h, i: merkle.root_of(longer[i << h : (i + 1) << h]), 5, 7))
    head = notes.TreeHead(custody.log_verifier().name, 7, merkle.root_of(longer))
    assert witnessed.show(5, head, proof) == 200
    record()
    sequencer.tick()
    cosigning.cosign()
    assert "size 7" in alarm_of("greta").message
    assert witnessed.size == 7
    refuses_to_sign(record)


def test_a_fork_that_we_have_outgrown_stops_the_signing(greta: Running, policy: SetPolicy, signed_log: Grow) -> None:
    policy(greta.line, "quorum none\n")
    assert greta.show(0, fork(3)) == 200
    signed_log(5)
    cosigning.cosign()
    assert "not shown to continue size 3" in alarm_of("greta").message
    assert greta.size == 3
    assert Cosignature.objects.count() == 0


def test_the_alarm_of_a_split_stays_until_a_person_clears_it(
    greta: Running, policy: SetPolicy, signed_log: Grow, record: Record
) -> None:
    policy(greta.line, "quorum none\n")
    assert greta.show(0, fork(3)) == 200
    signed_log(5)
    cosigning.cosign()
    raised = alarm_of("greta").raised_at
    policy("quorum none\n")
    cosigning.cosign()
    assert alarm_of("greta").raised_at == raised
    refuses_to_sign(record)
    out = StringIO()
    call_command("alarms", stdout=out)
    assert "witness:greta" in out.getvalue()
    with pytest.raises(CommandError, match="no open alarm"):
        call_command("alarms", "--clear", "witness:bob")
    call_command("alarms", "--clear", "witness:greta", stdout=out)
    assert alarms.halting() is None
    signed = sequencer.tick()
    assert signed is not None
    assert signed.size == 6


class Answers(BaseHTTPRequestHandler):
    """A server that gives one fixed answer to whatever it is asked."""

    answer: tuple[int, str, bytes] = (500, "text/plain", b"")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, kind, body = self.answer
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def mallory_answers(policy: SetPolicy) -> Iterator[Ask]:
    """Ask a witness, whose key the policy has, at an address where Mallory answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    verifier = keys.WitnessSigner("mallory.example", b"\x07" * 32).verifier
    policy(f"witness mallory {verifier.vkey} http://127.0.0.1:{server.server_port}/w/\n", "quorum none\n")

    def ask(status: int, kind: str, body: bytes) -> list[cosigning.Outcome]:
        Answers.answer = (status, kind, body)
        return cosigning.cosign()

    yield ask
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (500, "text/plain", b"broken"),
        (503, "text/plain", b""),
        (302, "text/plain", b"go there"),
        (400, "text/plain", b"bad"),
        (403, "text/plain", b"no"),
        (404, "text/plain", b"who"),
        (409, "text/x.tlog.size", b"2\n"),  # within our log: asked again, and the same again
        (409, "text/x.tlog.size", b"-1\n"),
        (409, "text/plain", b"2\n"),
        (200, "text/plain", b""),
        (200, "text/plain", b"\xff\xfe"),
        (200, "text/plain", b"not a signature\n"),
        (200, "text/plain", b"x" * (1 << 17)),
    ],
)
def test_an_answer_that_shows_nothing_is_neither_stored_nor_an_alarm(
    mallory_answers: Ask, signed_log: Grow, status: int, kind: str, body: bytes
) -> None:
    signed_log(3)
    (outcome,) = mallory_answers(status, kind, body)
    assert not outcome.cosigned
    assert Cosignature.objects.count() == 0
    assert alarms.open_alarms() == []


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [(422, "text/plain", b""), (409, "text/x.tlog.size", b"4\n"), (409, "text/x.tlog.size", b"9" * 30)],
)
def test_an_answer_that_shows_another_history_is_an_alarm(
    mallory_answers: Ask, signed_log: Grow, record: Record, status: int, kind: str, body: bytes
) -> None:
    signed_log(3)
    mallory_answers(status, kind, body)
    alarm_of("mallory")
    refuses_to_sign(record)


@pytest.fixture
def far_away(policy: SetPolicy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, posting.Reply], cosigning.Outcome]:
    """Ask Mallory's witness on another machine, at an address with this scheme; something there gives this answer."""
    verifier = keys.WitnessSigner("mallory.example", b"\x07" * 32).verifier

    def ask(scheme: str, reply: posting.Reply) -> cosigning.Outcome:
        monkeypatch.setattr(posting, "post", lambda *_: reply)
        policy(f"witness mallory {verifier.vkey} {scheme}://w.example\n", "quorum none\n")
        (outcome,) = cosigning.cosign()
        return outcome

    return ask


def test_a_refusal_that_anybody_on_the_way_can_have_made_warns_and_does_not_stop_the_log(
    far_away: Callable[[str, posting.Reply], cosigning.Outcome], signed_log: Grow, record: Record
) -> None:
    signed_log(3)
    assert not far_away("http", posting.Reply(422, b"")).cosigned
    (alarm,) = alarms.open_alarms()
    assert (alarm.kind, alarm.halts) == ("witness:mallory", False)
    assert "plain http" in alarm.message
    record()
    newest = sequencer.tick()
    assert newest is not None, "it signs on"
    good = cosignature(b"\x07", notes.parse(newest.note).text, clock.now().timestamp())
    assert far_away("http", posting.Reply(200, good)).cosigned
    assert alarms.open_alarms() == []


def test_the_same_refusal_over_https_stops_the_log_also_after_the_warning(
    far_away: Callable[[str, posting.Reply], cosigning.Outcome], signed_log: Grow, record: Record
) -> None:
    signed_log(3)
    far_away("http", posting.Reply(409, b"9\n", "text/x.tlog.size"))
    assert alarms.halting() is None
    far_away("https", posting.Reply(409, b"9\n", "text/x.tlog.size"))
    alarm_of("mallory")
    refuses_to_sign(record)


@pytest.mark.parametrize(
    ("url", "authentic"),
    [
        ("https://w.example", True),
        ("http://127.0.0.2:8101/w", True),
        ("http://[::1]:8101", True),
        ("http://localhost", True),
        ("http://w.example", False),
        ("http://localhost.example", False),
        ("http://10.0.0.1", False),
    ],
)
def test_what_is_the_witnesss_own_answer(url: str, authentic: bool) -> None:
    assert cosigning._is_authentic(url) is authentic


def test_of_an_idle_logs_many_cosignatures_the_newest_of_each_witness_is_read(witnessed: Running) -> None:
    """A hundred cosignatures of the newest checkpoint by one witness: one line of them is read and published."""
    now = int(clock.now().timestamp())
    verifier = witnessed.witness.signer.verifier
    line = Cosignature.objects.get().line
    Cosignature.objects.bulk_create(
        Cosignature(checkpoint_id=5, name=verifier.name, key_id=verifier.key_id, timestamp=now + n, line=line)
        for n in range(1, 100)
    )
    newest = Checkpoint.objects.get(size=5)
    with CaptureQueriesContext(connection) as asked:
        published = notes.parse(reading.checkpoint_text(newest))
    assert [signature.name for signature in published.signatures][1:] == [verifier.name]
    with connection.cursor() as cursor:
        cursor.execute(asked.captured_queries[-1]["sql"])
        assert len(cursor.fetchall()) == 1
    assert cosigning._fresh_quorum(policyfile.office_policy(), now)
    assert not cosigning._fresh_quorum(policyfile.office_policy(), now + 99)


def cosignature(seed: bytes, text: str, at: float) -> bytes:
    """A line as the witness mallory.example would make it at that time (POSIX seconds)."""
    with time_machine.travel(at, tick=False):
        signer = keys.WitnessSigner("mallory.example", seed * 32)
        return notes.Signature(signer.name, signer.key_id, signer.sign(text.encode())).line().encode()


def test_only_a_cosignature_by_the_right_key_on_this_text_of_this_hour_counts(
    mallory_answers: Ask, signed_log: Grow
) -> None:
    signed_log(3)
    text = notes.parse(Checkpoint.objects.get(size=3).note).text
    now = clock.now().timestamp()
    refused = [
        cosignature(b"\x08", text, now),
        cosignature(b"\x07", text.replace("\n3\n", "\n4\n"), now),
        cosignature(b"\x07", text, now + 600),
        cosignature(b"\x07", text, now - 600),
        cosignature(b"\x07", text, now)[:-9] + b"AAAAAAA=\n",
    ]
    for body in refused:
        (outcome,) = mallory_answers(200, "text/plain", body)
        assert not outcome.cosigned
    assert Cosignature.objects.count() == 0
    stranger = refused[0]
    (outcome,) = mallory_answers(200, "text/plain", stranger + cosignature(b"\x07", text, now))
    assert outcome.cosigned
    assert Cosignature.objects.get().name == "mallory.example"


# --- Witnesses that are away ---------------------------------------------------------------------------------------


def test_a_witness_that_is_away_is_no_alarm_until_its_cosignature_is_missed(witnessed: Running, record: Record) -> None:
    witnessed.stop()
    record()
    sequencer.tick()
    (outcome,) = cosigning.cosign()
    assert not outcome.cosigned
    assert alarms.open_alarms() == []


def test_without_a_fresh_quorum_nothing_is_signed_until_there_is_one_again(
    witnessed: Running, record: Record, start: Callable[[str], Running], policy: SetPolicy
) -> None:
    witnessed.stop()
    with time_machine.travel(clock.now() + dt.timedelta(seconds=3700), tick=False):
        cosigning.cosign()
        (alarm,) = alarms.open_alarms()
        assert (alarm.kind, alarm.halts) == ("quorum", True)
        assert "3600 seconds" in alarm.message
        refuses_to_sign(record)
        bob = start("bob")
        policy(witnessed.line, bob.line, "group either any greta bob\n", "quorum either\n")
        assert sorted(outcome.cosigned for outcome in cosigning.cosign()) == [False, True]
        assert alarms.open_alarms() == []
        signed = sequencer.tick()
        assert signed is not None
        assert signed.size == 6


def test_a_log_that_has_just_begun_has_time_to_find_its_witnesses(
    greta: Running, policy: SetPolicy, signed_log: Grow
) -> None:
    greta.stop()
    policy(greta.line, "quorum greta\n")
    cosigning.cosign()
    signed_log(1)
    cosigning.cosign()
    assert alarms.open_alarms() == []


def test_a_quorum_is_counted_on_one_checkpoint_not_gathered_from_several(
    greta: Running, start: Callable[[str], Running], policy: SetPolicy, signed_log: Grow, record: Record
) -> None:
    bob = start("bob")
    quorum = "group both all greta bob\nquorum both\n"
    signed_log(1)
    policy(greta.line, bob.line.replace(bob.url, "http://127.0.0.1:9"), quorum)
    cosigning.cosign()
    record()
    sequencer.tick()
    policy(greta.line.replace(greta.url, "http://127.0.0.1:9"), bob.line, quorum)
    cosigning.cosign()
    assert {(row.checkpoint_id, row.name[:3]) for row in Cosignature.objects.all()} == {(1, "gre"), (2, "bob")}
    assert reading.latest_cosigned() is None
    assert not cosigning._fresh_quorum(policyfile.office_policy(), 0)
    policy(greta.line, bob.line, quorum)
    cosigning.cosign()
    assert reading.latest_cosigned() == Checkpoint.objects.get(size=2)


def test_a_slow_witness_does_not_keep_the_others_from_cosigning(
    greta: Running, policy: SetPolicy, signed_log: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob's never answers: Greta's cosignature is stored, and Bob is not asked again while he owes an answer."""
    asked: list[str] = []
    go_on = threading.Event()
    post = posting.post

    def post_or_hang(url: str, body: bytes, content_type: str) -> Any:
        if url.startswith("http://bob.invalid/"):
            asked.append(url)
            go_on.wait(30)
            return posting.Reply(0, b"at last")
        return post(url, body, content_type)

    monkeypatch.setattr(posting, "post", post_or_hang)
    monkeypatch.setattr(cosigning, "ROUND", 0.5)
    bob = keys.WitnessSigner("bob.example", b"\x06" * 32).verifier
    policy(f"witness bob {bob.vkey} http://bob.invalid\n", greta.line, "quorum none\n")
    signed_log(2)
    outcomes = {outcome.witness: outcome for outcome in cosigning.cosign()}
    assert outcomes["greta"].cosigned
    assert "too long" in outcomes["bob"].detail
    (again,) = cosigning.cosign()
    assert "last round" in again.detail
    assert len(asked) == 1
    go_on.set()


def test_a_policy_that_cannot_be_read_stops_the_signing(policy: SetPolicy, signed_log: Grow, record: Record) -> None:
    signed_log(1)
    policy("quorum nobody\n")
    with pytest.raises(tlogpolicy.BadPolicy, match="ASSAY_LOG_POLICY"):
        cosigning.cosign()
    refuses_to_sign(record)
    policy("quorum none\n")
    cosigning.cosign()
    assert sequencer.tick() is not None


@pytest.mark.parametrize("line", [b"witness \xff {vkey}\n", b"witness long {long}\n"])
def test_the_offices_own_policy_is_text_and_fits_its_rows(settings: Any, tmp_path: Path, line: bytes) -> None:
    vkey = keys.WitnessSigner("bob.example", b"\x06" * 32).verifier.vkey.encode()
    long = keys.WitnessSigner("b" * 256, b"\x06" * 32).verifier.vkey.encode()
    path = tmp_path / "policy"
    path.write_bytes(line.replace(b"{vkey}", vkey).replace(b"{long}", long) + b"quorum none\n")
    tlogpolicy.parse(path.read_bytes())
    settings.ASSAY_LOG_POLICY = str(path)
    with pytest.raises(tlogpolicy.BadPolicy, match=r"UTF-8|255"):
        policyfile.office_policy()


# --- Alarms --------------------------------------------------------------------------------------------------------


def test_an_alarm_is_raised_once_and_says_so_in_the_health_check(db: None) -> None:
    alarms.raise_alarm("stamp", "No stamp. Look at the authority.", halts=False)
    alarms.raise_alarm("stamp", "Another text.", halts=False)
    assert [(alarm.kind, alarm.message) for alarm in alarms.open_alarms()] == [
        ("stamp", "No stamp. Look at the authority.")
    ]
    assert alarms.halting() is None
    (check,) = [check for check in health.checks() if check.name == "log"]
    assert not check.ok
    assert "Look at the authority" in check.detail
    alarms.clear("stamp")
    alarms.clear("stamp")
    assert alarms.check().ok


def test_a_long_name_of_a_witness_makes_a_kind_that_fits(db: None) -> None:
    verifier = keys.WitnessSigner("w.example", b"\x01" * 32).verifier
    long = cosigning.kind_of(tlogpolicy.Witness("w" * 200, verifier))
    other = cosigning.kind_of(tlogpolicy.Witness("w" * 201, keys.WitnessSigner("v", b"\x02" * 32).verifier))
    assert len(long) <= Alarm._meta.get_field("kind").max_length  # type: ignore[operator]
    assert long != other


@pytest.mark.django_db(transaction=True)
def test_an_alarm_outlives_whatever_its_raiser_was_doing() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        alarms.raise_alarm("guard", "Would be rolled back with the work.")
    alarms.raise_alarm("guard", "Kept.")
    assert [alarm.message for alarm in alarms.open_alarms()] == ["Kept."]


# --- The thread ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_cosigner_works_beside_the_sequencer_with_its_own_connection(
    tmp_path: Path, policy: SetPolicy, settings: Any
) -> None:
    from ledger import log
    from ledger.events import EventType

    with transaction.atomic():
        log.append(EventType.ASSET_REGISTERED, actor="system", role="system", facts={"kind": "image"})
    sequencer.tick()
    greta = Running("greta", tmp_path / "greta")
    policy(greta.line, "quorum greta\n")
    settings.ASSAY_LOG_COSIGN_EVERY = 0.05
    cosigner = cosigning.Cosigner()
    cosigner.start()
    try:
        assert eventually(lambda: Cosignature.objects.filter(checkpoint=1).exists())
        with transaction.atomic():
            log.append(EventType.ASSET_REGISTERED, actor="system", role="system", facts={"kind": "image"})
        sequencer.tick()
        assert eventually(lambda: Cosignature.objects.filter(checkpoint=2).exists())
    finally:
        cosigner.stop()
        greta.stop()


def eventually(holds: Callable[[], bool]) -> bool:
    for _ in range(400):
        if holds():
            return True
        threading.Event().wait(0.025)
    return False


@pytest.mark.django_db(transaction=True)
def test_without_a_policy_the_cosigner_clears_what_an_earlier_one_left_and_ends() -> None:
    alarms.raise_alarm("quorum", "Left over.")
    cosigner = cosigning.Cosigner()
    cosigner.start()
    cosigner._thread.join(10)
    assert not cosigner._thread.is_alive()
    assert alarms.open_alarms() == []
    connection.close()


def test_the_command_says_what_each_witness_answered(witnessed: Running, record: Record) -> None:
    record()
    sequencer.tick()
    out = StringIO()
    call_command("cosign", stdout=out)
    assert out.getvalue() == "greta: cosigned size 6\n"
    witnessed.stop()
    record()
    sequencer.tick()
    with pytest.raises(CommandError, match="Not all is well"):
        call_command("cosign", stdout=out)


def test_a_database_that_is_behind_its_guard_asks_no_witness(signed_log: Callable[[int], list[Entry]]) -> None:
    """After a restore its newest checkpoint would look like a rollback, and the refusal would halt the log."""
    signed_log(3)
    newest = Checkpoint.objects.get()
    guarded = head.last_signed()
    assert guarded is not None and not cosigning._behind(newest)
    head.swap(guarded, notes.TreeHead(guarded.origin, guarded.size + 1, bytes(32)))
    assert cosigning._behind(newest)
    assert cosigning.cosign() == []
    assert alarms.open_alarms() == []
