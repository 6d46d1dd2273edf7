"""The audit of the log: everything derivable is derived again from the leaves, streaming, and compared.

Order: leaves and sequence, tiles, checkpoints and their signatures, the head guard, what waits, sealed sections.
"""

import base64
import datetime as dt
import hmac
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from core.canonical import NotCanonical, canonical_json
from ledger import custody, head, keys, log, merkle, notes, tiles, vault
from ledger.models import Checkpoint, Entry, Outbox, SealedSection, Sequence, Tile
from ledger.storedtree import stored_size

_CHUNK = 2000
_PATIENCE = 60.0
# Leaf and row of an entry are made one after the other.
_ONE_APPEND = dt.timedelta(minutes=1)


class Broken(Exception):
    """The first thing that does not agree with the leaves, in one line."""


@dataclass
class Audit:
    """What was checked. root: hex, of the newest checkpoint. erased: commitments without an opening."""

    entries: int = 0
    tiles: int = 0
    checkpoints: int = 0
    signed_size: int = 0
    root: str = ""
    waiting: int = 0
    sections: int = 0
    erased: int = 0


def check_log() -> Audit:
    """Raises Broken at the first break. Nothing is sequenced or signed meanwhile; appending goes on."""
    with head.only_one(wait=_PATIENCE) as alone:
        if not alone:
            raise Broken("another process has held the sequencer's lock for a minute")
        return _check()


def _check() -> Audit:
    audit = Audit()
    tree = _Tree(stored_size())
    heads = Checkpoint.objects.order_by("size").iterator(_CHUNK)
    awaited = next(heads, None)
    commitments, guard, guarded_root = 0, _guard(), merkle.EMPTY_ROOT
    for index, entry in _in_order():
        commitments += len(_check_leaf(index, entry))
        tree.add(bytes(entry.leaf_hash))
        if guard is not None and guard.size == tree.size:
            guarded_root = tree.root()
        if awaited is not None and awaited.size == tree.size:
            _check_checkpoint(awaited, tree.root(), audit)
            awaited = next(heads, None)
    if awaited is not None:
        raise Broken(f"checkpoint {awaited.size} covers more than the {tree.size} entries there are")
    audit.entries, audit.tiles = tree.size, tree.finish()
    _check_guard(guard, guarded_root, audit)
    audit.waiting = _check_waiting()
    audit.sections = _check_sections()
    audit.erased = commitments - audit.sections
    return audit


def _in_order() -> Iterator[tuple[int, Entry]]:
    rows = Sequence.objects.select_related("entry").order_by("index").iterator(_CHUNK)
    for expected, row in enumerate(rows):
        if row.index != expected:
            raise Broken(f"index {expected} is missing: the next one is {row.index}")
        yield expected, row.entry


def _check_leaf(index: int, entry: Entry) -> dict[str, str]:
    """The leaf's commitments. Raises Broken."""
    leaf = bytes(entry.leaf)
    if merkle.leaf_hash(leaf) != bytes(entry.leaf_hash):
        raise Broken(f"entry {index}: the leaf does not hash to its stored hash")
    try:
        fields = json.loads(leaf)
        canonical = canonical_json(fields) == leaf
    except (ValueError, NotCanonical) as error:
        raise Broken(f"entry {index}: the leaf is not canonical JSON") from error
    _check_time(index, entry, fields)
    if not canonical or not isinstance(fields, dict) or fields.get("type") != entry.type:
        raise Broken(f"entry {index}: the leaf is not canonical JSON of type {entry.type}")
    commitments: dict[str, str] = fields.get("commitments", {})
    return commitments


def _check_time(index: int, entry: Entry, fields: Any) -> None:
    """Exports choose by the column, so an entry with another time there would be missing from them."""
    stated = fields.get("ts") if isinstance(fields, dict) else None
    try:
        apart = abs(entry.created_at - dt.datetime.fromisoformat(str(stated)))
    except ValueError as error:
        raise Broken(f"entry {index}: the leaf states no time") from error
    if apart > _ONE_APPEND:
        raise Broken(f"entry {index}: its row says another time than its leaf")


def _check_checkpoint(checkpoint: Checkpoint, root: bytes, audit: Audit) -> None:
    size = checkpoint.size
    if bytes(checkpoint.root) != root:
        raise Broken(f"checkpoint {size}: its root is not that of the first {size} entries")
    try:
        signed = notes.open_checkpoint(checkpoint.note, settings.ASSAY_LOG_ORIGIN, [custody.log_verifier()])
    except notes.BadNote as error:
        raise Broken(f"checkpoint {size}: {error}") from error
    except (keys.KeyMissing, keys.BadKey) as error:
        raise Broken(f"the log's key: {error}") from error
    if (signed.size, signed.root) != (size, root):
        raise Broken(f"checkpoint {size}: the signed note is of size {signed.size} or of another root")
    audit.checkpoints, audit.signed_size, audit.root = audit.checkpoints + 1, size, root.hex()


def _guard() -> notes.TreeHead | None:
    try:
        return head.last_signed()
    except head.HeadMismatch as error:
        raise Broken(str(error)) from error


def _check_guard(guard: notes.TreeHead | None, root: bytes, audit: Audit) -> None:
    """`root` is that of the first `guard.size` entries, as derived."""
    if guard is None:
        if audit.checkpoints:
            raise Broken(f"the head guard {head.head_path()} is missing although checkpoints were signed")
        return
    if guard.size < audit.signed_size or guard.size > audit.entries:
        raise Broken(f"the head guard says {guard.size} entries were signed, the database has {audit.signed_size}")
    if guard.root != root:
        raise Broken(f"the head guard has another root for the first {guard.size} entries: another history was signed")


def _check_waiting() -> int:
    waiting = Outbox.objects.count()
    lost = Entry.objects.filter(sequence__isnull=True).exclude(pk__in=Outbox.objects.values("pk"))
    first = lost.order_by("pk").values_list("pk", flat=True).first()
    if first is not None:
        raise Broken(f"entry row {first} has no index and does not wait for one")
    if Outbox.objects.filter(entry__sequence__isnull=False).exists():
        raise Broken("an entry has an index and still waits for one")
    return waiting


def _check_sections() -> int:
    """How many sealed sections open to what their leaf committed to. Raises Broken."""
    opened = 0
    for section in SealedSection.objects.select_related("entry").order_by("pk").iterator(_CHUNK):
        where = f"section {section.name} of entry row {section.entry_id}"
        try:
            blob = vault.unseal(
                section.person, bytes(section.ciphertext), log.section_context(section.entry_id, section.name)
            )
        except vault.Erased:
            continue
        except (vault.VaultError, keys.KeyMissing, keys.BadKey) as error:
            raise Broken(f"{where}: {error}") from error
        made = log.commitment(blob[: log.SALT_BYTES], blob[log.SALT_BYTES :])
        stored = json.loads(bytes(section.entry.leaf)).get("commitments", {}).get(section.name, "")
        if not hmac.compare_digest(base64.b64decode(made), base64.b64decode(stored)):
            raise Broken(f"{where}: it does not open the commitment in the leaf")
        opened += 1
    return opened


class _Tree:
    """Tiles and root, built again leaf by leaf; a stored tile is compared when it must be full, the rest at the end."""

    def __init__(self, stored: int) -> None:
        self._stored = stored
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
        # Entries that have an index but no tile yet (the moment before a tick) are not compared with tiles.
        if self.size <= self._stored:
            self._place(0, leaf_hash)

    def finish(self) -> int:
        """Compare the partial tiles, and that there is no tile more. Returns how many tiles there are."""
        if self.size < self._stored:
            raise Broken(f"the tiles hold {self._stored} leaves, but there are {self.size} entries")
        for level, data in enumerate(self._open):
            if data:
                self._compare(level, self._counts[level], bytes(data))
        if Tile.objects.count() != self._compared:
            raise Broken(f"there are {Tile.objects.count()} tiles, the tree has {self._compared}")
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
        if stored is None or bytes(stored) != expected:
            raise Broken(f"tile {level}/{n} is {'missing' if stored is None else 'not that of the entries'}")
        self._compared += 1
