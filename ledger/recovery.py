"""Recovery of a log whose database was restored from an older backup: the missing leaves come back from a published
copy (C2SP tlog-tiles), and only if they lead to exactly the head that was signed last.

The head guard knows that head; the copy's checkpoint must be it. All or nothing, in one transaction, streaming a
bundle of 256 leaves at a time. Nothing is signed here: the sequencer then agrees with the guard and signs on.

What waited for an index in the backup, and stands in the published log, gets its place there; whatever was appended
after the restore comes after it. What comes back are leaves: rows and sealed openings newer than the backup do not.
The public keys since the backup come back from the copy's rotation statements, if the log's own entries commit to them.
"""

import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from core.canonical import Json
from ledger import (
    alarms,
    erasures,
    head,
    log,
    merkle,
    models,
    notes,
    protection,
    rotation,
    sequencer,
    tiles,
    verify_checks,
)
from ledger.events import EventType
from ledger.mirror import Mirror, Unreadable
from ledger.models import Entry, LogKey, Outbox, Tile
from ledger.storedtree import read_tile, stored_size

# How long another process may hold the sequencer's lock, in seconds.
_PATIENCE = 10.0

# An entry does not say how long the old key signs beside the new one: then as long as `rotate_log_key` has it.
_OVERLAP = dt.timedelta(days=30)

_SUCCEEDED = (
    "The log of this backup has ended (`log:succeeded`), and no statement ties its successor's key to one that this"
    " backup knows. Restore a backup from after the succession. If there is none, this log has ended, too: begin one"
    " with a new origin (docs/formats.md, “Head guard”)."
)

# (leaves so far, leaves in all) -> None
Progress = Callable[[int, int], object]


class CannotRecover(RuntimeError):
    """Nothing was changed; the message says why and what to do."""


@dataclass
class Recovered:
    """had: how many leaves the database's tree held. size: how many it holds now. entries: rows added.

    waited: rows of the backup that waited and now have their published place. later: rows appended after the restore.
    """

    had: int
    size: int
    entries: int = 0
    waited: int = 0
    later: int = 0


def recover(source: str, *, adopt_head: bool = False, progress: Progress = lambda *_: None) -> Recovered:
    """Extend the log to the published head. source: folder or http(s) address.

    adopt_head: the operator vouches that the copy's checkpoint is the newest ever published (the guard is lost, too).
    Raises CannotRecover, head.HeadMismatch (guard damaged), mirror.Unreadable, keys.KeyMissing.
    """
    mirror = Mirror(source)
    with head.only_one(wait=_PATIENCE) as mine, sequencer.one_host() as ours:
        if not (mine and ours):
            raise CannotRecover("A sequencer is at work. Stop the office (`manage.py up`), then try again.")
        changes = _Rotations.read(mirror)
        target = _target(changes, adopt_head)
        with transaction.atomic(durable=True):
            done = _extend(mirror, target, changes, progress)
        if adopt_head:
            head.head_path().unlink(missing_ok=True)
            head.swap(None, target)
    alarms.clear("quorum")  # while the database was behind, no witness was asked; now they are, and a new hour begins
    return done


def _target(changes: "_Rotations", adopt_head: bool) -> notes.TreeHead:
    """The head to reach: signed by this log, and the one that the guard knows."""
    try:
        published = erasures.signed_head(changes.checkpoint, [step.new for _, step in changes.later])
    except notes.BadNote as error:
        origin = settings.ASSAY_LOG_ORIGIN
        raise CannotRecover(f"The copy's checkpoint is not one of the log {origin}: {error}.") from error
    if adopt_head:
        return published
    guarded = head.last_signed()
    if guarded is None:
        raise CannotRecover(
            f"The head guard {head.head_path()} is missing. Put it back; or, if you know that nothing newer than size"
            f" {published.size} was ever published, run this again with --adopt-head."
        )
    if published.size < guarded.size:
        raise CannotRecover(
            f"This copy ends at size {published.size}, but {guarded.size} were signed. Look for a newer copy: a mirror,"
            " the bucket, its older versions. If there is none, this log has ended: see docs/formats.md, “Head guard”."
        )
    if published != guarded:
        raise CannotRecover(
            f"This copy's checkpoint of size {published.size} is not what the head guard says was signed last (size"
            f" {guarded.size}). Either the guard is an older file, or two histories were signed. Find out which first."
        )
    return published


def _extend(mirror: Mirror, target: notes.TreeHead, changes: "_Rotations", progress: Progress) -> Recovered:
    done = Recovered(had=stored_size(), size=target.size)
    if done.had >= target.size:
        raise CannotRecover(f"The database holds {done.had} entries, the copy {target.size}: nothing is missing.")
    _check_beginning(mirror, target, done.had)
    waiting = _Waiting(done.had)
    size = done.had
    for leaves in mirror.bundles(size, target.size):
        changes.note(leaves)
        done.entries += _place(size, leaves, waiting)
        size += len(leaves)
        progress(size - done.had, target.size - done.had)
    if merkle.root(tiles.Nodes(read_tile), size) != target.root:
        raise CannotRecover("The copy's entries do not lead to the root of its checkpoint: it is damaged.")
    changes.restore(target.size)
    done.waited, done.later = waiting.placed, waiting.put_after(size)
    # On record, for every later reader: these leaves came back without the rows and openings that belong to them.
    facts: dict[str, Json] = {"first": done.had, "size": done.size, "entries": done.entries}
    log.append(EventType.LOG_RECOVERED, actor="system", role="operator", facts=facts)
    return done


def _check_beginning(mirror: Mirror, target: notes.TreeHead, had: int) -> None:
    """Before anything is read at length: the copy's tiles lead to its root, and begin with what the database has."""
    copied = tiles.Nodes(mirror.tile(target.size))
    if merkle.root(copied, target.size) != target.root:
        raise CannotRecover("The copy's tiles do not lead to the root of its checkpoint: it is damaged.")
    if merkle.root(copied, had) != merkle.root(tiles.Nodes(read_tile), had):
        raise CannotRecover(
            f"The first {had} entries of this database are not those that were published. It is another log's, or it"
            " went on after the restore. Restore the backup again, and run this before anything else."
        )


@dataclass
class _Waiting:
    """The rows without a signed place, in the order they came: leaf hash → row id."""

    had: int
    placed: int = 0
    _rows: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unsigned = models.Sequence.objects.filter(index__gte=self.had).order_by("index")
        sequenced = list(unsigned.values_list("entry__leaf_hash", "entry_id"))
        waiting = Outbox.objects.order_by("pk").values_list("entry__leaf_hash", "entry_id")
        self._rows = {bytes(value): pk for value, pk in (*sequenced, *waiting)}
        if sequenced:
            _take_back(unsigned)
        self._outbox = {pk for _, pk in waiting}

    def take(self, leaf_hash: bytes) -> int | None:
        """The row that waited with this leaf, if there is one."""
        pk = self._rows.pop(leaf_hash, None)
        self.placed += pk is not None
        return pk

    def put_after(self, size: int) -> int:
        """Those that were never published come next: on SQLite at once, on PostgreSQL when they are sequenced."""
        rest = list(self._rows.values())
        if connection.vendor == "sqlite":
            places = [models.Sequence(index=size + n, entry_id=pk) for n, pk in enumerate(rest)]
            models.Sequence.objects.bulk_create(places)
            Outbox.objects.filter(pk__in=rest).delete()
        else:
            Outbox.objects.bulk_create(Outbox(entry_id=pk) for pk in rest if pk not in self._outbox)
        return len(rest)


def _take_back(unsigned: "QuerySet[models.Sequence]") -> None:
    """SQLite gives an index in the caller's transaction. One that no checkpoint covers was promised to nobody, and the
    published log gave it to another entry: the only rows of the log that are ever taken back.
    """
    protection.unprotect(connection)
    unsigned.delete()
    protection.protect(connection)


def _place(size: int, leaves: Sequence[bytes], waiting: _Waiting) -> int:
    """Rows, indices and tiles of the next leaves. Returns how many rows are new."""
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    rows = {n: pk for n, value in enumerate(hashes) if (pk := waiting.take(value)) is not None}
    missing = [n for n in range(len(leaves)) if n not in rows]
    made = Entry.objects.bulk_create(_entry(leaves[n], hashes[n]) for n in missing)
    rows |= {n: entry.pk for n, entry in zip(missing, made, strict=True)}
    Outbox.objects.filter(pk__in=rows.values()).delete()
    models.Sequence.objects.bulk_create(models.Sequence(index=size + n, entry_id=rows[n]) for n in sorted(rows))
    for (level, n), data in tiles.grow(read_tile, size, hashes).items():
        if not Tile.objects.filter(level=level, n=n).update(data=data):
            Tile.objects.create(level=level, n=n, data=data)
    return len(made)


@dataclass
class _Rotations:
    """How the log's key changed after the backup. checkpoint: of the copy. later: statements that lead forward from the
    newest key of the database. committed: when the log recorded which statement (SHA-256, hex).
    """

    checkpoint: str
    later: list[tuple[str, verify_checks.Rotation]]
    committed: dict[str, dt.datetime] = field(default_factory=dict)

    @classmethod
    def read(cls, mirror: Mirror) -> "_Rotations":
        origins = set(LogKey.objects.values_list("origin", flat=True))
        if origins and settings.ASSAY_LOG_ORIGIN not in origins:
            raise CannotRecover(_SUCCEEDED)
        try:
            return cls(mirror.checkpoint(), rotation.follow(mirror.rotations()))
        except ValueError as error:
            raise CannotRecover(f"The copy's rotation statements cannot be used: {error}.") from error

    def note(self, leaves: Sequence[bytes]) -> None:
        """What these leaves say about keys."""
        for leaf in leaves:
            if b'"key:rotated"' in leaf or b'"log:succeeded"' in leaf:
                row = _entry(leaf, b"")
                if row.type == EventType.LOG_SUCCEEDED:
                    raise CannotRecover(_SUCCEEDED)
                if row.type == EventType.KEY_ROTATED:
                    self.committed[str(json.loads(leaf)["facts"]["statement"])] = row.created_at

    def restore(self, size: int) -> None:
        """The rows of the keys, once the leaves were found to lead to the signed root of `size` leaves."""
        known = {rotation.sha256(text) for text in LogKey.objects.values_list("rotation", flat=True) if text}
        if missing := set(self.committed) - known - {rotation.sha256(text) for text, _ in self.later}:
            raise CannotRecover(
                f"The log's key changed after the backup, but the copy's file `rotations` lacks the statement"
                f" {min(missing)}. Take a copy that has it: a mirror's, an export's, or /log/rotations."
            )
        signers = {(line.name, line.key_id) for line in notes.parse(self.checkpoint).signatures}
        for text, step in self.later:
            at = self.committed.get(rotation.sha256(text))
            if at is None:
                break  # published before the log recorded it, which it never did: that key signed nothing
            overlaps = (step.old.name, step.old.key_id) in signers
            old, _ = LogKey.objects.get_or_create(vkey=step.old.vkey, defaults={"origin": step.old.name, "since": 0})
            old.retires_at, old.until = (at + _OVERLAP, None) if overlaps else (at, size)
            old.save(update_fields=["retires_at", "until"])
            LogKey.objects.create(origin=step.new.name, vkey=step.new.vkey, since=step.size, rotation=text)
        try:
            erasures.signed_head(self.checkpoint)
        except notes.BadNote as error:
            raise CannotRecover(f"No entry of the log commits to the key of the copy's checkpoint: {error}.") from error


def _entry(leaf: bytes, leaf_hash: bytes) -> Entry:
    """The columns beside a leaf say what it says."""
    try:
        fields = json.loads(leaf)
        at = dt.datetime.fromisoformat(fields["ts"])
        return Entry(leaf=leaf, leaf_hash=leaf_hash, type=str(fields["type"]), created_at=at)
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"a leaf of the copy cannot be read: {error}") from error
