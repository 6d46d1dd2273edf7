"""The audit of the log: everything derivable is derived again from the leaves, streaming, and compared.

It takes no lock: it reads, in this order, what was signed, what the guard holds and how far the tiles reach. Each is
never more than the next, and nothing below that size ever changes again, so appending, sequencing and signing go on
meanwhile. Memory grows with the number of erased sections only.

What no audit of one database can know: whether a checkpoint that was signed is missing here between two others (its
witnesses and holders know), and what was never written down.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection
from django.db.models import Count, Max, Sum
from django.db.models.functions import Length

from ledger import (
    alarms,
    custody,
    head,
    jcs,
    keys,
    merkle,
    notes,
    protection,
    rotation,
    sequencer,
    succession,
    tiles,
    tlogpolicy,
)
from ledger.auditsections import Committed, Sections
from ledger.broken import Broken
from ledger.models import Change, Checkpoint, Cosignature, Entry, Outbox, Sequence, Tile
from ledger.policyfile import office_policy
from ledger.storedtree import stored_size

__all__ = ["Audit", "Broken", "check_log"]

CHUNK: Final = 2000
# Leaf and row of an entry are made one after the other.
_ONE_APPEND = dt.timedelta(minutes=1)

Progress = Callable[[int, int], object]


@dataclass
class Audit:
    """What was checked. root: hex, of the newest checkpoint. erased: commitments without an opening.

    unchecked: sentences about what could not be checked, and why.
    """

    entries: int = 0
    tiles: int = 0
    checkpoints: int = 0
    cosignatures: int = 0
    signed_size: int = 0
    root: str = ""
    waiting: int = 0
    changes: int = 0
    sections: int = 0
    erased: int = 0
    alarms: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def check_log(progress: Progress = lambda done, total: None) -> Audit:
    """Raises Broken at the first break; keys.KeyStoreAway when it cannot be checked now, which says nothing about the
    log. progress: called with (entries done, entries there are).
    """
    signed = Checkpoint.objects.aggregate(size=Max("size"))["size"] or 0
    guard, size = _guard(), stored_size()
    audit, tree, sections = Audit(signed_size=signed), _Tree(), Sections()
    heads = _Heads(audit, guard)
    for start in range(0, size, CHUNK):
        end = min(start + CHUNK, size)
        heads.await_between(start, end, signed)
        entries = [_check_leaf(*row) for row in _rows(start, end)]
        for entry in entries:
            tree.add(entry.leaf_hash)
            heads.arrive(tree)
        sections.check(entries)
        progress(tree.size, size)
    audit.entries, audit.tiles = tree.size, tree.finish()
    heads.finish(tree.size)
    sections.explain(audit.unchecked)
    audit.sections, audit.erased = sections.opened, sections.gone
    audit.waiting = _check_waiting(audit.unchecked)
    audit.changes, audit.alarms = Change.objects.count(), [alarm.kind for alarm in alarms.open_alarms()]
    _check_triggers()
    return audit


# --- Leaves ----------------------------------------------------------------------------------------------------------

# Index, row id, leaf, leaf hash, type, time of the row.
Row = tuple[int, int, bytes, bytes, str, dt.datetime]


def _rows(start: int, end: int) -> list[Row]:
    """The entries with an index in [start, end). Raises Broken when one is missing."""
    columns = ("index", "entry_id", "entry__leaf", "entry__leaf_hash", "entry__type", "entry__created_at")
    found = Sequence.objects.filter(index__gte=start, index__lt=end).order_by("index").values_list(*columns)
    rows = [(index, pk, bytes(leaf), bytes(hashed), type, at) for index, pk, leaf, hashed, type, at in found]
    for expected, row in enumerate(rows, start):
        if row[0] != expected:
            raise Broken(f"index {expected} is missing: the next one is {row[0]}")
    if len(rows) < end - start:
        raise Broken(f"index {start + len(rows)} is missing, but the tiles hold {end} leaves or more")
    return rows


def _check_leaf(index: int, pk: int, leaf: bytes, leaf_hash: bytes, type: str, at: dt.datetime) -> Committed:
    """Raises Broken."""
    if merkle.leaf_hash(leaf) != leaf_hash:
        raise Broken(f"entry {index}: the leaf does not hash to its stored hash")
    try:
        fields = jcs.decode(leaf)
    except jcs.NotCanonical as error:
        raise Broken(f"entry {index}: the leaf is not canonical JSON") from error
    if not isinstance(fields, dict) or fields.get("type") != type:
        raise Broken(f"entry {index}: the leaf is not one of type {type}")
    _check_time(index, at, fields.get("ts"))
    commitments = fields.get("commitments", {})
    if not isinstance(commitments, dict) or not all(isinstance(value, str) for value in commitments.values()):
        raise Broken(f"entry {index}: the commitments of the leaf are not an object of strings")
    return Committed(index, pk, leaf_hash, commitments)


def _check_time(index: int, at: dt.datetime, stated: Any) -> None:
    """Exports choose by the column, so an entry with another time there would be missing from them."""
    try:
        apart = abs(at - dt.datetime.fromisoformat(str(stated)))
    except (ValueError, TypeError) as error:
        raise Broken(f"entry {index}: the leaf states no time") from error
    if apart > _ONE_APPEND:
        raise Broken(f"entry {index}: its row says another time than its leaf")


def _check_waiting(unchecked: list[str]) -> int:
    """How many entries wait for an index; each statement sees one state of the database."""
    lost = Entry.objects.filter(sequence__isnull=True).exclude(pk__in=Outbox.objects.values("pk"))
    refused = []
    for pk, leaf, leaf_hash in lost.order_by("pk").values_list("pk", "leaf", "leaf_hash").iterator(CHUNK):
        if sequencer.is_sound(bytes(leaf), bytes(leaf_hash)):
            raise Broken(f"entry row {pk} has no index and does not wait for one")
        refused.append(pk)
    if refused:
        unchecked.append(sequencer.not_ours(refused))
    if Outbox.objects.filter(entry__sequence__isnull=False).exists():
        raise Broken("an entry has an index and still waits for one")
    return Outbox.objects.count()


def _check_triggers() -> None:
    missing = protection.missing(connection)
    if missing:
        raise Broken(
            f"the database does not guard the log: {len(missing)} triggers are missing or switched off, the first is"
            f" {missing[0]}. Run `manage.py migrate`, which makes them again, and find out who took them away"
        )


# --- What was signed -------------------------------------------------------------------------------------------------


class _Heads:
    """The checkpoints and the head guard, each compared when the tree has grown to its size."""

    def __init__(self, audit: Audit, guard: notes.TreeHead | None) -> None:
        self._audit = audit
        self._guard = guard
        self._guarded_root = merkle.EMPTY_ROOT
        self._keys = _key_times()
        self._witnesses = _witnesses(audit.unchecked)
        self._awaited: dict[int, Checkpoint] = {}
        self._cosigned: dict[int, list[Cosignature]] = {}
        self._strangers = 0

    def await_between(self, above: int, end: int, signed: int) -> None:
        """Read the checkpoints of sizes in (above, end], none above `signed`."""
        heads = Checkpoint.objects.filter(size__gt=above, size__lte=min(end, signed))
        self._awaited = {row.size: row for row in heads}
        self._cosigned = {}
        for line in Cosignature.objects.filter(checkpoint__gt=above, checkpoint__lte=min(end, signed)).order_by("pk"):
            self._cosigned.setdefault(line.checkpoint_id, []).append(line)

    def arrive(self, tree: "_Tree") -> None:
        if self._guard is not None and self._guard.size == tree.size:
            self._guarded_root = tree.root()
        if tree.size in self._awaited:
            self._check(self._awaited.pop(tree.size), tree.root())

    def finish(self, size: int) -> None:
        audit = self._audit
        if audit.signed_size > size:
            raise Broken(f"checkpoint {audit.signed_size} covers more than the {size} entries there are")
        self._check_guard(size)
        if self._strangers:
            audit.unchecked.append(f"{self._strangers} cosignatures are by witnesses the policy file does not name.")

    def _check(self, checkpoint: Checkpoint, root: bytes) -> None:
        size = checkpoint.size
        if bytes(checkpoint.root) != root:
            raise Broken(f"checkpoint {size}: its root is not that of the first {size} entries")
        try:
            signed = custody.open_old_checkpoint(checkpoint.note, self._keys)
        except notes.BadNote as error:
            raise Broken(f"checkpoint {size}: {error}") from error
        if (signed.size, signed.root) != (size, root):
            raise Broken(f"checkpoint {size}: the signed note is of size {signed.size} or of another root")
        self._audit.checkpoints, self._audit.root = self._audit.checkpoints + 1, root.hex()
        for line in self._cosigned.get(size, ()):
            self._check_cosignature(line, notes.parse(checkpoint.note).text)

    def _check_cosignature(self, row: Cosignature, text: str) -> None:
        where = f"checkpoint {row.checkpoint_id}: the cosignature by {row.name}"
        if self._witnesses is None:
            return
        verifier = self._witnesses.get((row.name, row.key_id))
        if verifier is None:
            self._strangers += 1
            return
        try:
            signature = notes.parse_signature(row.line)
        except notes.BadNote as error:
            raise Broken(f"{where}: {error}") from error
        said = (signature.name, signature.key_id, int.from_bytes(signature.signature[:8], "big"))
        if said != (row.name, row.key_id, row.timestamp) or not verifier.verifies(text.encode(), signature.signature):
            raise Broken(f"{where} is not of this checkpoint")
        self._audit.cosignatures += 1

    def _check_guard(self, size: int) -> None:
        guard, audit = self._guard, self._audit
        if guard is None:
            if audit.checkpoints:
                raise Broken(f"the head guard {head.head_path()} is missing although checkpoints were signed")
            return
        if guard.size < audit.signed_size or guard.size > size:
            raise Broken(f"the head guard says {guard.size} entries were signed, the database has {audit.signed_size}")
        if guard.root != self._guarded_root:
            raise Broken(
                f"the head guard has another root for the first {guard.size} entries: another history was signed"
            )


def _guard() -> notes.TreeHead | None:
    try:
        return head.last_signed()
    except head.HeadMismatch as error:
        raise Broken(str(error)) from error


def _key_times() -> list[custody.KeyTime]:
    try:
        wrong = rotation.broken_history() or succession.broken_history()
        if wrong:
            raise Broken(wrong)
        return custody.key_times()
    except keys.KeyStoreAway:
        raise
    except (keys.KeyMissing, keys.BadKey) as error:
        raise Broken(f"the log's key: {error}") from error


def _witnesses(unchecked: list[str]) -> dict[tuple[str, int], keys.WitnessVerifier] | None:
    """None when the policy file cannot be used: a mistake in it says nothing about the log."""
    try:
        known = [witness.verifier for witness in office_policy().witnesses.values()]
    except tlogpolicy.BadPolicy as error:
        unchecked.append(f"No cosignature: {error}.")
        return None
    return {(verifier.name, verifier.key_id): verifier for verifier in known}


# --- Tiles -----------------------------------------------------------------------------------------------------------


class _Tree:
    """Tiles and root, built again leaf by leaf. A stored tile is compared when it must be full, the rest at the end,
    where a stored one may have grown meanwhile.
    """

    def __init__(self) -> None:
        self._frontier = merkle.Frontier()
        self._open: list[bytearray] = []
        self._counts: list[int] = []
        self._compared = 0

    @property
    def size(self) -> int:
        return self._frontier.size

    def root(self) -> bytes:
        return self._frontier.root()

    def add(self, leaf_hash: bytes) -> None:
        self._frontier.add(leaf_hash)
        self._place(0, leaf_hash)

    def finish(self) -> int:
        """Compare the partial tiles, and that there is no tile more than they call for. Returns how many were."""
        for level, data in enumerate(self._open):
            if data:
                self._compare(level, self._counts[level], bytes(data))
        self._check_shape()
        return self._compared

    def _place(self, level: int, value: bytes) -> None:
        if level == len(self._open):
            self._open.append(bytearray())
            self._counts.append(0)
        data = self._open[level]
        data += value
        if len(data) == tiles.WIDTH * merkle.HASH_SIZE:
            self._compare(level, self._counts[level], bytes(data))
            self._counts[level] += 1
            self._open[level] = bytearray()
            self._place(level + 1, tiles.fold(bytes(data)))

    def _compare(self, level: int, n: int, expected: bytes) -> None:
        stored = Tile.objects.filter(level=level, n=n).values_list("data", flat=True).first()
        if stored is None or not bytes(stored).startswith(expected):
            raise Broken(f"tile {level}/{n} is {'missing' if stored is None else 'not that of the entries'}")
        self._compared += 1

    def _check_shape(self) -> None:
        """Each level holds as many hashes as the one below has full tiles. One statement: one state of the database."""
        levels = Tile.objects.values("level").annotate(count=Count("id"), last=Max("n"), held=Sum(Length("data")))
        shape = {row["level"]: (row["count"], row["last"] + 1, row["held"]) for row in levels}
        hashes, level = shape.get(0, (0, 0, 0))[2] // merkle.HASH_SIZE, 0
        while hashes:
            needed = -(-hashes // tiles.WIDTH)
            if shape.pop(level, None) != (needed, needed, hashes * merkle.HASH_SIZE):
                raise Broken(f"level {level} of the tiles is not that of one tree")
            hashes, level = hashes // tiles.WIDTH, level + 1
        if shape:
            raise Broken(f"there are tiles of level {max(shape)}, which no tree of this size has")
