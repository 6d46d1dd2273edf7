"""A published copy of a log, in a folder, a bucket or at an http(s) address, as C2SP tlog-tiles lays it out.

What is read here is only a copy: whoever uses it compares roots with a signed checkpoint.
"""

from collections.abc import Iterator
from pathlib import Path

from ledger import targets, tiles
from ledger.merkle import HASH_SIZE
from ledger.notes import MAX_NOTE_BYTES
from ledger.verify_source import Folder, Source, Unreadable, Web

__all__ = ["Mirror", "Unreadable"]

_MAX_TILE = tiles.WIDTH * HASH_SIZE
_MAX_BUNDLE = tiles.WIDTH * (2 + tiles.MAX_ENTRY_BYTES)


class Mirror:
    """where: a folder, `s3://bucket/prefix`, or an address such as `https://office.example/log`.

    Every method raises Unreadable for a file that is missing, too long or out of form; the message says which.
    """

    def __init__(self, where: str) -> None:
        self._source = _source(where)

    def checkpoint(self) -> str:
        """The newest checkpoint of the copy, its signatures not yet verified."""
        try:
            return self._read("checkpoint", MAX_NOTE_BYTES).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Unreadable("checkpoint: not UTF-8") from error

    def rotations(self) -> bytes:
        """The rotation statements (`bundleformat.join_notes`), nothing verified; empty when the copy has none."""
        return self._source.read("rotations", MAX_NOTE_BYTES) or b""

    def tile(self, size: int) -> tiles.ReadTile:
        """A reader of the tiles of the tree of `size` leaves."""

        def read(level: int, n: int) -> bytes:
            width = tiles.width_of(level, n, size)
            data = self._whole_or_part(f"tile/{level}", n, width, _MAX_TILE)[: width * HASH_SIZE]
            if len(data) != width * HASH_SIZE:
                raise Unreadable(f"tile/{level}/{tiles.path_of(n)}: it is too short")
            return data

        return read

    def bundles(self, start: int, size: int) -> Iterator[list[bytes]]:
        """Leaves `start` … `size - 1`, as many at a time as one entry bundle holds of them, at most 256."""
        for n in range(start // tiles.WIDTH, -(-size // tiles.WIDTH)):
            width = tiles.width_of(0, n, size)
            data = self._whole_or_part("tile/entries", n, width, _MAX_BUNDLE)
            try:
                found = tiles.split_bundle(data)[:width]
            except tiles.BadTile as error:
                raise Unreadable(f"tile/entries/{tiles.path_of(n)}: {error}") from error
            if len(found) != width:
                raise Unreadable(f"tile/entries/{tiles.path_of(n)}: it is too short")
            yield found[max(0, start - n * tiles.WIDTH) :]

    def _whole_or_part(self, folder: str, n: int, width: int, limit: int) -> bytes:
        """tlog-tiles: when the log has grown past it, a partial tile may be gone and the full one be there."""
        part = self._source.read(f"{folder}/{tiles.path_of(n, width)}", limit) if width < tiles.WIDTH else None
        return self._read(f"{folder}/{tiles.path_of(n)}", limit) if part is None else part

    def _read(self, path: str, limit: int) -> bytes:
        data = self._source.read(path, limit)
        if data is None:
            raise Unreadable(f"{path}: there is no such file in this copy")
        return data


class _Bucket:
    """A `Source` over the bucket that `manage.py publish_log` writes to."""

    def __init__(self, where: str) -> None:
        self._target = targets.target_for(where)

    def read(self, path: str, limit: int) -> bytes | None:
        try:
            data = self._target.read(path)
        except targets.Unreachable as error:
            raise Unreadable(f"{path}: {error}") from error
        if data is not None and len(data) > limit:
            raise Unreadable(f"{path} is larger than {limit} bytes")
        return data


def _source(where: str) -> Source:
    if where.startswith("s3://"):
        return _Bucket(where)
    return Web(where) if where.startswith(("https://", "http://")) else Folder(Path(where))
