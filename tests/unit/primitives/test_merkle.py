"""The Merkle tree: vectors, a tree by hand, and what must not verify."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.hashing import make_tag, tagged_hash, u64
from esper.primitives.merkle import MerkleTree, merkle_root, path_length, verify_path

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "merkle.json").read_text())
USE, OTHER = make_tag("esper/test/v1"), make_tag("esper/other/v1")


def items(count: int) -> list[bytes]:
    return [bytes([i % 256]) * i for i in range(count)]


@pytest.mark.parametrize("vector", VECTORS)
def test_golden_vectors(vector: dict[str, Any]) -> None:
    tree = MerkleTree.build(USE, items(vector["count"]))
    assert tree.root.hex() == vector["root"]
    paths = [[step.hex() for step in tree.path(i)] for i in range(vector["count"])]
    assert paths == vector["paths"]


def test_three_leaves_by_hand() -> None:
    leaf, node = make_tag("esper/merkle/leaf/v1"), make_tag("esper/merkle/node/v1")
    a, b, c = (tagged_hash(leaf, item) for item in (b"a", b"b", b"c"))
    top = tagged_hash(node, tagged_hash(node, a, b), c)
    expected = tagged_hash(make_tag("esper/merkle/root/v1"), USE, u64(3), top)
    assert merkle_root(USE, [b"a", b"b", b"c"]) == expected


def test_last_leaf_is_not_duplicated() -> None:
    assert merkle_root(USE, [b"a", b"b", b"c"]) != merkle_root(USE, [b"a", b"b", b"c", b"c"])


def test_use_and_count_are_bound() -> None:
    assert merkle_root(USE, [b"a"]) != merkle_root(OTHER, [b"a"])
    assert merkle_root(USE, []) != merkle_root(OTHER, [])


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n - 1))))
def test_every_path_verifies_and_no_changed_one_does(place: tuple[int, int]) -> None:
    count, index = place
    tree = MerkleTree.build(USE, items(count))
    item, path = items(count)[index], tree.path(index)
    assert len(path) == path_length(index, count)
    assert verify_path(USE, tree.root, count, index, item, path)
    assert not verify_path(OTHER, tree.root, count, index, item, path)
    assert not verify_path(USE, tree.root, count, index, item + b"x", path)
    assert not verify_path(USE, tree.root, count + 1, index, item, path)
    assert not verify_path(USE, tree.root, count, index ^ 1, item, path)
    assert not verify_path(USE, tree.root, count, index, item, (*path, bytes(64)))
    for level, step in enumerate(path):
        broken = (*path[:level], bytes([step[0] ^ 1]) + step[1:], *path[level + 1 :])
        assert not verify_path(USE, tree.root, count, index, item, broken)
        short = (*path[:level], step[:-1], *path[level + 1 :])
        assert not verify_path(USE, tree.root, count, index, item, short)


def test_places_outside_the_tree() -> None:
    tree = MerkleTree.build(USE, items(3))
    for index in (-1, 3):
        with pytest.raises(IndexError, match="of a tree of 3"):
            tree.path(index)
        assert not verify_path(USE, tree.root, 3, index, b"", ())
    with pytest.raises(IndexError):
        MerkleTree.build(USE, []).path(0)
