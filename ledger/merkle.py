"""The Merkle tree of RFC 6962 section 2.1, over any store of nodes. Pure: no Django, no input or output.

A `Node` function gives the hash of a perfect subtree: `node(height, i)` = MTH(D[i·2^height : (i+1)·2^height]).
Hashes are 32 bytes; indices are zero-based; a tree of size n has leaves 0 … n-1.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeAlias

HASH_SIZE = 32
# RFC 6962: the root of the empty tree is the hash of the empty string.
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node: TypeAlias = Callable[[int, int], bytes]


class ProofError(ValueError):
    """A proof that does not hold, in words."""


def leaf_hash(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(node: Node, size: int) -> bytes:
    """MTH(D[size])."""
    _require(size >= 0, "a tree has no negative size")
    return _subtree(node, 0, size) if size else EMPTY_ROOT


def inclusion(node: Node, index: int, size: int) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, from the leaf's sibling to the root's child."""
    _require(0 <= index < size, f"index {index} is outside a tree of {size}")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(node, middle, end))
            end = middle
        else:
            path.append(_subtree(node, start, middle))
            start = middle
    return path[::-1]


def consistency(node: Node, old: int, new: int) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty for old = 0 and old = new."""
    _require(0 <= old <= new, f"a tree of {new} has no earlier size {old}")
    if old in (0, new):
        return []
    proof, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            proof.append(_subtree(node, middle, end))
            end = middle
        else:
            proof.append(_subtree(node, start, middle))
            start, whole = middle, False
    # The subtree that ends at `old` is the old root itself, known to the verifier, unless we went right of it.
    return ([] if whole else [_subtree(node, start, end)]) + proof[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes) -> None:
    """RFC 9162 section 2.1.3.2. `leaf` is the leaf's hash. Raises ProofError."""
    _require_hashes([expected_root])
    value = root_from_inclusion(leaf, index, size, proof)
    _require(value == expected_root, "the inclusion proof leads to another root")


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that this inclusion path of a leaf's hash leads to. Raises ProofError when its length is wrong."""
    _require_hashes([leaf, *proof])
    _require(0 <= index < size, f"index {index} is outside a tree of {size}")
    position, last, value = index, size - 1, leaf
    for sibling in proof:
        _require(last > 0, "the inclusion proof is too long")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    _require(last == 0, "the inclusion proof is too short")
    return value


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """RFC 9162 section 2.1.4.2: the tree of `new` leaves begins with the tree of `old` leaves. Raises ProofError."""
    _require_hashes([old_root, new_root, *proof])
    _require(0 <= old <= new, f"a tree of {new} has no earlier size {old}")
    if old in (0, new):
        _require(not proof, "the consistency proof is too long")
        _require(old != new or old_root == new_root, "two roots for one size")
        _require(old != 0 or old_root == EMPTY_ROOT, "the root of the empty tree is wrong")
        return
    _require(bool(proof), "the consistency proof is too short")
    computed_old, computed_new = _fold_consistency(old, new, old_root, list(proof))
    _require(computed_old == old_root, "the consistency proof does not lead to the old root")
    _require(computed_new == new_root, "the consistency proof does not lead to the new root")


def _fold_consistency(old: int, new: int, old_root: bytes, proof: list[bytes]) -> tuple[bytes, bytes]:
    path = [old_root, *proof] if old & (old - 1) == 0 else proof
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    left = right = path[0]
    for value in path[1:]:
        _require(last > 0, "the consistency proof is too long")
        if position & 1 or position == last:
            left, right = node_hash(value, left), node_hash(value, right)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            right = node_hash(right, value)
        position, last = position >> 1, last >> 1
    _require(last == 0, "the consistency proof is too short")
    return left, right


class Frontier:
    """The roots of the perfect subtrees of a growing tree: its root at every size, in O(log n) memory."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, value: bytes, height: int = 0) -> None:
        """Append a leaf's hash, or that of a perfect subtree of 2^height leaves, of which the size is a multiple."""
        bits, rest = divmod(self.size, 1 << height)
        _require(rest == 0, "a subtree of this height does not fit here")
        while bits & 1:
            value, bits = node_hash(self._peaks.pop(), value), bits >> 1
        self._peaks.append(value)
        self.size += 1 << height

    def copy(self) -> "Frontier":
        """One that grows by itself from here on."""
        other = Frontier()
        other.size, other._peaks = self.size, list(self._peaks)
        return other

    def root(self, last: bytes = b"") -> bytes:
        """MTH of what was added; last: the hash of a subtree that follows it and ends the tree, if there is one."""
        if not self._peaks:
            return last or EMPTY_ROOT
        *peaks, value = (*self._peaks, last) if last else self._peaks
        for peak in reversed(peaks):
            value = node_hash(peak, value)
        return value


def range_spans(first: int, count: int, size: int) -> list[tuple[int, int]]:
    """[start, end) of the subtrees left and right of `count` leaves from `first` on, in order; none for no leaves.

    They are the largest that RFC 6962's recursion meets: with the leaves between them they give the root, so together
    they prove that these leaves, all of them, in this order, are number first … first + count - 1.
    """
    end = first + count
    _require(0 <= first <= end <= size, f"the range {first} to {end} is outside a tree of {size}")
    if not count:
        return []
    spans, at = [], 0
    while at < first:
        step = 1 << ((first - at).bit_length() - 1)
        spans.append((at, at + step))
        at += step
    at = end
    while at < size:
        stop = min(at + (at & -at), size)
        spans.append((at, stop))
        at = stop
    return spans


def range_proof(node: Node, first: int, count: int, size: int) -> list[bytes]:
    """The hashes of `range_spans`."""
    return [_subtree(node, start, end) for start, end in range_spans(first, count, size)]


class RangeFold:
    """The root that a range and its proof lead to, in O(log n) memory: `add` each leaf's hash, then ask for `root`."""

    def __init__(self, first: int, count: int, size: int, proof: Sequence[bytes]) -> None:
        spans = range_spans(first, count, size)
        _require(len(proof) == len(spans), f"the range proof has {len(proof)} hashes instead of {len(spans)}")
        _require_hashes(proof)
        self._end, self._tree = first + count, Frontier()
        self._right = [(start, end, value) for (start, end), value in zip(spans, proof, strict=True) if start >= first]
        for (start, end), value in zip(spans, proof, strict=True):
            if start < first:
                self._tree.add(value, (end - start).bit_length() - 1)

    def add(self, value: bytes) -> None:
        self._tree.add(value)

    def root(self) -> bytes:
        """Raises ProofError when not all leaves, or too many, were added."""
        _require(self._tree.size == self._end, "there are more or fewer entries than the range has")
        for start, end, value in self._right:
            width = end - start
            if width & (width - 1):  # the ragged right edge of the tree: nothing follows it
                return self._tree.root(value)
            self._tree.add(value, width.bit_length() - 1)
        return self._tree.root()


def range_inclusion(
    index: int, first: int, count: int, size: int, proof: Sequence[bytes], leaf_hashes: Iterator[bytes]
) -> list[bytes]:
    """PATH(index, D[size]) out of a range and its proof, in one pass over the hashes of the range's leaves."""
    _require(first <= index < first + count, f"index {index} is outside the range")
    outside = dict(zip(range_spans(first, count, size), proof, strict=True))
    path: list[bytes] = []

    def value(start: int, end: int) -> bytes:
        if (start, end) in outside:
            return outside[start, end]
        on_path = start <= index < end
        if not on_path and first <= start and end <= first + count:
            return root_of(islice(leaf_hashes, end - start))
        if end - start == 1:
            return next(leaf_hashes)
        middle = start + _split(end - start)
        left, right = value(start, middle), value(middle, end)
        if on_path:
            path.append(right if index < middle else left)
        return node_hash(left, right)

    value(0, size)
    return path


def root_of(leaf_hashes: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    frontier = Frontier()
    for value in leaf_hashes:
        frontier.add(value)
    return frontier.root()


def _split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _subtree(node: Node, start: int, end: int) -> bytes:
    size = end - start
    if size & (size - 1) == 0:
        height = size.bit_length() - 1
        return node(height, start >> height)
    middle = start + _split(size)
    return node_hash(_subtree(node, start, middle), _subtree(node, middle, end))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ProofError(otherwise)


def _require_hashes(hashes: Sequence[bytes]) -> None:
    _require(all(len(value) == HASH_SIZE for value in hashes), "a hash must have 32 bytes")
