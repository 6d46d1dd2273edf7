"""Our witness before a hostile log: Mallory holds the log's key and tries to have two histories cosigned."""

import contextlib
import hashlib
import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import keys, merkle, notes, witness
from ledger.witness import AddCheckpoint, State, Witness, name_of

ORIGIN = "log.example/1"
NAME = "regulator.example/witness"
LOG = keys.LogSigner(ORIGIN, b"\x01" * 32)
OTHER = keys.LogSigner("other.example/log", b"\x02" * 32)
MALLORY = keys.LogSigner(ORIGIN, b"\x03" * 32)


@dataclass(frozen=True)
class Tree:
    """A log's leaves, so that Mallory can have several logs with one key."""

    leaves: tuple[bytes, ...]

    def node(self, height: int, index: int) -> bytes:
        hashes = [merkle.leaf_hash(leaf) for leaf in self.leaves]
        return merkle.root_of(hashes[index << height : (index + 1) << height])

    def head(self, size: int, origin: str = ORIGIN) -> notes.TreeHead:
        return notes.TreeHead(origin, size, merkle.root(self.node, size))

    def request(self, old: int, size: int, *signers: notes.Signer) -> AddCheckpoint:
        proof = tuple(merkle.consistency(self.node, old, size)) if old <= size else ()
        return AddCheckpoint(old, proof, notes.sign(self.head(size).text(), *(signers or (LOG,))))


HONEST = Tree(tuple(b"leaf %d" % n for n in range(40)))
# Mallory's second history: as the first one, but for leaf 5.
FORKED = Tree((*HONEST.leaves[:5], b"another leaf", *HONEST.leaves[6:]))


def send(asked: Witness, request: AddCheckpoint | str | bytes) -> witness.Answer:
    body = request if isinstance(request, bytes) else str(request).encode()
    return asked.answer("POST", "/add-checkpoint", lambda: body)


def status(asked: Witness, request: AddCheckpoint | str | bytes) -> int:
    return int(send(asked, request).status)


def seen(asked: Witness) -> int | None:
    """The size of the latest checkpoint it keeps."""
    note = asked.state.latest(ORIGIN)
    return None if note is None else witness.tree_head(note.text).size


@pytest.fixture
def greta(tmp_path: Path) -> Witness:
    """Greta's witness knows one log and has seen nothing yet."""
    signer = keys.WitnessSigner(NAME, b"\x04" * 32)
    return Witness(signer, {ORIGIN: (LOG.verifier,)}, State(tmp_path / "state", signer.verifier))


@pytest.fixture
def at_ten(greta: Witness) -> Witness:
    """… and now has cosigned size 10."""
    assert status(greta, HONEST.request(0, 10)) == 200
    return greta


# --- An honest log -------------------------------------------------------------------------------------------------


def test_an_honest_log_is_cosigned_from_its_first_checkpoint_on(greta: Witness) -> None:
    before = int(time.time())
    for old, size in ((0, 0), (0, 1), (1, 1), (1, 7), (7, 8), (8, 8), (8, 40)):
        answer = send(greta, HONEST.request(old, size))
        assert answer.status == 200
        signature = notes.parse_signature(answer.body)
        assert (signature.name, signature.key_id) == (NAME, greta.signer.key_id)
        assert greta.signer.verifier.verifies(HONEST.head(size).text().encode(), signature.signature)
        assert int.from_bytes(signature.signature[:8], "big") >= before
        assert seen(greta) == size


def test_the_kept_checkpoint_carries_the_logs_and_the_witnesss_signature_and_no_strangers(greta: Witness) -> None:
    assert status(greta, HONEST.request(0, 9, LOG, OTHER)) == 200
    kept = greta.answer("GET", f"/{name_of(ORIGIN)}/checkpoint", bytes)
    assert [line.name for line in notes.parse(kept.body).signatures] == [ORIGIN, NAME]
    assert notes.open_checkpoint(kept.body, ORIGIN, [LOG.verifier, greta.signer.verifier]) == HONEST.head(9)


def test_extension_lines_are_cosigned_with_the_checkpoint(greta: Witness) -> None:
    text = HONEST.head(3).text() + "an extension\n"
    answer = send(greta, AddCheckpoint(0, (), notes.sign(text, LOG)))
    assert answer.status == 200
    assert greta.signer.verifier.verifies(text.encode(), notes.parse_signature(answer.body).signature)
    assert seen(greta) == 3


def test_while_a_key_is_replaced_either_key_of_the_log_counts(at_ten: Witness) -> None:
    new = keys.LogSigner(ORIGIN, b"\x05" * 32)
    both = replace(at_ten, logs={ORIGIN: (LOG.verifier, new.verifier)})
    assert status(at_ten, HONEST.request(10, 11, new)) == 403
    assert status(both, HONEST.request(10, 11, new)) == 200
    assert status(both, HONEST.request(11, 12, LOG, new)) == 200


def test_anybody_can_read_who_the_witness_is_and_what_it_saw(at_ten: Witness) -> None:
    page = at_ten.answer("GET", "/", bytes).body
    assert at_ten.signer.verifier.vkey in page
    assert f"log {ORIGIN}: size 10" in page
    for path in ("/nothing", f"/{name_of('unknown')}/checkpoint", "/../etc/passwd"):
        assert at_ten.answer("GET", path, bytes).status == 404
    assert at_ten.answer("GET", "/add-checkpoint", bytes).status == 405


# --- A hostile log -------------------------------------------------------------------------------------------------


def test_two_roots_for_one_size_are_refused_and_the_evidence_is_kept(at_ten: Witness) -> None:
    split = FORKED.request(10, 10)
    assert status(at_ten, split) == 422
    assert seen(at_ten) == 10
    assert at_ten.state.latest(ORIGIN) == notes.open_note(str(at_ten.state.latest(ORIGIN)), [LOG.verifier])
    (evidence,) = (at_ten.state.folder / "evidence").rglob("*-*")
    assert evidence.name.startswith("split-")
    kept = evidence.read_text()
    assert HONEST.head(10).text() in kept
    assert str(split.note) in kept


def test_a_split_view_is_evidence_even_when_it_comes_with_another_old_size(at_ten: Witness) -> None:
    answer = send(at_ten, FORKED.request(3, 10))
    assert (answer.status, answer.body) == (409, "10\n")
    assert len(list((at_ten.state.folder / "evidence").rglob("split-*"))) == 1


@pytest.mark.parametrize(("old", "size"), [(0, 4), (4, 4), (4, 9), (9, 10), (0, 12), (11, 12)])
def test_a_rollback_is_a_conflict_that_tells_the_size_it_knows(at_ten: Witness, old: int, size: int) -> None:
    answer = send(at_ten, HONEST.request(old, size))
    assert (answer.status, answer.body, answer.content_type) == (409, "10\n", "text/x.tlog.size")
    assert seen(at_ten) == 10


def test_a_fork_with_a_larger_size_is_not_shown_to_continue(at_ten: Witness) -> None:
    assert status(at_ten, FORKED.request(10, 20)) == 422
    assert seen(at_ten) == 10
    assert len(list((at_ten.state.folder / "evidence").rglob("unproved-*"))) == 1


def broken(proof: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Each way to spoil a proof: a hash changed, missing, doubled, in another place; no proof at all."""
    spoilt: list[tuple[bytes, ...]] = [()]
    for place, value in enumerate(proof):
        before, after = tuple(proof[:place]), tuple(proof[place + 1 :])
        spoilt += [(*before, bytes(32), *after), (*before, *after), (*before, value, value, *after)]
    return [*spoilt, tuple(reversed(proof)), (*proof, bytes(32)), (bytes(32),) * 63]


def test_no_spoilt_proof_is_believed(at_ten: Witness) -> None:
    good = HONEST.request(10, 27)
    for proof in broken(good.proof):
        assert status(at_ten, replace(good, proof=proof)) == 422
        assert seen(at_ten) == 10
    assert status(at_ten, good) == 200


def test_where_no_proof_is_due_there_must_be_none(greta: Witness) -> None:
    assert status(greta, replace(HONEST.request(0, 10), proof=(bytes(32),))) == 422
    assert seen(greta) is None
    assert status(greta, HONEST.request(0, 10)) == 200
    assert status(greta, replace(HONEST.request(10, 10), proof=(bytes(32),))) == 422


def test_an_empty_tree_has_one_root_only(greta: Witness) -> None:
    head = notes.TreeHead(ORIGIN, 0, bytes(32))
    assert status(greta, AddCheckpoint(0, (), notes.sign(head.text(), LOG))) == 422
    assert seen(greta) is None


def test_an_unknown_log_is_not_found(at_ten: Witness) -> None:
    head = HONEST.head(11, OTHER.name)
    assert status(at_ten, AddCheckpoint(0, (), notes.sign(head.text(), OTHER))) == 404
    assert status(at_ten, AddCheckpoint(0, (), notes.sign(head.text(), LOG))) == 404


def test_a_checkpoint_without_the_logs_own_signature_is_forbidden(at_ten: Witness) -> None:
    assert status(at_ten, HONEST.request(10, 11, MALLORY)) == 403
    assert status(at_ten, HONEST.request(10, 11, OTHER)) == 403
    honest = HONEST.request(10, 11)
    transplanted = notes.Note(HONEST.head(12).text(), honest.note.signatures)
    assert status(at_ten, replace(HONEST.request(10, 12), note=transplanted)) == 403
    assert seen(at_ten) == 10


def test_the_checks_come_in_the_order_of_the_specification(at_ten: Witness) -> None:
    unknown = notes.sign(HONEST.head(4, "unknown.example/log").text(), MALLORY)
    assert status(at_ten, AddCheckpoint(99, (), unknown)) == 404
    assert status(at_ten, HONEST.request(99, 4, MALLORY)) == 403
    assert status(at_ten, HONEST.request(99, 4)) == 400
    assert status(at_ten, replace(FORKED.request(3, 20), proof=())) == 409


GOOD = str(HONEST.request(10, 27))
NOTE = str(HONEST.request(10, 27).note)
MALFORMED = {
    "nothing": "",
    "only a newline": "\n",
    "no checkpoint": "old 10\n\n",
    "no old size": GOOD.partition("\n")[2],
    "a leading zero": GOOD.replace("old 10", "old 010"),
    "a sign": GOOD.replace("old 10", "old +10"),
    "a negative size": GOOD.replace("old 10", "old -10"),
    "a size of 2^63": GOOD.replace("old 10", f"old {1 << 63}"),
    "a size of twenty digits": GOOD.replace("old 10", "old 99999999999999999999"),
    "two spaces": GOOD.replace("old 10", "old  10"),
    "upper case": GOOD.replace("old 10", "Old 10"),
    "Arabic digits": GOOD.replace("old 10", "old ١٠"),
    "carriage returns": GOOD.replace("\n", "\r\n"),
    "no empty line": GOOD.replace("\n\n", "\n", 1),
    "64 hashes": str(AddCheckpoint(10, (bytes(32),) * 64, HONEST.request(10, 27).note)),
    "a short hash": f"old 10\n{'A' * 42}==\n\n{NOTE}",
    "padding bits": f"old 10\n{'A' * 42}B=\n\n{NOTE}",
    "base64url": f"old 10\n{'_' * 43}=\n\n{NOTE}",
    "a space after a hash": f"old 10\n{'A' * 43}= \n\n{NOTE}",
    "no final newline": GOOD[:-1],
    "something after it": GOOD + "more",
    "no signature": f"old 10\n\n{HONEST.head(27).text()}\n",
    "an em dash too few": GOOD.replace("— ", "- "),
    "a signature twice": GOOD + GOOD.splitlines(keepends=True)[-1],
    "a size that is no number": GOOD.replace("\n27\n", "\n27.0\n"),
    "a root of 31 bytes": f"old 10\n\n{ORIGIN}\n27\n{'A' * 42}==\n\n{NOTE.splitlines(keepends=True)[-1]}",
    "two lines in the body": f"old 10\n\n{ORIGIN}\n27\n\n{NOTE.splitlines(keepends=True)[-1]}",
    "an empty extension line": str(AddCheckpoint(10, (), notes.sign(HONEST.head(27).text() + "\nmore\n", LOG))),
    "an old size above the new": str(HONEST.request(28, 27)),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_a_bad_request(at_ten: Witness, body: str) -> None:
    assert status(at_ten, body) == 400
    assert seen(at_ten) == 10


def test_bytes_that_are_no_text_are_a_bad_request(at_ten: Witness) -> None:
    assert status(at_ten, b"\xff\xfe") == 400
    assert status(at_ten, GOOD.encode().replace(b"log.example", b"log.\xff")) == 400


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_whatever_is_sent_the_answer_is_never_an_error_of_ours(data: st.DataObject, shared: Witness) -> None:
    body = bytearray(GOOD.encode())
    kind = data.draw(st.sampled_from(["random", "changed", "cut", "spliced"]))
    if kind == "random":
        body = bytearray(data.draw(st.binary(max_size=300)))
    elif kind == "changed":
        for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=4)):
            body[place] = data.draw(st.integers(0, 255))
    elif kind == "cut":
        del body[data.draw(st.integers(0, len(body))) :]
    else:
        place = data.draw(st.integers(0, len(body)))
        body[place:place] = data.draw(st.binary(min_size=1, max_size=40))
    changed = bytes(body) != GOOD.encode()
    answer = send(shared, bytes(body))
    assert answer.status in ((400, 403, 404, 409, 422) if changed else (200, 409))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Witness:
    signer = keys.WitnessSigner(NAME, b"\x04" * 32)
    made = Witness(signer, {ORIGIN: (LOG.verifier,)}, State(tmp_path_factory.mktemp("state"), signer.verifier))
    assert status(made, HONEST.request(0, 10)) == 200
    return made


# --- Its memory ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["the smaller", "the larger"])
def test_of_two_requests_at_once_the_second_sees_what_the_first_left(
    at_ten: Witness, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """The race of the specification: without the lock the slower request would roll the record back."""
    slow, quick = (12, 20) if first == "the smaller" else (20, 12)
    inside, go_on = threading.Event(), threading.Event()
    record = State.record

    def slowly(self: State, origin: str, note: notes.Note) -> None:
        if witness.tree_head(note.text).size == slow:
            inside.set()
            assert go_on.wait(10)
        record(self, origin, note)

    monkeypatch.setattr(State, "record", slowly)
    answers: dict[int, int] = {}

    def ask(size: int) -> threading.Thread:
        def work() -> None:
            answers[size] = status(at_ten, HONEST.request(10, size))

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    one = ask(slow)
    assert inside.wait(10)
    other = ask(quick)
    other.join(0.3)
    assert other.is_alive(), "it was not kept waiting"
    go_on.set()
    one.join(10)
    other.join(10)
    assert answers == {slow: 200, quick: 409}
    assert seen(at_ten) == slow


def test_many_requests_at_once_never_roll_back(at_ten: Witness) -> None:
    cosigned: list[int] = []

    def work(sizes: Sequence[int]) -> None:
        for size in sizes:
            old = seen(at_ten) or 0
            if size >= old and status(at_ten, HONEST.request(old, size)) == 200:
                cosigned.append(size)

    threads = [threading.Thread(target=work, args=(range(10 + n, 41, 3),)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert seen(at_ten) == max(cosigned)


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied", "of another log", "by another key"])
def test_a_damaged_record_is_an_error_and_never_a_fresh_start(
    at_ten: Witness, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = at_ten.state.folder / name_of(ORIGIN)
    text = path.read_text()
    other = notes.sign(HONEST.head(10, OTHER.name).text(), at_ten.signer)
    stranger = notes.sign(HONEST.head(10).text(), keys.WitnessSigner(NAME, b"\x09" * 32))
    ways = {"cut": text[:40], "changed": text.replace("\n10\n", "\n11\n"), "emptied": ""}
    path.write_text({**ways, "of another log": str(other), "by another key": str(stranger)}[damage])
    for request in (HONEST.request(0, 11), HONEST.request(10, 11), HONEST.request(10, 10)):
        answer = send(at_ten, request)
        assert answer.status == 500
        assert "—" not in answer.body
    assert "state damaged" in caplog.text
    path.write_text(text)
    assert status(at_ten, HONEST.request(10, 11)) == 200


def test_what_cannot_be_written_is_not_cosigned(at_ten: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    answer = send(at_ten, HONEST.request(10, 11))
    assert answer.status == 500
    assert "—" not in answer.body
    monkeypatch.undo()
    assert seen(at_ten) == 10


def test_the_evidence_is_bounded_and_a_flood_cannot_wash_a_split_away(
    at_ten: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witness, "MAX_EVIDENCE", 3)
    assert status(at_ten, FORKED.request(10, 10)) == 422
    (split,) = (at_ten.state.folder / "evidence").rglob("split-*")
    before = split.read_text()
    for size in range(11, 40):
        assert status(at_ten, FORKED.request(10, size)) == 422
        leaves = (*HONEST.leaves[:5], b"leaf of %d" % size, *HONEST.leaves[6:])
        assert status(at_ten, Tree(leaves).request(10, 10)) == 422
    kept = sorted(path.name.partition("-")[0] for path in (at_ten.state.folder / "evidence").rglob("*-*"))
    assert kept == ["split"] * 3 + ["unproved"] * 3
    assert split.read_text() == before


# --- As a process, over HTTP ---------------------------------------------------------------------------------------


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy"
    path.write_text(f"log {LOG.verifier.vkey}\nquorum none\n")
    return path


ALONE = ("-m", "ledger.witness")
UNDER_DJANGO = ("manage.py", "witness")


@contextlib.contextmanager
def process(policy: Path, state: Path, how: Sequence[str] = ALONE) -> Iterator[SimpleNamespace]:
    """A witness as people run it; gives its port and its process."""
    argv = [sys.executable, *how, "--name", NAME, "--policy", str(policy), "--state", str(state)]
    with http_port() as port:
        child = subprocess.Popen([*argv, "--listen", f"127.0.0.1:{port}"], stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            told = "".join(child.stdout.readline() for _ in range(4))
            wait_for(port)
            yield SimpleNamespace(port=port, child=child, told=told)
        finally:
            child.kill()
            child.communicate()


@contextlib.contextmanager
def http_port() -> Iterator[int]:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    yield port


def wait_for(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(OSError):
            ask(port, "GET", "/")
            return
        time.sleep(0.05)
    raise AssertionError("the witness does not answer")


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.getheader("Content-Type", "")
    finally:
        connection.close()


@pytest.mark.parametrize("how", [ALONE, UNDER_DJANGO], ids=["alone", "under Django"])
def test_a_regulator_runs_it_and_it_remembers_a_restart(policy: Path, tmp_path: Path, how: Sequence[str]) -> None:
    state = tmp_path / "state"
    with process(policy, state, how) as first:
        assert NAME in first.told
        code, body, _ = ask(first.port, "POST", "/add-checkpoint", str(HONEST.request(0, 10)).encode())
        assert code == 200
        assert notes.parse_signature(body).name == NAME
    assert (state / "witness.key").stat().st_mode & 0o077 == 0
    with process(policy, state, how) as second:
        code, body, kind = ask(second.port, "POST", "/add-checkpoint", str(HONEST.request(0, 10)).encode())
        assert (code, body, kind) == (409, "10\n", "text/x.tlog.size")
        assert ask(second.port, "POST", "/add-checkpoint", str(FORKED.request(10, 10)).encode())[0] == 422
        assert ask(second.port, "POST", "/add-checkpoint", str(HONEST.request(10, 11)).encode())[0] == 200


def test_it_needs_only_this_folder_and_pynacl() -> None:
    program = "import sys, ledger.witness; print([name for name in sys.modules if name.startswith(('django', 'core'))])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_body_that_is_too_long_or_of_no_length_is_refused(policy: Path, tmp_path: Path) -> None:
    with process(policy, tmp_path / "state") as running:
        assert ask(running.port, "POST", "/add-checkpoint", b"x" * (witness.MAX_BODY + 1))[0] == 413
        assert ask(running.port, "POST", "/add-checkpoint", None, **{"Content-Length": "x"})[0] == 400
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
        connection.putrequest("POST", "/add-checkpoint")
        connection.endheaders()
        assert connection.getresponse().status == 411
        connection.close()


def test_killed_in_the_middle_of_its_writes_it_forgets_nothing_it_has_answered(policy: Path, tmp_path: Path) -> None:
    """SIGKILL at arbitrary moments, while checkpoints stream in: what was answered 200 is never rolled back."""
    state, cosigned = tmp_path / "state", 0
    for cycle in range(6):
        with process(policy, state) as running:
            timer = threading.Timer(0.03 + 0.02 * cycle, running.child.send_signal, [signal.SIGKILL])
            timer.start()
            cosigned = stream(running.port, cosigned)
            timer.join()
    with process(policy, state) as last:
        code, body, _ = ask(last.port, "POST", "/add-checkpoint", str(HONEST.request(0, 1)).encode())
        known = int(body) if code == 409 else 0
        assert known >= cosigned > 0
        assert ask(last.port, "POST", "/add-checkpoint", str(HONEST.request(known, known)).encode())[0] == 200
    assert list(state.rglob("split-*")) == []


def stream(port: int, cosigned: int) -> int:
    """Send growing checkpoints until the witness is gone; returns the largest size that was cosigned."""
    known = cosigned
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            size = min(known + 1, 40)
            code, body, _ = ask(port, "POST", "/add-checkpoint", str(HONEST.request(known, size)).encode())
            if code == 409:
                assert int(body) >= cosigned, "rolled back"
                known = int(body)
            else:
                assert code == 200
                known = cosigned = max(size, cosigned)
    return cosigned


# --- Starting it ---------------------------------------------------------------------------------------------------


def test_its_key_is_made_once_and_never_again_when_it_is_lost(policy: Path, tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = witness.application(NAME, str(policy), str(state))
    assert witness.application(NAME, str(policy), str(state)).signer == first.signer
    assert status(first, HONEST.request(0, 10)) == 200
    (state / "witness.key").unlink()
    with pytest.raises(keys.KeyMissing):
        witness.application(NAME, str(policy), str(state))


def test_a_key_whose_memory_is_not_there_cosigns_nothing(policy: Path, tmp_path: Path) -> None:
    """The key is mounted, the folder is not: as when a container starts anew."""
    key, state = tmp_path / "secret" / "key", tmp_path / "state"
    first = witness.application(NAME, str(policy), str(state), str(key))
    assert status(first, HONEST.request(0, 10)) == 200
    with pytest.raises(witness.StateDamaged, match="--first-run"):
        witness.application(NAME, str(policy), str(tmp_path / "empty"), str(key))
    with pytest.raises(witness.StateDamaged, match="--first-run"):
        witness.application(NAME, str(policy), str(tmp_path / "empty"), str(key))
    assert status(witness.application(NAME, str(policy), str(state), str(key)), FORKED.request(10, 10)) == 422


def test_a_key_made_elsewhere_starts_once_by_its_owners_word(policy: Path, tmp_path: Path) -> None:
    keys.witness_signer(tmp_path / "key", NAME, create=True)
    where = (NAME, str(policy), str(tmp_path / "state"), str(tmp_path / "key"))
    assert witness.application(*where, first_run=True).signer == witness.application(*where).signer


def test_a_folder_of_another_key_is_refused(policy: Path, tmp_path: Path) -> None:
    where = (NAME, str(policy), str(tmp_path / "state"))
    witness.application(*where, str(tmp_path / "key"))
    keys.witness_signer(tmp_path / "other", NAME, create=True)
    with pytest.raises(witness.StateDamaged, match="another witness's key"):
        witness.application(*where, str(tmp_path / "other"), first_run=True)


def test_one_logs_file_that_is_gone_is_an_error_for_that_log_only(
    at_ten: Witness, caplog: pytest.LogCaptureFixture
) -> None:
    both = replace(at_ten, logs={**at_ten.logs, OTHER.name: (OTHER.verifier,)})
    (at_ten.state.folder / name_of(ORIGIN)).unlink()
    answer = send(both, FORKED.request(0, 10))
    assert answer.status == 500
    assert "—" not in answer.body
    assert "it is gone" in caplog.text
    other = AddCheckpoint(0, (), notes.sign(HONEST.head(3, OTHER.name).text(), OTHER))
    assert status(both, other) == 200


def test_a_policy_without_a_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy"
    path.write_text("quorum none\n")
    with pytest.raises(ValueError, match="no log to witness"):
        witness.application(NAME, str(path), str(tmp_path / "state"))


def test_what_it_prints_first_is_a_line_for_the_logs_policy(policy: Path, tmp_path: Path) -> None:
    from ledger import tlogpolicy

    made = witness.application(NAME, str(policy), str(tmp_path / "state"))
    text = witness.introduction(made, "127.0.0.1:8101")
    (line,) = [line.strip() for line in text.splitlines() if line.startswith("  witness")]
    parsed = tlogpolicy.parse(line.replace("<your address>", "witness.example") + "\nquorum none\n")
    assert [w.verifier for w in parsed.witnesses.values()] == [made.signer.verifier]


def test_a_request_is_read_as_it_was_written() -> None:
    request = HONEST.request(10, 27)
    assert witness.parse_request(str(request).encode()) == request
    assert hashlib.sha256(ORIGIN.encode()).hexdigest() == name_of(ORIGIN)
