"""Proofs about the signed log, computed from its tiles. Folded tiles are shared by all requests of the process."""

from core.problems import NotFound
from ledger import foldedtiles, merkle, reading
from ledger.storedtree import read_tiles

_cache = foldedtiles.Cache()


def nodes(size: int | None = None) -> foldedtiles.Nodes:
    """The nodes of the tree of `size` leaves, a signed size, by default the newest; pass one to several proofs."""
    return foldedtiles.Nodes(read_tiles, reading.signed_size() if size is None else size, _cache)


def forget() -> None:
    """Drop every folded tile: for tests, and for whoever replaced the database under a running process."""
    _cache.clear()


def inclusion(index: int, size: int) -> list[bytes]:
    """The path from leaf `index` to the root of the first `size` entries. Raises NotFound beyond what is signed."""
    if not 0 <= index < size <= reading.signed_size():
        raise NotFound("entry in the log")
    return path_to_root(index, nodes(size))


def path_to_root(index: int, node: foldedtiles.Nodes) -> list[bytes]:
    """The inclusion path of leaf `index` in the tree that `node` was made for, a signed one."""
    node.load_path(index)
    return merkle.inclusion(node, index, node.size)


def consistency(old: int, new: int, node: merkle.Node | None = None) -> list[bytes]:
    """That the log of `new` entries begins with the log of `old`. Raises NotFound beyond what is signed."""
    if not 0 <= old <= new <= reading.signed_size():
        raise NotFound("tree size in the log")
    return merkle.consistency(node or nodes(new), old, new)
