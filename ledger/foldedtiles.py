"""Tiles with their inner nodes, folded once and shared by every proof of a process. Pure.

What is kept is immutable: a full tile never changes, and the first W hashes of a partial one never change either, so
(level, n, width) names one content for ever. Only tiles below a signed size are asked for.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import TypeAlias

from ledger import tiles
from ledger.merkle import HASH_SIZE

# (level, n, width): which tile, and how many of its hashes are below the signed size.
Key: TypeAlias = tuple[int, int, int]
# The tiles (level, n) as far as stored, in one go; those that are not there are left out.
ReadTiles: TypeAlias = Callable[[Iterable[tuple[int, int]]], Mapping[tuple[int, int], bytes]]

# A full tile takes 16 KiB with its inner nodes; a tree of 10^6 entries has 4,000, of which proofs ask for few often.
_MAX_FULL = 1024
# At most one partial tile a level for each size that is asked about.
_MAX_PARTIAL = 64


class Folded:
    """The hashes of one tile and every perfect subtree over them, by height above the tile's own level."""

    __slots__ = ("_rows",)

    def __init__(self, hashes: bytes) -> None:
        sha256, pair = hashlib.sha256, 2 * HASH_SIZE
        rows = [hashes]
        while len(rows[-1]) >= pair:
            row = rows[-1]
            whole = len(row) - len(row) % pair
            # RFC 6962 node hashes, as `merkle.node_hash`, without a call for each of 255.
            rows.append(b"".join([sha256(b"\x01" + row[i : i + pair]).digest() for i in range(0, whole, pair)]))
        self._rows = rows

    def node(self, height: int, place: int) -> bytes:
        """The hash of the perfect subtree number `place` of 2^height hashes. Raises tiles.BadTile beyond the width."""
        row = self._rows[height] if height < len(self._rows) else b""
        value = row[place * HASH_SIZE : (place + 1) * HASH_SIZE]
        if len(value) != HASH_SIZE:
            raise tiles.BadTile("the tile ends before this node")
        return value


class Cache:
    """The most recently used folded tiles, for all threads of a process; at most some 16 MiB."""

    def __init__(self, max_full: int = _MAX_FULL, max_partial: int = _MAX_PARTIAL) -> None:
        self._lock = Lock()
        self._full: OrderedDict[Key, Folded] = OrderedDict()
        self._partial: OrderedDict[Key, Folded] = OrderedDict()
        self._limits = max_full, max_partial

    def get(self, key: Key) -> Folded | None:
        shelf = self._shelf(key)
        with self._lock:
            found = shelf.get(key)
            if found is not None:
                shelf.move_to_end(key)
            return found

    def put(self, key: Key, folded: Folded) -> None:
        shelf, limit = self._shelf(key), self._limits[key[2] < tiles.WIDTH]
        with self._lock:
            shelf[key] = folded
            while len(shelf) > limit:
                shelf.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._full.clear()
            self._partial.clear()

    def __len__(self) -> int:
        return len(self._full) + len(self._partial)

    def _shelf(self, key: Key) -> OrderedDict[Key, Folded]:
        return self._full if key[2] == tiles.WIDTH else self._partial


class Nodes:
    """The nodes of a tree of `size` leaves (a `merkle.Node`); every tile is read and folded once, then shared."""

    def __init__(self, read: ReadTiles, size: int, cache: Cache) -> None:
        self.size = size
        self._read, self._cache = read, cache
        self._mine: dict[tuple[int, int], Folded] = {}

    def __call__(self, height: int, index: int) -> bytes:
        level, above = divmod(height, tiles.HEIGHT)
        shift = tiles.HEIGHT - above
        at = level, index >> shift
        if at not in self._mine:
            self.load([at])
        return self._mine[at].node(above, index & ((1 << shift) - 1))

    def load_path(self, index: int) -> None:
        """Read what an inclusion proof of this leaf needs, at once: its tile and the last one, of each level."""
        wanted, level = [], 0
        while (width := self.size >> (tiles.HEIGHT * level)) > 0:
            own, last = index >> (tiles.HEIGHT * (level + 1)), (width - 1) // tiles.WIDTH
            wanted += [(level, own)] if own <= last else []
            # A full last tile is a hash of the level above; its own hashes are not asked for.
            wanted += [(level, last)] if last != own and width % tiles.WIDTH else []
            level += 1
        self.load(wanted)

    def load(self, places: Iterable[tuple[int, int]]) -> None:
        """Have these tiles (level, n) at hand, the missing ones by one read. Raises KeyError, tiles.BadTile."""
        missing = {}
        for level, n in places:
            width = tiles.width_of(level, n, self.size)
            if width == 0:
                raise KeyError(f"tile {level}/{n}")
            folded = self._cache.get((level, n, width))
            if folded is None:
                missing[level, n] = width
            else:
                self._mine[level, n] = folded
        if missing:
            self._fold(missing, self._read(missing))

    def _fold(self, widths: Mapping[tuple[int, int], int], stored: Mapping[tuple[int, int], bytes]) -> None:
        for (level, n), width in widths.items():
            data = stored[level, n][: width * HASH_SIZE]
            if len(data) != width * HASH_SIZE:
                raise tiles.BadTile(f"tile {level}/{n} ends before its hash {width}")
            self._mine[level, n] = folded = Folded(data)
            self._cache.put((level, n, width), folded)
