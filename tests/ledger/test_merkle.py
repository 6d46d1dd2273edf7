"""The tree against RFC 6962's own recursive definition, its published vectors, and mutations of every proof."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle, tiles

# Leaves and roots of the certificate-transparency reference tests (merkletree, RFC 6962).
LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
# (index, size) and (old, new) -> the published proofs, in hex.
_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = {
    (0, 1): [],
    (0, 8): [_A, _B, _C],
    (5, 8): [_D, _E, ROOTS[4]],
    (2, 3): [ROOTS[2]],
    (1, 5): [ROOTS[1], _B, _D],
}
CONSISTENCY = {(1, 1): [], (1, 8): [_A, _B, _C], (6, 8): [_F, _E, ROOTS[4]], (2, 5): [_B, _D]}


def reference_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


def tree(size: int) -> tuple[list[bytes], list[bytes], tiles.Nodes]:
    leaves = [str(n).encode() for n in range(size)]
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves]
    stored = tiles.grow(lambda level, n: b"", 0, hashes)
    return leaves, hashes, tiles.Nodes(lambda level, n: stored[level, n])


sizes = st.one_of(st.integers(1, 40), st.integers(250, 264), st.integers(500, 800))


@pytest.mark.parametrize("size", ROOTS)
def test_published_roots_come_out(size: int) -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert merkle.root_of(hashes).hex() == ROOTS[size]


def published_tree(size: int) -> tuple[list[bytes], tiles.Nodes]:
    hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    stored = tiles.grow(lambda level, n: b"", 0, hashes)
    return hashes, tiles.Nodes(lambda level, n: stored[level, n])


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_published_inclusion_proofs_come_out_and_hold(index: int, size: int) -> None:
    hashes, node = published_tree(size)
    proof = merkle.inclusion(node, index, size)
    assert [value.hex() for value in proof] == INCLUSION[index, size]
    merkle.verify_inclusion(hashes[index], index, size, proof, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_proofs_come_out_and_hold(old: int, new: int) -> None:
    _, node = published_tree(new)
    proof = merkle.consistency(node, old, new)
    assert [value.hex() for value in proof] == CONSISTENCY[old, new]
    merkle.verify_consistency(old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof)


def test_the_published_wrong_statements_are_refused() -> None:
    """The probes of the certificate-transparency tests: each statement about the tree of 8, wrong in one thing."""
    hashes, node = published_tree(8)
    root, empty, other = bytes.fromhex(ROOTS[8]), merkle.EMPTY_ROOT, merkle.leaf_hash(b"other")
    for index, size in [(i, n) for n in range(1, 9) for i in range(n)]:
        proof, right = merkle.inclusion(node, index, size), bytes.fromhex(ROOTS[size])
        statements = [
            (index - 1, size, proof, right), (index + 1, size, proof, right), (index ^ 2, size, proof, right),
            (index, size * 2, proof, right), (index, size // 2, proof, right), (index, size, proof, other),
            (index, size, proof, empty), (index, size, [*proof, right], right), (index, size, [right, *proof], right),
            (index, size, [*proof, b""], right), (index, size, [b"", *proof], right), (index, size, proof, right[:31]),
        ]  # fmt: skip
        statements += [(index, size, proof[:-1], right), (index, size, proof[1:], right)] if proof else []
        for at, of, path, expected in statements:
            with pytest.raises(merkle.ProofError):
                merkle.verify_inclusion(hashes[index], at, of, path, expected)
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(hashes[0], 0, 0, [], root)


def test_consistency_at_the_edges_zero_equal_and_powers_of_two() -> None:
    _, node = published_tree(8)
    root = {size: bytes.fromhex(hashed) for size, hashed in ROOTS.items()}
    for size in range(9):
        merkle.verify_consistency(0, root[0], size, root[size], [])
        merkle.verify_consistency(size, root[size], size, root[size], [])
    for old in (1, 2, 4):  # the old root itself is not in the proof: the verifier has it
        proof = merkle.consistency(node, old, 8)
        assert root[old] not in proof
        merkle.verify_consistency(old, root[old], 8, root[8], proof)
    wrong = [
        (0, root[0], 8, root[8], [root[4]]), (0, root[1], 8, root[8], []), (8, root[8], 8, root[4], []),
        (8, root[8], 8, root[8], [root[8]]), (8, root[8], 7, root[7], []), (-1, root[0], 8, root[8], []),
        (4, root[4], 8, root[8], []), (4, root[2], 8, root[8], merkle.consistency(node, 4, 8)),
        (4, root[4], 8, root[8], [*merkle.consistency(node, 4, 8), root[4]]), (6, root[6], 8, root[8], [root[4]] * 3),
        (4, root[4], 8, root[8], [b"short"]), (4, root[4][:31], 8, root[8], merkle.consistency(node, 4, 8)),
    ]  # fmt: skip
    for old, before, new, after, path in wrong:
        with pytest.raises(merkle.ProofError):
            merkle.verify_consistency(old, before, new, after, path)


def test_a_frontier_grows_by_whole_subtrees_where_they_fit() -> None:
    _, hashes, _ = tree(700)
    by_leaf, by_tile = merkle.Frontier(), merkle.Frontier()
    for value in hashes:
        by_leaf.add(value)
    for n in range(2):
        by_tile.add(tiles.fold(b"".join(hashes[256 * n : 256 * n + 256])), tiles.HEIGHT)
    before = by_tile.copy()
    for value in hashes[512:]:
        by_tile.add(value)
    assert (by_tile.root(), by_tile.size) == (by_leaf.root(), 700)
    assert (before.root(), before.size) == (merkle.root_of(hashes[:512]), 512)
    with pytest.raises(merkle.ProofError):
        by_tile.add(hashes[0], tiles.HEIGHT)


def test_only_a_full_tile_folds() -> None:
    for tile in (b"", b"x" * 32 * 255, b"x" * 32 * 257):
        with pytest.raises(tiles.BadTile):
            tiles.fold(tile)


@settings(max_examples=60, deadline=None)
@given(size=sizes)
def test_tiles_and_frontier_give_the_reference_root(size: int) -> None:
    leaves, hashes, node = tree(size)
    assert merkle.root(node, size) == merkle.root_of(hashes) == reference_root(leaves)


@settings(max_examples=100, deadline=None)
@given(size=sizes, data=st.data())
def test_every_leaf_is_proved_included_and_no_other_statement_is(size: int, data: st.DataObject) -> None:
    leaves, hashes, node = tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof, root = merkle.inclusion(node, index, size), reference_root(leaves)
    merkle.verify_inclusion(hashes[index], index, size, proof, root)
    wrong_leaf = merkle.leaf_hash(b"Mallory's")
    other_index = (index + 1) % size
    lies = [(wrong_leaf, index, size, proof), (hashes[index], index, size, [*proof, wrong_leaf])]
    lies += [(hashes[index], other_index, size, proof)] if size > 1 else []
    lies += [(hashes[index], index, size, proof[:-1])] if proof else []
    lies += [(hashes[index], index, size, [*proof[:-1], wrong_leaf])] if proof else []
    for leaf, place, of, path in lies:
        with pytest.raises(merkle.ProofError):
            merkle.verify_inclusion(leaf, place, of, path, root)


@settings(max_examples=100, deadline=None)
@given(new=sizes, data=st.data())
def test_a_grown_tree_is_proved_consistent_and_a_forked_one_is_not(new: int, data: st.DataObject) -> None:
    leaves, _, node = tree(new)
    old = data.draw(st.integers(0, new))
    old_root, new_root = reference_root(leaves[:old]), reference_root(leaves)
    proof = merkle.consistency(node, old, new)
    merkle.verify_consistency(old, old_root, new, new_root, proof)
    fork = merkle.leaf_hash(b"fork")
    lies = [(fork, new_root, proof), (old_root, new_root, [*proof, fork])]
    lies += [(old_root, fork, proof)] if old else []
    lies += [(old_root, new_root, proof[:-1]), (old_root, new_root, [*proof[:-1], fork])] if proof else []
    for before, after, path in lies:
        with pytest.raises(merkle.ProofError):
            merkle.verify_consistency(old, before, new, after, path)


@pytest.mark.parametrize(("index", "size"), [(-1, 5), (5, 5), (6, 5), (0, 0)])
def test_an_index_outside_the_tree_is_refused(index: int, size: int) -> None:
    _, hashes, node = tree(5)
    with pytest.raises(merkle.ProofError):
        merkle.inclusion(node, index, size)
    with pytest.raises(merkle.ProofError):
        merkle.verify_inclusion(hashes[0], index, size, [], merkle.root(node, 5))


def test_a_hash_that_is_not_32_bytes_is_refused() -> None:
    _, hashes, node = tree(2)
    root = merkle.root(node, 2)
    for leaf, path, expected in [
        (b"x", [hashes[1]], root),
        (hashes[0], [b"x" * 33], root),
        (hashes[0], [hashes[1]], b""),
    ]:
        with pytest.raises(merkle.ProofError):
            merkle.verify_inclusion(leaf, 0, 2, path, expected)


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.integers(1, 300), min_size=1, max_size=6))
def test_tiles_grow_the_same_in_any_batches(batches: list[int]) -> None:
    stored: dict[tuple[int, int], bytes] = {}
    size = 0
    for batch in batches:
        hashes = [merkle.leaf_hash(str(n).encode()) for n in range(size, size + batch)]
        stored.update(tiles.grow(lambda level, n: stored[level, n], size, hashes))
        size += batch
    whole = tiles.grow(lambda level, n: b"", 0, [merkle.leaf_hash(str(n).encode()) for n in range(size)])
    assert stored == whole
    assert all(len(data) == 32 * tiles.width_of(level, n, size) for (level, n), data in stored.items())


def test_tiles_of_70000_entries_are_those_the_specification_counts() -> None:
    """The example of c2sp.org/tlog-tiles."""
    widths = {(level, n): tiles.width_of(level, n, 70_000) for level in range(4) for n in range(300)}
    full_level_0 = [n for n in range(300) if widths[0, n] == 256]
    assert len(full_level_0) == 273
    assert (widths[0, 273], widths[1, 0], widths[1, 1], widths[2, 0], widths[3, 0]) == (112, 256, 17, 1, 0)


def test_a_tile_path_has_one_spelling() -> None:
    assert tiles.path_of(1234067) == "x001/x234/067"
    assert tiles.path_of(5, 17) == "005.p/17"
    for wrong in ["5", "05", "0005", "x000/005", "005.p/0", "005.p/256", "005.p/017", "x001/x234/67", "-01", "", "٠٠٥"]:
        with pytest.raises(tiles.BadTile):
            tiles.parse_path(wrong)


@given(n=st.integers(0, (1 << 63) - 1), width=st.integers(1, 256))
def test_a_tile_path_reads_back(n: int, width: int) -> None:
    assert tiles.parse_path(tiles.path_of(n, width)) == (n, width)


@given(leaves=st.lists(st.binary(max_size=400), min_size=1, max_size=256))
def test_an_entry_bundle_reads_back_and_no_shortened_one_does(leaves: list[bytes]) -> None:
    data = tiles.bundle(leaves)
    assert tiles.split_bundle(data) == leaves
    with pytest.raises(tiles.BadTile):
        tiles.split_bundle(data[:-1])


def test_an_entry_too_long_for_a_bundle_is_refused() -> None:
    with pytest.raises(tiles.BadTile):
        tiles.bundle([b"x" * 65_536])
