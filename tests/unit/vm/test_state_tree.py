"""The state tree: vectors, independence of history, and proofs both ways."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.vm.state_tree import (
    EMPTY,
    StateProof,
    StateProofError,
    StateTree,
    proven_value_hash,
    state_path,
    value_hash,
)

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "state_tree.json").read_text())

# Few distinct first bytes, so that paths share long prefixes.
paths = st.builds(
    lambda head, tail: bytes([head]) * 3 + bytes([tail]) + bytes(28),
    st.sampled_from([0, 1, 128, 255]),
    st.integers(0, 7),
)
records = st.dictionaries(paths, st.binary(max_size=4), max_size=12)


def tagged(name: str, *parts: bytes) -> bytes:
    return hashlib.sha3_256(name.encode().ljust(32, b"\0") + b"".join(parts)).digest()


def naive_top(entries: dict[bytes, bytes], depth: int = 0) -> bytes:
    """The definition, straight: empty, a leaf, or the node of the two halves."""
    if not entries:
        return bytes(32)
    if len(entries) == 1:
        ((path, value),) = entries.items()
        return tagged("esper/state/leaf/v1", path, tagged("esper/state/value/v1", value))
    halves: tuple[dict[bytes, bytes], dict[bytes, bytes]] = ({}, {})
    for path, value in entries.items():
        halves[path[depth // 8] >> (7 - depth % 8) & 1][path] = value
    return tagged("esper/state/node/v1", *(naive_top(half, depth + 1) for half in halves))


def naive_root(entries: dict[bytes, bytes]) -> bytes:
    return tagged("esper/state/root/v1", len(entries).to_bytes(8, "big"), naive_top(entries))


def build(entries: dict[bytes, bytes]) -> StateTree:
    tree = StateTree()
    for path, value in entries.items():
        tree = tree.put(path, value)
    return tree


def test_golden_vectors() -> None:
    tree = StateTree()
    for step in VECTORS:
        if "put" in step:
            tree = tree.put(state_path(1, bytes([step["put"]])), b"value %d" % step["put"])
        else:
            tree = tree.delete(state_path(1, bytes([step["delete"]])))
        assert tree.root.hex() == step["root"]


@given(records)
def test_root_equals_the_definition(entries: dict[bytes, bytes]) -> None:
    tree = build(entries)
    assert tree.root == naive_root(entries)
    assert dict(tree) == entries
    assert list(dict(tree)) == sorted(entries)


@given(records, records, st.randoms(use_true_random=False))
def test_history_does_not_matter(
    kept: dict[bytes, bytes], extra: dict[bytes, bytes], random: Random
) -> None:
    extra = {path: value for path, value in extra.items() if path not in kept}
    steps = [*kept.items(), *extra.items()]
    random.shuffle(steps)
    tree = build(dict(steps))
    for path in extra:
        tree = tree.delete(path)
    assert tree.root == naive_root(kept)
    assert tree.count == len(kept)


@given(records, paths)
def test_proofs_of_presence_and_absence(entries: dict[bytes, bytes], path: bytes) -> None:
    tree = build(entries)
    found = proven_value_hash(tree.root, path, tree.prove(path))
    expected = value_hash(entries[path]) if path in entries else None
    assert found == expected


@given(records.filter(bool), paths, st.data())
def test_changed_proofs_prove_nothing_else(
    entries: dict[bytes, bytes], path: bytes, data: st.DataObject
) -> None:
    tree = build(entries)
    proof = tree.prove(path)
    truth = proven_value_hash(tree.root, path, proof)
    changes: list[StateProof] = [
        replace(proof, count=proof.count + 1),
        replace(proof, siblings=(*proof.siblings, EMPTY)),
        replace(proof, leaf_path=None, leaf_value_hash=None),
        replace(proof, leaf_path=path, leaf_value_hash=value_hash(b"forged")),
        replace(proof, siblings=proof.siblings[:-1]),
        replace(proof, siblings=(b"short", *proof.siblings)),
        replace(proof, siblings=(EMPTY,) * 257),
        replace(proof, leaf_path=b"short", leaf_value_hash=value_hash(b"")),
    ]
    forged = data.draw(st.sampled_from(changes))
    try:
        claimed = proven_value_hash(tree.root, path, forged)
    except StateProofError:
        return
    assert claimed == truth


def test_a_leaf_on_another_path_is_no_absence_proof() -> None:
    first, second = bytes(32), b"\xff" * 32
    tree = build({first: b"a", second: b"b"})
    with pytest.raises(StateProofError, match="does not stand on the path"):
        proven_value_hash(tree.root, first, tree.prove(second))


def test_old_trees_stay_as_they_are() -> None:
    first = StateTree().put(bytes(32), b"a")
    root = first.root
    second = first.put(b"\1" * 32, b"b").put(bytes(32), b"c")
    assert first.root == root
    assert first.get(bytes(32)) == b"a"
    assert second.get(bytes(32)) == b"c"
    assert second.count == 2


def test_deleting_what_is_not_there() -> None:
    with pytest.raises(KeyError, match="no record"):
        StateTree().put(bytes(32), b"a").delete(b"\1" * 32)


def test_paths_depend_on_kind_and_id() -> None:
    assert len({state_path(1, b"a"), state_path(2, b"a"), state_path(1, b"b")}) == 3
    assert state_path(1, b"a") == tagged("esper/state/key/v1", b"\1a")


def test_a_change_costs_its_branch_only() -> None:
    tree = StateTree()
    for index in range(1000):
        tree = tree.put(state_path(1, index.to_bytes(4, "big")), b"value")
    depths = [len(tree.prove(state_path(1, i.to_bytes(4, "big"))).siblings) for i in range(1000)]
    assert sum(depths) / 1000 < 13
