"""The picture of a proof is computed: its top box is the root of the tree, for every leaf of many trees."""

import hashlib

import pytest

from ledger import merkle
from web.merkle_picture import inclusion_picture


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 8, 12, 13, 64, 65])
def test_the_top_box_is_the_root_for_every_leaf(size: int) -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(size)]

    def node(height: int, n: int) -> bytes:
        return merkle.root_of(leaves[n << height : (n + 1) << height])

    root = merkle.root(node, size).hex()
    for index, leaf in enumerate(leaves):
        proof = merkle.inclusion(node, index, size)
        picture = inclusion_picture(index, size, leaf, proof)
        assert f'<g class="root"><title>{root}</title>' in picture
        assert picture.count('class="given"') == len(proof)
        assert f"Entry {index} of {size}" in picture


def test_a_proof_for_another_leaf_does_not_draw_the_root() -> None:
    leaves = [hashlib.sha256(bytes([n])).digest() for n in range(5)]
    proof = merkle.inclusion(lambda height, n: merkle.root_of(leaves[n << height : (n + 1) << height]), 2, 5)
    assert merkle.root_of(leaves).hex() not in inclusion_picture(3, 5, leaves[3], proof)
