"""Proofs about the signed log, computed from its tiles."""

from core.problems import NotFound
from ledger import merkle, reading, tiles
from ledger.storedtree import read_tile


def nodes() -> tiles.Nodes:
    """The tree's nodes; pass one to several proofs to fold each tile only once."""
    return tiles.Nodes(read_tile)


def inclusion(index: int, size: int, node: merkle.Node | None = None) -> list[bytes]:
    """The path from leaf `index` to the root of the first `size` entries. Raises NotFound beyond what is signed."""
    if not 0 <= index < size <= reading.signed_size():
        raise NotFound("entry in the log")
    return merkle.inclusion(node or nodes(), index, size)


def consistency(old: int, new: int, node: merkle.Node | None = None) -> list[bytes]:
    """That the log of `new` entries begins with the log of `old`. Raises NotFound beyond what is signed."""
    if not 0 <= old <= new <= reading.signed_size():
        raise NotFound("tree size in the log")
    return merkle.consistency(node or nodes(), old, new)
