"""The sequencer: gives waiting entries their index, grows the tiles, and signs what is committed and guarded.

Order of one tick, never otherwise: (1) indices and tiles in one transaction, committed; (2) the new tree is shown to
extend the last signed one; (3) the head guard is swapped; (4) the checkpoint is signed; (5) it is stored, and readers
see it. A crash after any step is repaired by the next tick, which signs the same head or a longer one.

One sequencer works at a time: a file lock on each host, an advisory lock in PostgreSQL. Should both fail, the primary
keys of sequence and checkpoint still fence two of them: the later one's transaction is refused, and no fork is made.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from core.health import Check
from ledger import alarms, changes, custody, foldedtiles, head, merkle, notes, tiles
from ledger.head import HeadMismatch
from ledger.log import MAX_LEAF_BYTES
from ledger.models import Alarm, Checkpoint
from ledger.storedtree import read_tiles, right_edge, stored_size, write_tiles

log = structlog.get_logger()

# Entries a transaction: long enough that its fixed cost is nothing for each, short enough that it is over in moments.
BATCH = 8192
# "assay-log" in ASCII, cut to 63 bits: the key of the advisory lock that keeps a second host's sequencer waiting.
_LOCK_KEY = int.from_bytes(b"assaylog", "big") >> 1

# The alarms that are about this module's own work: it goes on trying, and they end when it succeeds.
GUARD: Final = "guard"
KEY_MISSING: Final = "key:missing"
# About rows that `append` did not write: they are refused an index, and signing goes on.
LEAF: Final = "leaf"

_STATE = """SELECT (SELECT max("index") FROM ledger_sequence), (SELECT max(size) FROM ledger_checkpoint),
(SELECT n * 256 + length(data) / 32 FROM ledger_tile WHERE level = 0 ORDER BY n DESC LIMIT 1),
EXISTS (SELECT 1 FROM ledger_outbox) OR EXISTS (SELECT 1 FROM ledger_change) OR EXISTS (SELECT 1 FROM ledger_alarm)"""
_NEWEST = """SELECT (SELECT note FROM ledger_checkpoint ORDER BY size DESC LIMIT 1),
EXISTS (SELECT 1 FROM ledger_alarm)"""
# PostgreSQL. By row, not by range: ids commit out of order, and a smaller one may appear later. The outbox has neither
# index nor foreign key, so that an append is cheap: rows are found by their place, and only what is an entry is placed,
# and only one whose hash and size are as `append` makes them: what is signed is signed for ever. Others leave the
# outbox, so that they are looked at once.
_PLACE = """WITH batch AS (
  DELETE FROM ledger_outbox
  WHERE ctid = ANY (ARRAY (SELECT ctid FROM ledger_outbox ORDER BY entry_id LIMIT %s)) RETURNING entry_id
), waiting AS MATERIALIZED (
  SELECT id, octet_length(leaf) <= %s AND leaf_hash = sha256(decode('00', 'hex') || leaf) AS sound
  FROM (SELECT DISTINCT entry_id FROM batch) AS drained JOIN ledger_entry ON ledger_entry.id = drained.entry_id
  WHERE NOT EXISTS (SELECT 1 FROM ledger_sequence WHERE ledger_sequence.entry_id = drained.entry_id)
), placed AS (
  INSERT INTO ledger_sequence ("index", entry_id)
  SELECT coalesce((SELECT max("index") + 1 FROM ledger_sequence), 0) + row_number() OVER (ORDER BY id) - 1, id
  FROM waiting WHERE sound
)
SELECT (SELECT count(*) FROM batch), ARRAY (SELECT id FROM waiting WHERE NOT sound ORDER BY id)"""
_HASHES = """SELECT {} FROM ledger_sequence JOIN ledger_entry ON ledger_entry.id = ledger_sequence.entry_id
WHERE "index" >= %s AND "index" < %s"""
_HASHES_SQLITE = _HASHES.format("leaf, leaf_hash") + ' ORDER BY "index"'
# One value instead of a row an entry: what this process does for each is what a sequencer's speed hangs on.
_HASHES_POSTGRESQL = _HASHES.format("""string_agg(leaf_hash, ''::bytea ORDER BY "index")""")

Places = Mapping[tuple[int, int], bytes]

RESTORED = (
    "The database is behind what this log has already signed: {why}. It was probably restored from an older backup or"
    " lost its last commits. Nothing was signed, and nothing will be, because a second history would be a fork."
    " What to do: restore the newest copy of the database; or bring the missing entries back from a published copy with"
    " `manage.py recover_log --from FOLDER_OR_ADDRESS`; see docs/operations.md, “Back-up and restore”."
)
MISSING = (
    "The database holds signed checkpoints, but the head guard {path} is missing. Nothing was signed. What to do: put"
    " the file back, or, if you know that no newer checkpoint than size {size} was published, run"
    " `manage.py sequencer --adopt-head`."
)
OTHER_LOG = (
    "The head guard is of the log {guarded}, but this log's origin is set to {set}. Nothing was signed. What to do: set"
    " ASSAY_LOG_ORIGIN={guarded} again; or, if that log has ended for good, run `manage.py succeed_log`."
)
DAMAGED = (
    "The stored tree is damaged: {why}. Nothing was signed. What to do: run `manage.py check_log` to see what else is,"
    " and restore the newest copy of the database."
)
NOT_OURS = (
    "{count} rows of ledger_entry hold a leaf that is too large or does not hash to its leaf_hash, so this office's"
    " `append` did not write them; the first are of id {ids}. They got no index, and are no part of the log. What to"
    " do: find out who inserts with the office's database role, change its password, then run"
    " `manage.py alarms --clear leaf`. `manage.py check_log` counts all such rows."
)


@dataclass(frozen=True)
class Step:
    """What step 1 left: the tree's size, tiles it read or wrote, and whether more entries may wait than one batch."""

    size: int
    known: Places
    full: bool


def tick() -> Checkpoint | None:
    """Sequence and sign what waits. Returns the newest checkpoint it signed, None if there was nothing to do.

    None also when another sequencer is at work, and while an alarm about something else halts the log (entries are
    sequenced then, and not signed). Raises HeadMismatch, of which the alarm “guard” tells; keys.KeyMissing;
    RuntimeError in a transaction.
    """
    try:
        if not _work_waits():
            return None
        with head.only_one() as mine, one_host() as ours:
            return _work() if mine and ours else None
    except HeadMismatch as error:
        alarms.raise_alarm(GUARD, str(error))
        raise


def check() -> Check:
    """For `core.health`: whether the database still holds what was signed, also before the sequencer looks."""
    try:
        _work_waits()
    except HeadMismatch as error:
        return Check("head guard", False, str(error))
    return Check("head guard", True, "the database holds what was signed")


def adopt_head() -> Checkpoint:
    """The operator vouches that this database's newest checkpoint is the newest published. Raises HeadMismatch."""
    with head.only_one() as mine, one_host() as ours:
        newest = Checkpoint.objects.order_by("-size").first()
        if not (mine and ours):
            raise HeadMismatch("Stop the sequencer first.")
        if newest is None:
            raise HeadMismatch("There is no signed checkpoint to adopt.")
        head.head_path().unlink(missing_ok=True)
        head.swap(None, _head_of(newest.note))
        return newest


def _work_waits() -> bool:
    """Raises HeadMismatch before anything gets an index: what is appended after a restore waits for the recovery.

    The guard is read first: tiles are committed before it is swapped, so they never hold less than it says.
    """
    guarded = head.last_signed()
    with connection.cursor() as cursor:
        cursor.execute(_STATE)
        last, signed, stored, more = cursor.fetchone()
    if guarded is None and signed is not None:
        raise HeadMismatch(MISSING.format(path=head.head_path(), size=signed))
    if guarded is not None and guarded.size > (stored or 0):
        raise HeadMismatch(RESTORED.format(why=f"it has {stored or 0} entries, {guarded.size} were signed"))
    return bool(more) or (-1 if last is None else last) + 1 != (signed or 0)


@contextmanager
def one_host() -> Iterator[bool]:
    """The same lock across hosts that share a PostgreSQL; the file lock of `head.only_one` is per host."""
    if connection.vendor != "postgresql":
        yield True
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK_KEY])
        row = cursor.fetchone()
    locked = bool(row and row[0])
    try:
        yield locked
    finally:
        # A connection that is lost has lost its lock, too; what lost it is already on its way to the caller.
        if locked:
            with suppress(DatabaseError, InterfaceError), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_KEY])


def _work() -> Checkpoint | None:
    signed = None
    while True:
        try:
            step = _integrate()
            signed = _publish(step) or signed
        except tiles.BadTile as error:
            raise HeadMismatch(DAMAGED.format(why=error)) from error
        if not step.full:
            return signed


# --- Step 1 --------------------------------------------------------------------------------------------------------


def _integrate() -> Step:
    """Durable when it returns."""
    with transaction.atomic(durable=True):
        _see_one_moment()
        changes.account()  # before the outbox is drained: its rows say which changes have an entry
        drained, refused = _place_waiting()
        size = stored_size()
        hashes = _next_hashes(size)
        edge = _read(right_edge(size), {})
        grown = tiles.grow(lambda level, n: edge[level, n], size, hashes)
        write_tiles(grown, edge)
    if refused:
        alarms.raise_alarm(LEAF, not_ours(refused), halts=False)
    return Step(size + len(hashes), {**edge, **grown}, full=BATCH in (drained, len(hashes)))


def _read(places: Iterable[tuple[int, int]], known: Places) -> Places:
    """These tiles, from `known` as far as they are there. Raises tiles.BadTile when one is stored nowhere."""
    wanted = set(places)
    found = {**known, **read_tiles(wanted - known.keys())}
    for level, n in wanted - found.keys():
        raise tiles.BadTile(f"tile {level}/{n} is missing")
    return found


def _see_one_moment() -> None:
    """PostgreSQL: a change and the outbox row of its entry, which commit together, are both seen or neither is."""
    if connection.vendor == "postgresql" and not connection.savepoint_ids:  # only at a transaction's very beginning
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _place_waiting() -> tuple[int, list[int]]:
    """The next indices for what waits in the outbox, in order of insertion. On SQLite nothing ever waits.

    Returns how many rows left the outbox, and the ids of the entries that were refused an index.
    """
    if connection.vendor == "sqlite":
        return 0, []
    with connection.cursor() as cursor:
        cursor.execute(_PLACE, [BATCH, MAX_LEAF_BYTES])
        drained, refused = cursor.fetchone()
    return int(drained), list(refused)


def not_ours(refused: list[int]) -> str:
    """What to tell a person of these rows."""
    return NOT_OURS.format(count=len(refused), ids=", ".join(map(str, refused[:20])))


def is_sound(leaf: object, leaf_hash: object) -> bool:
    """Whether `append` can have written this row; as _PLACE asks. That the leaf is canonical, `check_log` looks."""
    return isinstance(leaf, bytes) and len(leaf) <= MAX_LEAF_BYTES and merkle.leaf_hash(leaf) == leaf_hash


def _next_hashes(size: int) -> list[bytes]:
    """Of the leaves that have an index from `size` on, and no place in a tile yet."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_HASHES_SQLITE, [size, size + BATCH])
            return _sound_hashes(size, cursor.fetchall())
        cursor.execute(_HASHES_POSTGRESQL, [size, size + BATCH])
        joined = bytes(cursor.fetchone()[0] or b"")
    return [joined[at : at + merkle.HASH_SIZE] for at in range(0, len(joined), merkle.HASH_SIZE)]


def _sound_hashes(size: int, rows: list[tuple[bytes, bytes]]) -> list[bytes]:
    """SQLite, where a row has its index before this process sees it: raises HeadMismatch, so that it is not signed."""
    for index, (leaf, leaf_hash) in enumerate(rows, size):
        if not is_sound(leaf, leaf_hash):
            raise HeadMismatch(DAMAGED.format(why=f"the leaf of entry {index} is too large or not that of its hash"))
    return [leaf_hash for _, leaf_hash in rows]


# --- Steps 2 to 5 --------------------------------------------------------------------------------------------------


def _publish(step: Step) -> Checkpoint | None:
    """None when there is nothing new to sign, or signing is halted."""
    guarded, (newest, alarmed) = head.last_signed(), _newest()
    # A cache of its own: what another process may have restored or changed since the last tick is read again.
    node = foldedtiles.Nodes(lambda places: _read(places, step.known), step.size, foldedtiles.Cache())
    _refuse_fork(node, step.size, guarded, newest)
    new = notes.TreeHead(settings.ASSAY_LOG_ORIGIN, step.size, merkle.root(node, step.size))
    open_alarms = alarms.open_alarms() if alarmed else []
    _end(GUARD, open_alarms)
    if _halted(open_alarms) or not step.size:
        return None
    signers = custody.log_signers()
    _end(KEY_MISSING, open_alarms)
    if newest == guarded == new:
        return None
    if guarded != new:
        head.swap(guarded, new)
    return _store(new, notes.sign(new.text(), *signers))


def _newest() -> tuple[notes.TreeHead | None, bool]:
    """The newest stored head, and whether any alarm is open."""
    with connection.cursor() as cursor:
        cursor.execute(_NEWEST)
        note, alarmed = cursor.fetchone()
    return None if note is None else _head_of(note), bool(alarmed)


def _halted(open_alarms: list[Alarm]) -> bool:
    return any(alarm.halts and alarm.kind not in (GUARD, KEY_MISSING) for alarm in open_alarms)


def _end(kind: str, open_alarms: list[Alarm]) -> None:
    if any(alarm.kind == kind for alarm in open_alarms):
        alarms.clear(kind)


def _store(new: notes.TreeHead, note: notes.Note) -> Checkpoint:
    with transaction.atomic(durable=True):
        checkpoint = Checkpoint.objects.create(size=new.size, root=new.root, note=str(note))
    log.debug("checkpoint signed", size=new.size)
    return checkpoint


def _refuse_fork(node: merkle.Node, size: int, guarded: notes.TreeHead | None, newest: notes.TreeHead | None) -> None:
    """The new tree begins with the guarded one and with the newest stored one. Raises HeadMismatch."""
    if guarded is None:
        if newest is not None:
            raise HeadMismatch(MISSING.format(path=head.head_path(), size=newest.size))
        return
    if guarded.origin != settings.ASSAY_LOG_ORIGIN:
        raise HeadMismatch(OTHER_LOG.format(guarded=guarded.origin, set=settings.ASSAY_LOG_ORIGIN))
    for known in {guarded, newest or guarded}:
        if known.size > size:
            raise HeadMismatch(RESTORED.format(why=f"it has {size} entries, {known.size} were signed"))
        if merkle.root(node, known.size) != known.root:
            raise HeadMismatch(RESTORED.format(why=f"its first {known.size} entries are not those that were signed"))


def _head_of(note: str) -> notes.TreeHead:
    return notes.parse_tree_head(notes.parse(note).text)
