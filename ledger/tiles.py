"""Tiles of the tree and bundles of entries, with their paths: C2SP tlog-tiles (https://c2sp.org/tlog-tiles). Pure.

A tile holds 1 … 256 hashes of 32 bytes. Tile (L, n) holds the hashes of the subtrees of 256^L leaves number
256·n … 256·n+255. An entry bundle holds the leaves of tile (0, n), each with a big-endian uint16 length before it.
"""

import hashlib
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from ledger.merkle import HASH_SIZE, node_hash

WIDTH = 256
HEIGHT = 8
MAX_ENTRY_BYTES = 65_535

# (level, n) -> the tile's bytes as far as stored. Raises KeyError when there is none.
ReadTile: TypeAlias = Callable[[int, int], bytes]

_PATH = re.compile(r"((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class BadTile(ValueError):
    """A tile, bundle or path that is not in canonical form."""


class Nodes:
    """The nodes of a tree, read from tiles; every hash that was folded once is kept (a `merkle.Node`)."""

    def __init__(self, read: ReadTile) -> None:
        self._read = read
        self._folded: dict[tuple[int, int], bytes] = {}
        self._tiles: dict[tuple[int, int], bytes] = {}

    def __call__(self, height: int, index: int) -> bytes:
        if height % HEIGHT == 0:
            return self._stored(height // HEIGHT, index)
        key = (height, index)
        if key not in self._folded:
            self._folded[key] = node_hash(self(height - 1, 2 * index), self(height - 1, 2 * index + 1))
        return self._folded[key]

    def _stored(self, level: int, index: int) -> bytes:
        n, place = divmod(index, WIDTH)
        if (level, n) not in self._tiles:
            self._tiles[level, n] = self._read(level, n)
        value = self._tiles[level, n][place * HASH_SIZE : (place + 1) * HASH_SIZE]
        if len(value) != HASH_SIZE:
            raise BadTile(f"tile {level}/{n} ends before its hash {place}")
        return value


def grow(read: ReadTile, size: int, leaf_hashes: Sequence[bytes]) -> dict[tuple[int, int], bytes]:
    """The tiles, whole and by (level, n), that change when `leaf_hashes` are appended to a tree of `size` leaves."""
    changed: dict[tuple[int, int], bytes] = {}
    level, start, new = 0, size, list(leaf_hashes)
    while new:
        n, place = divmod(start, WIDTH)
        data = read(level, n)[: place * HASH_SIZE] if place else b""
        carried = []
        while new:
            room = WIDTH - len(data) // HASH_SIZE
            data += b"".join(new[:room])
            new = new[room:]
            changed[level, n] = data
            if len(data) == WIDTH * HASH_SIZE:
                carried.append(fold(data))
                n, data = n + 1, b""
        level, start, new = level + 1, start // WIDTH, carried
    return changed


def fold(tile: bytes) -> bytes:
    """The hash of the perfect subtree over a full tile."""
    if len(tile) != WIDTH * HASH_SIZE:
        raise BadTile("only a full tile folds into one hash")
    # RFC 6962's node hash of each pair, written out: an audit does this a few times for each entry of the log.
    sha256, pair = hashlib.sha256, 2 * HASH_SIZE
    while len(tile) > HASH_SIZE:
        tile = b"".join([sha256(b"\x01" + tile[i : i + pair]).digest() for i in range(0, len(tile), pair)])
    return tile


def split_hashes(tile: bytes) -> list[bytes]:
    if not tile or len(tile) % HASH_SIZE or len(tile) > WIDTH * HASH_SIZE:
        raise BadTile("a tile holds 1 to 256 hashes of 32 bytes")
    return [tile[i : i + HASH_SIZE] for i in range(0, len(tile), HASH_SIZE)]


def width_of(level: int, n: int, size: int) -> int:
    """How many hashes tile (level, n) holds in a tree of `size` leaves, 0 … 256."""
    return max(0, min(WIDTH, (size >> (HEIGHT * level)) - n * WIDTH))


def bundle(leaves: Iterable[bytes]) -> bytes:
    """The entry bundle of 1 … 256 leaves. Raises BadTile for a leaf over 65,535 bytes."""
    parts = []
    for leaf in leaves:
        if len(leaf) > MAX_ENTRY_BYTES:
            raise BadTile("an entry of a bundle has at most 65,535 bytes")
        parts += [struct.pack(">H", len(leaf)), leaf]
    return b"".join(parts)


def split_bundle(data: bytes) -> list[bytes]:
    """The leaves of an entry bundle. Raises BadTile when it is cut short, empty or too long."""
    leaves, at = [], 0
    while at < len(data):
        if at + 2 > len(data):
            raise BadTile("the bundle ends inside a length")
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        if end > len(data):
            raise BadTile("the bundle ends inside an entry")
        leaves.append(data[at + 2 : end])
        at = end
    if not 0 < len(leaves) <= WIDTH:
        raise BadTile("a bundle holds 1 to 256 entries")
    return leaves


def path_of(n: int, width: int = WIDTH) -> str:
    """`<N>[.p/<W>]`: 1234067 is `x001/x234/067`."""
    if n < 0 or not 0 < width <= WIDTH:
        raise BadTile("a tile has an index from 0 and a width from 1 to 256")
    digits = str(n).zfill(-(-len(str(n)) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return path if width == WIDTH else f"{path}.p/{width}"


def parse_path(path: str) -> tuple[int, int]:
    """(n, width) of `<N>[.p/<W>]`. Raises BadTile for anything `path_of` would not write."""
    match = _PATH.fullmatch(path)
    if not match:
        raise BadTile(f"not a tile path: {path!r}")
    n, width = int(match[1].replace("x", "").replace("/", "")), int(match[2] or WIDTH)
    if (match[2] and width >= WIDTH) or n >= 1 << 63 or path_of(n, width) != path:
        raise BadTile(f"not a canonical tile path: {path!r}")
    return n, width
