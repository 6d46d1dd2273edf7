"""A witness of transparency logs, for anybody to run: it cosigns a log's checkpoints as long as the log only grows.

Protocol: https://c2sp.org/tlog-witness; what its cosignature says: https://c2sp.org/tlog-cosignature. Pure: this file,
`keys`, `notes`, `merkle`, `tlogpolicy` and PyNaCl suffice: `python -m ledger.witness --help`. Under Django it is
`manage.py witness`.

All it must never do is forget: what it cosigned last is on disk before an answer leaves. A state file that cannot be
read is an error and never a fresh start, and so is one that is gone: the folder holds whose it is (`witness.vkey`) and
which logs were ever cosigned (`origins`).
"""

import argparse
import base64
import contextlib
import fcntl
import hashlib
import logging
import os
import re
import socketserver
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ledger import durable, keys, merkle, notes, tlogpolicy

log = logging.getLogger("ledger.witness")

MAX_BODY = 1 << 16
MARKER = "witness.vkey"
ORIGINS = "origins"
MAX_EVIDENCE = 100  # files of each kind, for each log
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint", re.ASCII)
# Seconds a client of the small server may be silent.
_PATIENCE = 10

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]


class BadRequest(ValueError):
    """Not an add-checkpoint request, in words."""


class StateDamaged(RuntimeError):
    """What this witness cosigned last cannot be read. It cosigns nothing for that log until a person looked."""


@dataclass(frozen=True)
class Answer:
    status: HTTPStatus
    body: str = ""
    content_type: str = TEXT_TYPE


@dataclass(frozen=True)
class AddCheckpoint:
    """An add-checkpoint request. old: the size that the witness cosigned last; proof: from there to the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: notes.Note

    def __str__(self) -> str:
        lines = [f"old {self.old}", *(base64.b64encode(value).decode() for value in self.proof)]
        return "\n".join(lines) + "\n\n" + str(self.note)

    @property
    def head(self) -> notes.TreeHead:
        """Raises BadNote."""
        return tree_head(self.note.text)


def parse_request(body: bytes) -> AddCheckpoint:
    """Only in its canonical form. Raises BadRequest."""
    opening, blank, checkpoint = body.partition(b"\n\n")
    try:
        first, *proof = opening.decode("ascii").split("\n")
        note = notes.parse(checkpoint)
        tree_head(note.text)
    except (UnicodeDecodeError, notes.BadNote) as error:
        raise BadRequest(str(error)) from error
    old = _OLD.fullmatch(first)
    if not blank or old is None or int(old[1]) >= 1 << 63:
        raise BadRequest("a request is `old <size>`, the proof, an empty line and the checkpoint")
    if len(proof) > notes.MAX_PROOF_LINES:
        raise BadRequest(f"a consistency proof has at most {notes.MAX_PROOF_LINES} lines")
    return AddCheckpoint(int(old[1]), tuple(_hash(line) for line in proof), note)


def tree_head(text: str) -> notes.TreeHead:
    """Origin, size and root of a checkpoint that may have extension lines (tlog-checkpoint). Raises BadNote."""
    lines = text.split("\n")
    if "" in lines[3:-1]:
        raise notes.BadNote("an extension line of a checkpoint is not empty")
    return notes.parse_tree_head("\n".join([*lines[:3], *lines[-1:]]))


def _hash(line: str) -> bytes:
    try:
        value = notes.unb64(line)
    except notes.BadNote as error:
        raise BadRequest(f"in the proof: {error}") from error
    if len(value) != merkle.HASH_SIZE:
        raise BadRequest("a hash of the proof has not 32 bytes")
    return value


# --- State ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """The latest cosigned checkpoint of each origin, a file each, named by the SHA-256 of the origin.

    The folder belongs to one key: each file carries this witness's own cosignature, so damage shows. `origins` names
    each, so that a file that is gone shows, too.
    """

    folder: Path
    verifier: keys.WitnessVerifier

    def __post_init__(self) -> None:
        durable.make_folder(self.folder)

    def belongs(self) -> bool:
        """Whether this folder is known to be this key's; False when it says nothing. Raises StateDamaged."""
        try:
            owner = (self.folder / MARKER).read_text(encoding="utf-8", errors="replace").rstrip("\n")
        except FileNotFoundError:
            return False
        if owner != self.verifier.vkey:
            raise StateDamaged(f"{self.folder} is the state of another witness's key: {owner}")
        return True

    def claim(self) -> None:
        """From now on this folder is what this key has cosigned."""
        durable.replace(self.folder / MARKER, self.verifier.vkey + "\n")

    @contextmanager
    def locked(self, origin: str) -> Iterator[None]:
        """Check and record under this lock; it excludes threads and processes alike."""
        handle = os.open(self.folder / f"{name_of(origin)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def latest(self, origin: str) -> notes.Note | None:
        """None if it never cosigned anything of this log. Raises StateDamaged. Sure only under the origin's lock."""
        path = self.folder / name_of(origin)
        try:
            note = notes.open_note(path.read_bytes(), [self.verifier])
            known = tree_head(note.text).origin
        except FileNotFoundError:
            if name_of(origin) in self._cosigned():
                raise StateDamaged(f"{path}: it is gone, and this witness has cosigned {origin}") from None
            return None
        except notes.BadNote as error:
            raise StateDamaged(f"{path}: {error}") from error
        if known != origin:
            raise StateDamaged(f"{path}: it is of the log {known}")
        return note

    def record(self, origin: str, note: notes.Note) -> None:
        """Durable when it returns; whoever dies meanwhile leaves the old file whole."""
        durable.replace(self.folder / name_of(origin), str(note))
        if name_of(origin) not in self._cosigned():  # the file first: whoever dies in between has not answered
            durable.append(self.folder / ORIGINS, f"\n{name_of(origin)}\n")  # whole, whatever stands before it

    def _cosigned(self) -> list[str]:
        try:
            return (self.folder / ORIGINS).read_text(encoding="ascii", errors="replace").split()
        except FileNotFoundError:
            return []

    def keep(self, kind: str, head: notes.TreeHead, text: str) -> None:
        """Keep a request that shows, or may show, that a log misbehaves. The caller holds the origin's lock.

        One file for each signed tree head. Anybody can send a public checkpoint with a wrong proof, so “unproved”
        forgets its oldest; a “split” needs the log's own key twice, and the first hundred are enough.
        """
        folder = self.folder / "evidence" / name_of(head.origin)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"{kind}-{name_of(head.text())}"
        there = sorted(folder.glob(f"{kind}-*"), key=lambda file: file.stat().st_mtime)
        if path in there or (kind == "split" and len(there) >= MAX_EVIDENCE):
            return
        for oldest in there[: max(0, len(there) - MAX_EVIDENCE + 1)]:
            oldest.unlink()
        durable.replace(path, text)


def name_of(origin: str) -> str:
    return hashlib.sha256(origin.encode()).hexdigest()


# --- The witness ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Witness:
    """A WSGI application. signer: this witness's key. logs: origin → the keys that may sign for it."""

    signer: keys.WitnessSigner
    logs: Mapping[str, tuple[keys.LogVerifier, ...]]
    state: State = field(repr=False)

    def add_checkpoint(self, body: bytes) -> Answer:
        """The checks in the order of tlog-witness. Raises StateDamaged, OSError: nothing is cosigned then."""
        try:
            request = parse_request(body)
        except BadRequest as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error))
        head = request.head
        trusted = self.logs.get(head.origin)
        if trusted is None:
            return _refuse(HTTPStatus.NOT_FOUND, "this witness does not know that log")
        try:
            notes.open_note(str(request.note), trusted)
        except notes.BadNote as error:
            return _refuse(HTTPStatus.FORBIDDEN, str(error))
        if request.old > head.size:
            return _refuse(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint")
        with self.state.locked(head.origin):
            return self._refusal(request, head) or self._cosign(request, head)

    def _refusal(self, request: AddCheckpoint, head: notes.TreeHead) -> Answer | None:
        """None if the checkpoint continues the latest cosigned one. The caller holds the origin's lock.

        Another root for the latest size is a 422, as tlog-witness has it since 2026 (a 409 before): it is no conflict
        that another old size could solve, and every 409 names a size.
        """
        known = self.state.latest(head.origin)
        latest = tree_head(known.text) if known else notes.TreeHead(head.origin, 0, merkle.EMPTY_ROOT)
        split = head.size == latest.size and head.root != latest.root
        if split:
            self._accuse("split", head, f"{known or ''}\n{request}", "it signed two roots for one size")
        if request.old != latest.size:
            return Answer(HTTPStatus.CONFLICT, f"{latest.size}\n", SIZE_TYPE)
        try:
            merkle.verify_consistency(latest.size, latest.root, head.size, head.root, request.proof)
        except merkle.ProofError as error:
            if not split:
                self._accuse("unproved", head, str(request), f"not shown to continue size {latest.size}: {error}")
            return _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        return None

    def _cosign(self, request: AddCheckpoint, head: notes.TreeHead) -> Answer:
        text = request.note.text
        signature = notes.Signature(self.signer.name, self.signer.key_id, self.signer.sign(text.encode()))
        ours = {(key.name, key.key_id) for key in self.logs[head.origin]}
        theirs = (line for line in request.note.signatures if (line.name, line.key_id) in ours)
        self.state.record(head.origin, notes.Note(text, (*theirs, signature)))
        return Answer(HTTPStatus.OK, signature.line())

    def _accuse(self, kind: str, head: notes.TreeHead, text: str, why: str) -> None:
        log.error("the log %s may misbehave (size %d): %s; kept as evidence", head.origin, head.size, why)
        self.state.keep(kind, head, text)

    def about(self) -> Answer:
        """For people: who this is, and how far it has seen each log."""
        lines = [f"A witness of transparency logs (https://c2sp.org/tlog-witness): {self.signer.name}", ""]
        lines += [f"key {self.signer.verifier.vkey}"]
        for origin in self.logs:
            note = self.state.latest(origin)
            seen = f"size {tree_head(note.text).size}" if note else "nothing seen yet"
            lines.append(f"log {origin}: {seen}, /{name_of(origin)}/checkpoint")
        return Answer(HTTPStatus.OK, "\n".join(lines) + "\n")

    def checkpoint(self, name: str) -> Answer:
        """The latest cosigned checkpoint of the log whose origin has this SHA-256: tlog-witness's monitoring API."""
        origin = next((origin for origin in self.logs if name_of(origin) == name), None)
        note = None if origin is None else self.state.latest(origin)
        if note is None:
            return _refuse(HTTPStatus.NOT_FOUND, "no checkpoint of such a log was cosigned here")
        return Answer(HTTPStatus.OK, str(note))

    def answer(self, method: str, path: str, read: Callable[[], bytes]) -> Answer:
        """One request; `read` gives its body. What must not go wrong and does is a 500 without a cosignature."""
        try:
            return self._route(method, path, read)
        except StateDamaged as error:
            log.critical("state damaged, nothing is cosigned for this log: %s; restore it from a backup", error)
            return _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "this witness's record of the log is damaged")
        except OSError as error:
            log.critical("state cannot be read or written, nothing was cosigned: %s", error)
            return _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "this witness cannot keep its record")

    def _route(self, method: str, path: str, read: Callable[[], bytes]) -> Answer:
        if path == "/add-checkpoint":
            if method != "POST":
                return _refuse(HTTPStatus.METHOD_NOT_ALLOWED, "send a POST")
            try:
                return self.add_checkpoint(read())
            except _Unread as error:
                return _refuse(error.status, "the body is too long, or not all of it arrived")
        checkpoint = _CHECKPOINT.fullmatch(path)
        if method not in ("GET", "HEAD") or not (checkpoint or path in ("", "/")):
            return _refuse(HTTPStatus.NOT_FOUND, "there is /, /add-checkpoint and /<SHA-256 of an origin>/checkpoint")
        return self.checkpoint(checkpoint[1]) if checkpoint else self.about()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        answer = self.answer(method, environ.get("PATH_INFO", ""), lambda: _body(environ))
        data = answer.body.encode()
        headers = [("Content-Type", answer.content_type), ("Content-Length", str(len(data)))]
        headers += [("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
        start_response(f"{answer.status.value} {answer.status.phrase}", headers)
        return [] if method == "HEAD" else [data]


class _Unread(Exception):
    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


def _refuse(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, why + "\n")


def _body(environ: Environ) -> bytes:
    """The body of a request, at most MAX_BODY bytes. Raises _Unread."""
    declared = environ.get("CONTENT_LENGTH") or ""
    if not declared and not environ.get("wsgi.input_terminated"):
        raise _Unread(HTTPStatus.LENGTH_REQUIRED)
    if declared and not (declared.isascii() and declared.isdecimal()):
        raise _Unread(HTTPStatus.BAD_REQUEST)
    length = int(declared[:10]) if declared else MAX_BODY + 1
    if declared and length > MAX_BODY:
        raise _Unread(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        data: bytes = environ["wsgi.input"].read(length)
    except OSError as error:  # the client fell silent
        raise _Unread(HTTPStatus.REQUEST_TIMEOUT) from error
    if len(data) > MAX_BODY:
        raise _Unread(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if declared and len(data) < length:
        raise _Unread(HTTPStatus.BAD_REQUEST)
    return data


# --- Running it ----------------------------------------------------------------------------------------------------


def application(name: str, policy: str, state: str, key: str = "", *, first_run: bool = False) -> Witness:
    """The witness of these arguments; `policy` and `state` are paths. Its key is made on first use.

    first_run: the operator vouches that a key that is there has cosigned nothing but what is in `state`.
    Raises BadPolicy, keys.BadKey, keys.KeyMissing, StateDamaged, OSError, each saying what is wrong.
    """
    logs: dict[str, tuple[keys.LogVerifier, ...]] = {}
    for known in tlogpolicy.parse(Path(policy).read_bytes()).logs:
        logs[known.verifier.name] = (*logs.get(known.verifier.name, ()), known.verifier)
    if not logs:
        raise tlogpolicy.BadPolicy(f"{policy} has no `log` line: there is no log to witness")
    folder = Path(state)
    path = Path(key) if key else folder / "witness.key"
    # With a state there was a key: a fresh one would not be the witness that others trust.
    fresh = not (folder.is_dir() and any(file.suffix == ".lock" or file.name == MARKER for file in folder.iterdir()))
    made_now = fresh and not path.exists()
    signer = keys.witness_signer(path, name, create=fresh)
    kept = State(folder, signer.verifier)
    if not kept.belongs():
        if not (made_now or first_run):
            raise StateDamaged(_FORGOTTEN.format(key=path, state=folder))
        kept.claim()
    return Witness(signer, logs, kept)


_FORGOTTEN = (
    "{key} is there, but {state} does not say that it holds what this key has cosigned. If that folder was lost or is"
    " not mounted, put it back: a witness that forgets would cosign a second history. Only if this key never cosigned"
    " anything else, start once with --first-run."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="the witness's name, a URL without scheme: example.org/witness")
    parser.add_argument("--policy", required=True, help="a tlog-policy file; its `log` lines are the logs to witness")
    parser.add_argument("--state", required=True, help="folder for what was cosigned last, and for the key")
    parser.add_argument("--listen", default="127.0.0.1:8101", help="address:port; put TLS before it")
    parser.add_argument("--key", default="", help="file with the private key, if not witness.key in --state")
    parser.add_argument(
        "--first-run", action="store_true", help="you vouch that the key never cosigned what is not in --state"
    )


def introduction(witness: Witness, listen: str) -> str:
    """What the person who started it should know and do."""
    return (
        f"Witness {witness.signer.name} of {', '.join(witness.logs)}, listening on {listen}.\n"
        "Give this line to each log that it witnesses, with your public address, for its policy file:\n\n"
        f"  witness {witness.signer.name.replace('/', '-')} {witness.signer.verifier.vkey} https://<your address>\n\n"
        "Give the key also to those who verify the log, by another way than through the log.\n"
    )


def address(listen: str) -> tuple[str, int]:
    """Raises ValueError."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isascii() or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"not address:port: {listen}")
    return host.strip("[]"), int(port)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    timeout = _PATIENCE

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def serve(witness: Witness, listen: str) -> WSGIServer:
    """A threaded server of the standard library, bound and not yet serving. Raises OSError, ValueError."""
    host, port = address(listen)
    return make_server(host, port, witness, _Server, _Handler)


def main(argv: list[str] | None = None) -> int:
    """The command line. Exit status: 0 when stopped, 2 when it cannot start."""
    parser = argparse.ArgumentParser("python -m ledger.witness", description=(__doc__ or "").splitlines()[0])
    add_arguments(parser)
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        witness = application(given.name, given.policy, given.state, given.key, first_run=given.first_run)
        server = serve(witness, given.listen)
    except (OSError, ValueError, keys.KeyMissing, StateDamaged) as error:
        parser.error(str(error))
    sys.stdout.write(introduction(witness, given.listen))
    sys.stdout.flush()
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
