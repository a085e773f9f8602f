"""The state tree on disk against the one in memory: roots, values, proofs, damage."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper._native import update_state
from esper.storage.errors import StateChangeError
from esper.storage.state.disk_state_tree import LEVELS, DiskStateTree, StateUpdate
from esper.storage.state.state_records import (
    StateRecordError,
    decode_node,
    flat_key,
    record_key,
)
from esper.vm.state_tree import StateTree, proven_value_hash, value_hash
from esper.vm.view import Change
from tests.spec.state_update_reference import encode_node, specified_update
from tests.support.storage.memory_store import MemoryStore

# Few distinct first bytes, so that paths share long prefixes and the tree collapses and grows.
paths = st.builds(
    lambda head, middle, tail: bytes([head, head, middle, tail]) + bytes(27) + bytes([tail]),
    st.sampled_from([0, 1, 128, 255]),
    st.sampled_from([0, 1, 64]),
    st.integers(0, 7),
)
blocks = st.lists(
    st.dictionaries(paths, st.none() | st.binary(max_size=4), max_size=12), max_size=6
)
A, B = bytes(32), bytes(31) + b"\1"


def changes_to(tree: StateTree, wanted: dict[bytes, bytes | None]) -> list[Change]:
    return [Change(path, tree.get(path), wanted[path]) for path in sorted(wanted)]


def oracle(tree: StateTree, changes: list[Change]) -> StateTree:
    for path, old, new in changes:
        if new is not None:
            tree = tree.put(path, new)
        elif old is not None:
            tree = tree.delete(path)
    return tree


@given(blocks, st.integers(1, 8), st.lists(paths, max_size=4))
def test_equals_the_tree_in_memory(
    blocks: list[dict[bytes, bytes | None]], levels: int, asked: list[bytes]
) -> None:
    store = MemoryStore()
    disk, memory = DiskStateTree(store, levels=levels), StateTree()
    history: list[tuple[bytes, list[Change]]] = []
    for block in blocks:
        changes = changes_to(memory, block)
        history.append((memory.root, changes))
        memory = oracle(memory, changes)
        update = disk.update(changes)
        assert update == specified_update(disk, changes)
        store.write(update.writes)
        assert (update.root, update.count) == (memory.root, memory.count)
        assert (disk.root, disk.count) == (memory.root, memory.count)
        assert list(disk) == list(memory)
        for path in [*asked, *block]:
            assert disk.get(path) == memory.get(path)
            proof = disk.prove(path)
            assert proof == memory.prove(path)
            value = memory.get(path)
            expected = None if value is None else value_hash(value)
            assert proven_value_hash(disk.root, path, proof) == expected
    for root, changes in reversed(history):
        store.write(disk.update([Change(path, new, old) for path, old, new in changes]).writes)
        assert disk.root == root
    # Undone to the beginning, only the empty top is left: no record stays behind.
    assert [key for key, _ in store.items(b"")] in ([], [record_key(0, b"")])


def filled(count: int = 200) -> tuple[MemoryStore, DiskStateTree]:
    store = MemoryStore()
    tree = DiskStateTree(store)
    changes = [Change(bytes([index]) * 32, None, b"%d" % index) for index in range(count)]
    store.write(tree.update(changes).writes)
    return store, tree


def test_a_wrong_value_before_is_refused() -> None:
    _, tree = filled()
    for before in (None, b"other"):
        with pytest.raises(StateChangeError, match="the change expects"):
            tree.update([Change(bytes([7]) * 32, before, b"new")])
    with pytest.raises(StateChangeError, match="stands no record"):
        tree.update([Change(b"\1" * 31 + b"\2", b"phantom", None)])


def ended(action: Callable[[], StateUpdate]) -> object:
    """What an update gives, or its error in words."""
    try:
        return action()
    except (StateRecordError, StateChangeError) as error:
        return type(error), str(error)


@given(st.data())
def test_damaged_records_are_refused_as_the_specification_does(data: st.DataObject) -> None:
    store, tree = filled(40)
    key, record = data.draw(st.sampled_from(sorted(store.items(b""))))
    at = data.draw(st.integers(0, len(record) - 1))
    piece = data.draw(st.sampled_from([b"", b"\0", b"\1", b"\2", b"\3", b"\xff" * 4, b"\2" * 300]))
    store.write([(key, record[:at] + piece + record[at + data.draw(st.integers(0, 40)) :])])
    numbers = data.draw(st.lists(st.integers(0, 44), unique=True).map(sorted))
    changes = [
        Change(bytes([n]) * 32, b"%d" % n if n < 40 else None, data.draw(st.none() | st.just(b"x")))
        for n in numbers
    ]
    assert ended(lambda: tree.update(changes)) == ended(lambda: specified_update(tree, changes))


@given(st.lists(st.integers(0, 44), unique=True).map(sorted), st.integers(0, 44))
def test_another_value_before_is_told_as_the_specification_does(
    numbers: list[int], wrong: int
) -> None:
    _, tree = filled(40)
    changes = [
        Change(bytes([n]) * 32, b"%d" % n if (n < 40) != (n == wrong) else None, b"new")
        for n in numbers
    ]
    found = ended(lambda: tree.update(changes))
    assert found == ended(lambda: specified_update(tree, changes))
    assert isinstance(found, StateUpdate) == (wrong not in numbers)


def test_what_the_store_raises_comes_through() -> None:
    store, _ = filled()

    class Broken(MemoryStore):
        def get(self, key: bytes) -> bytes | None:
            if key != record_key(0, b""):
                raise ZeroDivisionError
            return store.get(key)

    with pytest.raises(ZeroDivisionError):
        DiskStateTree(Broken()).update([Change(bytes(32), b"0", None)])


def test_levels_and_paths_that_the_extension_refuses() -> None:
    for levels in (0, -1):
        with pytest.raises((ValueError, OverflowError)):
            DiskStateTree(MemoryStore(), levels=levels).update([])
    with pytest.raises(ValueError, match="32 bytes, not 5"):
        update_state(lambda _: None, 3, b"\0", [(b"short", None, None)], ValueError, ValueError)


@pytest.mark.parametrize("order", [(B, A), (A, A)])
def test_paths_must_ascend(order: tuple[bytes, bytes]) -> None:
    with pytest.raises(StateChangeError, match="must ascend"):
        DiskStateTree(MemoryStore()).update([Change(path, None, b"") for path in order])


def test_a_path_of_another_length() -> None:
    with pytest.raises(StateChangeError, match="32 bytes"):
        DiskStateTree(MemoryStore()).update([Change(b"short", None, b"")])


def test_an_update_writes_nothing_itself() -> None:
    store, tree = filled()
    before = dict(store.items(b""))
    tree.update([Change(bytes([7]) * 32, b"7", None)])
    assert dict(store.items(b"")) == before


def test_a_missing_or_older_record_is_noticed() -> None:
    store, tree = filled()
    key = record_key(LEVELS, bytes(32))
    old = store.get(key)
    store.write(tree.update([Change(bytes(32), b"0", b"changed")]).writes)
    store.write([(key, old)])
    with pytest.raises(StateRecordError, match="not the one its parent names"):
        tree.prove(bytes(32))
    store.write([(key, None)])
    with pytest.raises(StateRecordError, match="is missing"):
        tree.prove(bytes(32))


def test_a_value_that_differs_from_the_tree_is_noticed() -> None:
    store, tree = filled()
    assert store.get(flat_key(bytes(32))) == b"0"
    store.write([(flat_key(bytes(32)), b"other")])
    with pytest.raises(StateRecordError, match="is not that of the tree"):
        list(tree)
    store.write([(flat_key(bytes(32)), b"0"), (flat_key(b"\xff" * 32), b"more")])
    with pytest.raises(StateRecordError, match="values stand beside a tree"):
        list(tree)


def test_every_changed_hash_or_value_is_noticed_by_reading_all() -> None:
    store, tree = filled(40)
    for key, record in list(store.items(b"")):
        for position in range(len(record)):
            store.write([(key, record[:position] + b"\xaa" + record[position + 1 :])])
            if store.get(key) == record:
                continue
            with pytest.raises(StateRecordError):
                list(tree)
        store.write([(key, record)])
    assert len(list(tree)) == 40


def test_records_hold_nothing_else() -> None:
    node = decode_node(b"\3" + bytes(32))
    assert encode_node(node) == b"\3" + bytes(32)
    for data in (b"", b"\4", b"\3", b"\0\0", b"\2" + bytes(32), b"\1" + bytes(64) + b"\0\0\0\1"):
        with pytest.raises(StateRecordError):
            decode_node(data)
