"""The log's side of tlog-witness (https://c2sp.org/tlog-witness): asks witnesses to cosign the newest checkpoint.

Only witnesses show that everybody sees the same log: each cosigns one history. So an answer that shows another history
than ours stops the signing until a person has looked (`witness:<name>`), and so does the lack of a fresh quorum. A
refusal is not signed: over plain http from another machine anybody in between can make one, so it only warns.
The database is used by the calling thread only; each witness is asked in a thread of its own.
"""

import datetime as dt
import hashlib
import ipaddress
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from django.conf import settings
from django.db import connection

from core import clock
from ledger import alarms, head, keys, merkle, notes, posting, reading, tiles, tlogpolicy
from ledger.models import Checkpoint, Cosignature
from ledger.policyfile import office_policy
from ledger.posting import Reply
from ledger.storedtree import read_tile
from ledger.witness import SIZE_TYPE, AddCheckpoint

log = structlog.get_logger()

# Seconds: of a whole round, and that a witness's clock may differ from ours.
ROUND = 20
CLOCK_SKEW = 300
_AT_A_TIME = 200  # cosignatures

SPLIT = (
    "The witness {name} does not accept checkpoint {size} of this log: {why}. Either somebody signed another history"
    " with this log's key, or this database lost what it had signed, or the witness is wrong. Nothing more is signed."
    " What to do: run `manage.py check_log`, compare {url} with /log/checkpoint, and ask the witness's operator which"
    " checkpoint it holds. Only when you know that this log is the only one, run `manage.py alarms --clear {kind}`."
)
UNPROVED = (
    "The witness {name} is said not to accept checkpoint {size} of this log: {why}. But its address {url} is plain"
    " http: anybody between it and this host can say so, and signing goes on. What to do: ask the witness's operator"
    " which checkpoint it holds, compare it with /log/checkpoint, and give the witness an https address. If it holds"
    " another history, run `manage.py succeed_log --freeze`, which stops the signing. This alarm ends by itself with"
    " the witness's next cosignature, or by `manage.py alarms --clear {kind}`."
)
STALE = (
    "No quorum of witnesses has cosigned this log for {seconds} seconds, so nothing more is signed. What to do: run"
    " `manage.py cosign` to see what each witness answers, and help it, or change the policy file. This alarm ends by"
    " itself with the next quorum."
)


@dataclass(frozen=True)
class Outcome:
    """witness: its name in the policy. detail: a sentence for the operator."""

    witness: str
    cosigned: bool
    detail: str


@dataclass(frozen=True)
class _Asked:
    witness: tlogpolicy.Witness
    checkpoint: Checkpoint
    request: AddCheckpoint
    again: bool = False


def cosign() -> list[Outcome]:
    """One round: ask each witness that has not cosigned the newest checkpoint lately, then look whether a quorum has.

    Raises what `office_policy` raises; a policy that cannot be read also raises the alarm “quorum”.
    """
    try:
        policy = office_policy()
    except tlogpolicy.BadPolicy as error:
        alarms.raise_alarm("quorum", str(error))
        raise
    newest = reading.latest_checkpoint()
    if newest is not None and _behind(newest):
        return []
    try:
        asked = [] if newest is None else [_first(witness, newest) for witness in _due(policy, newest)]
        return list(_round(asked))
    finally:
        watch_quorum(policy)


def _behind(newest: Checkpoint) -> bool:
    """A database restored from a backup, not recovered or signed on yet: to a witness it would look like a rollback.

    The head guard's own alarm says what to do.
    """
    try:
        guarded = head.last_signed()
    except head.HeadMismatch:
        return True
    return guarded is None or guarded.size > newest.size


def watch_quorum(policy: tlogpolicy.Policy) -> None:
    """Raise the alarm “quorum”, or clear it when there is a fresh one again, or none is asked for."""
    since = clock.now() - dt.timedelta(seconds=settings.ASSAY_LOG_COSIGN_WITHIN)
    if policy.quorum == tlogpolicy.NONE or _fresh_quorum(policy, int(since.timestamp())):
        alarms.clear("quorum")
    elif Checkpoint.objects.filter(created_at__lte=since).exists():  # a log that just began has time to get one
        alarms.raise_alarm("quorum", STALE.format(seconds=settings.ASSAY_LOG_COSIGN_WITHIN))


def kind_of(witness: tlogpolicy.Witness) -> str:
    """Its alarm's kind: with its name, or where that is long or no text, a digest of its key."""
    name = witness.name
    if len(name) > 32 or not name.isprintable():
        name = hashlib.sha256(witness.verifier.vkey.encode()).hexdigest()[:32]
    return f"witness:{name}"


# --- What to ask ---------------------------------------------------------------------------------------------------


def _due(policy: tlogpolicy.Policy, newest: Checkpoint) -> list[tlogpolicy.Witness]:
    """An old checkpoint is cosigned again in good time, so that a log without news does not look abandoned.

    A witness in dispute is not asked before a person has cleared its alarm, if that stopped the signing.
    """
    since = int(clock.now().timestamp()) - settings.ASSAY_LOG_COSIGN_WITHIN // 4
    have = set(newest.cosignatures.filter(timestamp__gt=since).values_list("name", "key_id"))
    disputed = {alarm.kind for alarm in alarms.open_alarms() if alarm.halts}
    every = (witness for witness in policy.witnesses.values() if witness.url and kind_of(witness) not in disputed)
    return [witness for witness in every if (witness.verifier.name, witness.verifier.key_id) not in have]


def _first(witness: tlogpolicy.Witness, newest: Checkpoint) -> _Asked:
    rows = Cosignature.objects.filter(name=witness.verifier.name, key_id=witness.verifier.key_id)
    last = rows.filter(checkpoint__lte=newest.size).order_by("-checkpoint").values_list("checkpoint", flat=True).first()
    return _Asked(witness, newest, _request(last or 0, newest))


def _request(old: int, newest: Checkpoint) -> AddCheckpoint:
    # Tiles as they are now, none that this process remembers: a wrong proof would stop the log.
    proof = merkle.consistency(tiles.Nodes(read_tile), old, newest.size)
    return AddCheckpoint(old, tuple(proof), notes.parse(newest.note))


# --- Asking --------------------------------------------------------------------------------------------------------


@dataclass
class _Exchange:
    """Questions that are out. A witness that does not answer in time is left to its thread, and not asked meanwhile."""

    until: float = field(default_factory=lambda: time.monotonic() + ROUND)
    waiting: dict[str, _Asked] = field(default_factory=dict)
    answers: "queue.Queue[tuple[_Asked, Reply]]" = field(default_factory=queue.Queue)

    def ask(self, asked: _Asked) -> None:
        key = asked.witness.verifier.vkey
        self.waiting[key] = asked
        if key in _busy:
            self.answers.put((asked, Reply(0, b"it has not answered the last round yet")))
            return
        _busy.add(key)
        threading.Thread(target=self._post, args=(asked,), daemon=True, name=f"witness {asked.witness.name}").start()

    def _post(self, asked: _Asked) -> None:
        try:
            url = f"{asked.witness.url.rstrip('/')}/add-checkpoint"
            reply = posting.post(url, str(asked.request).encode(), "text/plain")
        finally:
            _busy.discard(asked.witness.verifier.vkey)
        self.answers.put((asked, reply))

    def __iter__(self) -> Iterator[tuple[_Asked, Reply]]:
        while self.waiting:
            try:
                asked, reply = self.answers.get(timeout=max(0.0, self.until - time.monotonic()))
            except queue.Empty:
                break
            del self.waiting[asked.witness.verifier.vkey]
            yield asked, reply
        for asked in self.waiting.values():
            yield asked, Reply(0, b"it takes too long to answer")


_busy: set[str] = set()


def _round(asked: Sequence[_Asked]) -> Iterator[Outcome]:
    exchange = _Exchange()
    for one in asked:
        exchange.ask(one)
    for one, reply in exchange:
        result = _take(one, reply)
        if isinstance(result, _Asked):
            exchange.ask(result)
        else:
            _report(result)
            yield result


# --- What came back ------------------------------------------------------------------------------------------------


def _take(asked: _Asked, reply: Reply) -> Outcome | _Asked:
    """What an answer means; another question if the witness is just at another size than we thought."""
    if reply.status == HTTPStatus.OK:
        return _cosigned(asked, reply.body)
    size = _size(reply)
    if size is not None:
        return _at_another_size(asked, size)
    same = asked.request.old == asked.checkpoint.size
    # Another root for one size was a 409 without a size in tlog-witness before 2026 and is a 422 since.
    if same and reply.status in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
        return _split(asked, "it cosigned another root for this size")
    if reply.status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return _split(asked, f"it is not shown to continue size {asked.request.old}, which the witness cosigned")
    said = reply.body[:200].decode(errors="replace").strip()
    return Outcome(asked.witness.name, False, f"refused ({reply.status}): {said}" if reply.status else said)


def _size(reply: Reply) -> int | None:
    """The size in a 409, None if this answer has none."""
    text = reply.body.removesuffix(b"\n")
    if reply.status != HTTPStatus.CONFLICT or reply.content_type != SIZE_TYPE or not text.isdigit():
        return None
    return int(text[:20])


def _at_another_size(asked: _Asked, size: int) -> Outcome | _Asked:
    newest = reading.latest_checkpoint() or asked.checkpoint  # another process may have signed meanwhile
    if size > newest.size:
        return _split(asked, f"it has cosigned size {size} of it already, and size {newest.size} is our newest")
    if asked.again or size == asked.request.old:
        return Outcome(asked.witness.name, False, f"refused (409): it says that it is at size {size}")
    return _Asked(asked.witness, newest, _request(size, newest), again=True)


def _split(asked: _Asked, why: str) -> Outcome:
    witness, kind = asked.witness, kind_of(asked.witness)
    sure = _is_authentic(witness.url)
    message = SPLIT if sure else UNPROVED
    if sure:
        alarms.clear_warning(kind)  # of before it had an https address
    message = message.format(name=witness.name, size=asked.checkpoint.size, why=why, url=witness.url, kind=kind)
    alarms.raise_alarm(kind, message, halts=sure)
    return Outcome(witness.name, False, f"ALARM: {why}")


def _is_authentic(url: str) -> bool:
    """Whether an answer from there is the witness's own: https, or this very machine."""
    parts = urlsplit(url)
    if parts.scheme == "https" or parts.hostname == "localhost":
        return True
    try:
        return ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False


def _cosigned(asked: _Asked, body: bytes) -> Outcome:
    """Verify and store; lines by other keys are ignored, as tlog-witness demands."""
    verifier, name = asked.witness.verifier, asked.witness.name
    try:
        lines = [notes.parse_signature(line) for line in body.decode().splitlines(keepends=True)]
    except ValueError as error:
        return Outcome(name, False, f"its answer is no cosignature: {error}")
    ours = next((line for line in lines if (line.name, line.key_id) == (verifier.name, verifier.key_id)), None)
    if ours is None or not verifier.verifies(asked.request.note.text.encode(), ours.signature):
        return Outcome(name, False, "its cosignature is not by the key in the policy, or is wrong")
    timestamp = int.from_bytes(ours.signature[:8], "big")
    if abs(timestamp - clock.now().timestamp()) > CLOCK_SKEW:
        return Outcome(name, False, "the time of its cosignature is not now: is its clock right, and ours?")
    Cosignature.objects.get_or_create(
        checkpoint=asked.checkpoint,
        name=verifier.name,
        key_id=verifier.key_id,
        timestamp=timestamp,
        defaults={"line": ours.line()},
    )
    alarms.clear_warning(kind_of(asked.witness))
    return Outcome(name, True, f"cosigned size {asked.checkpoint.size}")


def _fresh_quorum(policy: tlogpolicy.Policy, since: int) -> bool:
    """Whether one checkpoint is cosigned by a quorum, each later than `since` (POSIX seconds)."""
    verifiers = {(w.verifier.name, w.verifier.key_id): w.verifier for w in policy.witnesses.values()}
    rows = Cosignature.objects.order_by("-pk").values_list("checkpoint", "name", "key_id", "timestamp")
    signed_by: dict[int, list[keys.WitnessVerifier]] = defaultdict(list)
    for checkpoint, name, key_id, timestamp in rows.iterator(_AT_A_TIME):
        if timestamp <= since - 2 * CLOCK_SKEW:  # stored before `since`, however wrong the clocks: so is all before it
            return False
        if timestamp > since and (name, key_id) in verifiers:
            signed_by[checkpoint].append(verifiers[name, key_id])
            if policy.satisfied_by(signed_by[checkpoint]):
                return True
    return False


_reported: dict[str, Outcome] = {}


def _report(outcome: Outcome) -> None:
    """One line in the log for each change of what a witness answers, not for each answer."""
    before = _reported.get(outcome.witness)
    _reported[outcome.witness] = outcome
    if before is not None and (before == outcome or (before.cosigned and outcome.cosigned)):
        return
    tell = log.info if outcome.cosigned else log.warning
    tell("witness asked", witness=outcome.witness, outcome=outcome.detail)


# --- Again and again -----------------------------------------------------------------------------------------------


class Cosigner:
    """A round every ASSAY_LOG_COSIGN_EVERY seconds, in a thread with its own database connection."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True, name="cosigner")

    def start(self) -> None:
        """Without a policy file it makes one round, which clears what an earlier policy left, and ends."""
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=ROUND)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                cosign()
            except Exception as error:  # whatever it was, the next round tries again
                log.error("a round of cosigning failed", error=f"{type(error).__name__}: {error}")
            finally:
                connection.close()
            if not settings.ASSAY_LOG_POLICY:
                return
            self._stop.wait(settings.ASSAY_LOG_COSIGN_EVERY)
