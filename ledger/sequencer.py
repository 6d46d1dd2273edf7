"""The sequencer: gives waiting entries their index, grows the tiles, and signs what is committed and guarded.

Order of one tick, never otherwise: (1) indices and tiles in one transaction, committed; (2) the new tree is shown to
extend the last signed one; (3) the head guard is swapped; (4) the checkpoint is signed; (5) it is stored, and readers
see it. A crash after any step is repaired by the next tick, which signs the same head or a longer one.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max

from ledger import custody, head, merkle, notes, tiles
from ledger.head import HeadMismatch
from ledger.models import Checkpoint, Outbox, Sequence, Tile
from ledger.storedtree import read_tile, stored_size

log = structlog.get_logger()

BATCH = 4096
# "assay-log" in ASCII, cut to 63 bits: the key of the advisory lock that keeps a second host's sequencer waiting.
_LOCK_KEY = int.from_bytes(b"assaylog", "big") >> 1

RESTORED = (
    "The database is behind what this log has already signed: {why}. It was probably restored from an older backup or"
    " lost its last commits. Nothing was signed, and nothing will be, because a second history would be a fork."
    " What to do: restore the newest copy of the database; see docs/formats.md, “Head guard”."
)
MISSING = (
    "The database holds signed checkpoints, but the head guard {path} is missing. Nothing was signed. What to do: put"
    " the file back, or, if you know that no newer checkpoint than size {size} was published, run"
    " `manage.py sequencer --adopt-head`."
)


def tick() -> Checkpoint | None:
    """Sequence and sign what waits. Returns the newest checkpoint it signed, None if there was nothing to do.

    None also when another sequencer is at work. Raises HeadMismatch, keys.KeyMissing; RuntimeError in a transaction.
    """
    if not _work_waits():
        return None
    with head.only_one() as mine, _one_host() as ours:
        if not (mine and ours):
            return None
        signed = None
        while _work_waits():
            size = _integrate()
            signed = _publish(size)
        return signed


def adopt_head() -> Checkpoint:
    """The operator vouches that this database's newest checkpoint is the newest published. Raises HeadMismatch."""
    with head.only_one() as mine:
        newest = Checkpoint.objects.order_by("-size").first()
        if not mine or newest is None:
            raise HeadMismatch("Stop the sequencer first." if not mine else "There is no signed checkpoint to adopt.")
        head.head_path().unlink(missing_ok=True)
        head.swap(None, _head_of(newest))
        return newest


def _work_waits() -> bool:
    sequenced = _next_index()
    signed = Checkpoint.objects.aggregate(size=Max("size"))["size"] or 0
    return sequenced != signed or Outbox.objects.exists()


def _next_index() -> int:
    last = Sequence.objects.aggregate(last=Max("index"))["last"]
    return 0 if last is None else int(last) + 1


@contextmanager
def _one_host() -> Iterator[bool]:
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
        if locked:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_KEY])


def _integrate() -> int:
    """Step 1, durable when it returns: the tree's new size."""
    with transaction.atomic(durable=True):
        waiting = list(Outbox.objects.order_by("pk").values_list("pk", flat=True)[:BATCH])
        first = _next_index()
        Sequence.objects.bulk_create(Sequence(index=first + i, entry_id=pk) for i, pk in enumerate(waiting))
        # By primary key, not by range: ids commit out of order, and a smaller one may appear later.
        Outbox.objects.filter(pk__in=waiting).delete()
        size = stored_size()
        rows = Sequence.objects.filter(index__gte=size).order_by("index")[:BATCH]
        hashes = [bytes(value) for value in rows.values_list("entry__leaf_hash", flat=True)]
        for (level, n), data in tiles.grow(read_tile, size, hashes).items():
            if not Tile.objects.filter(level=level, n=n).update(data=data):
                Tile.objects.create(level=level, n=n, data=data)
        return size + len(hashes)


def _publish(size: int) -> Checkpoint:
    """Steps 2 to 5."""
    node = tiles.Nodes(read_tile)
    guarded = head.last_signed()
    _refuse_fork(node, size, guarded)
    new = notes.TreeHead(settings.ASSAY_LOG_ORIGIN, size, merkle.root(node, size))
    signer = custody.log_signer()
    if guarded != new:
        head.swap(guarded, new)
    note = notes.sign(new.text(), signer)
    with transaction.atomic(durable=True):
        checkpoint = Checkpoint.objects.create(size=size, root=new.root, note=str(note))
    log.debug("checkpoint signed", size=size)
    return checkpoint


def _refuse_fork(node: merkle.Node, size: int, guarded: notes.TreeHead | None) -> None:
    """The new tree begins with the guarded one and with the newest stored one. Raises HeadMismatch."""
    newest = Checkpoint.objects.order_by("-size").first()
    if guarded is None:
        if newest is not None:
            raise HeadMismatch(MISSING.format(path=head.head_path(), size=newest.size))
        return
    if guarded.origin != settings.ASSAY_LOG_ORIGIN:
        raise HeadMismatch(f"The head guard is of the log {guarded.origin}; this log is {settings.ASSAY_LOG_ORIGIN}.")
    for known in [guarded] if newest is None else [guarded, _head_of(newest)]:
        if known.size > size:
            raise HeadMismatch(RESTORED.format(why=f"it has {size} entries, {known.size} were signed"))
        if merkle.root(node, known.size) != known.root:
            raise HeadMismatch(RESTORED.format(why=f"its first {known.size} entries are not those that were signed"))


def _head_of(checkpoint: Checkpoint) -> notes.TreeHead:
    return notes.parse_tree_head(notes.parse(checkpoint.note).text)
