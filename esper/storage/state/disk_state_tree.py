"""The authenticated state on disk: the tree of ``StateTree``, read and changed record by record.

Hashes, shape and proofs are those of the tree in memory, which is its test. A change is worked out
by the extension (the crate ``esper-state``; ``tests/spec/state_update_reference.py`` says the same
in Python) as a list of writes that the caller puts into the batch that moves the tip. The tree
itself keeps nothing in memory, so it shows what is on disk and nothing else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper._native import update_state
from esper.primitives.hashing import HASH32_BYTES, tagged_hash32, u64
from esper.storage.errors import StateChangeError
from esper.storage.kv.store_port import KeyValueView, Write
from esper.storage.state.state_records import (
    EMPTY_NODE,
    FLAT_PREFIX,
    Branch,
    Leaf,
    Node,
    StateRecordError,
    Stub,
    decode_node,
    flat_key,
    record_key,
)
from esper.vm.state_tree import (
    EMPTY,
    PATH_BITS,
    TAG_NODE,
    TAG_ROOT,
    StateProof,
    leaf_hash,
    value_hash,
)
from esper.vm.view import Change

LEVELS: Final = 3
"""Levels of the tree in one record, by measurement: see docs/decisions/state-storage.md."""

COUNT_BYTES: Final = 8

EMPTY_TOP: Final = bytes(COUNT_BYTES) + bytes([EMPTY_NODE])
"""The uppermost record of a tree without leaves."""


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """What a list of changes does to the tree."""

    root: bytes
    """32 bytes: the state root afterwards."""
    count: int
    """State records afterwards."""
    writes: tuple[Write, ...]
    """Records of the tree that change, to be written in one batch."""
    hashes: int
    """Hashes computed, for measurements."""


def state_root(count: int, top: bytes) -> bytes:
    """The 32-byte root of a tree of ``count`` records with this uppermost hash."""
    return tagged_hash32(TAG_ROOT, u64(count), top)


class DiskStateTree:
    """The state records in a store."""

    def __init__(self, store: KeyValueView, *, levels: int = LEVELS) -> None:
        """``levels`` of a record must be the same for the life of a store, 1 to 8."""
        self._store = store
        self._levels = levels

    @property
    def root(self) -> bytes:
        """32 bytes. Raises StateRecordError, as all reads do, for records that are damaged."""
        count, top = self._top()
        return state_root(count, hash_of(top))

    @property
    def count(self) -> int:
        """Number of state records."""
        return self._top()[0]

    def get(self, path: bytes) -> bytes | None:
        """The value at a 32-byte path, None if there is none."""
        return self._store.get(flat_key(path))

    def prove(self, path: bytes) -> StateProof:
        """The proof of what stands at ``path``, for ``state_tree.proven_value_hash``."""
        leaf, siblings = self._descend(path)
        if leaf is None:
            return StateProof(self.count, siblings, None, None)
        return StateProof(self.count, siblings, leaf.path, value_hash(leaf.value))

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value) of every record in the order of paths; every hash is computed again."""
        count, top = self._top()
        found = 0
        for leaf in self._checked_leaves(top, 0, bytes(HASH32_BYTES)):
            found += 1
            if self.get(leaf.path) != leaf.value:
                raise StateRecordError(f"the value at {leaf.path.hex()} is not that of the tree")
            yield leaf.path, leaf.value
        if found != count:
            raise StateRecordError(f"the tree has {found} records, its top says {count}")
        flat = sum(1 for _ in self._store.items(FLAT_PREFIX))
        if flat != count:
            raise StateRecordError(f"{flat} values stand beside a tree of {count} records")

    def update(self, changes: Sequence[Change]) -> StateUpdate:
        """What ``changes`` does to the tree; nothing is written.

        Raises StateChangeError if the paths do not ascend, or a value before is not what is there.
        """
        paths = [path for path, _, _ in changes]
        if any(len(path) != HASH32_BYTES for path in paths):
            raise StateChangeError(f"a state path must have {HASH32_BYTES} bytes")
        for first, second in pairwise(paths):
            if first >= second:
                raise StateChangeError(f"paths must ascend: {first.hex()}, {second.hex()}")
        data = self._top_record()
        count = int.from_bytes(data[:COUNT_BYTES], "big")
        count += sum((new is not None) - (old is not None) for _, old, new in changes)
        node, top, writes, hashes = update_state(
            self._store.get,
            self._levels,
            data[COUNT_BYTES:],
            changes,
            StateRecordError,
            StateChangeError,
        )
        writes.append((record_key(0, b""), u64(count) + node))
        writes += [(flat_key(path), new) for path, _, new in changes]
        return StateUpdate(state_root(count, top), count, tuple(writes), hashes + 1)

    def load(self, stub: Stub, depth: int, path: bytes) -> Branch:
        """The branch that a stub stands for. Raises StateRecordError if it is not there."""
        key = record_key(depth, path)
        data = self._store.get(key)
        if data is None:
            raise StateRecordError(f"state record {key.hex()} is missing")
        node = decode_node(data)
        if not isinstance(node, Branch) or node.hash != stub.hash:
            raise StateRecordError(f"state record {key.hex()} is not the one its parent names")
        return node

    def _top_record(self) -> bytes:
        data = self._store.get(record_key(0, b""))
        return EMPTY_TOP if data is None else data

    def _top(self) -> tuple[int, Node]:
        data = self._top_record()
        return int.from_bytes(data[:COUNT_BYTES], "big"), decode_node(data[COUNT_BYTES:])

    def _descend(self, path: bytes) -> tuple[Leaf | None, tuple[bytes, ...]]:
        """The leaf that the way to ``path`` ends at, and the siblings from the top."""
        node = self._top()[1]
        siblings: list[bytes] = []
        while isinstance(node, Branch | Stub):
            if isinstance(node, Stub):
                node = self.load(node, len(siblings), path)
            left = bit(path, len(siblings)) == 0
            siblings.append(hash_of(node.right if left else node.left))
            node = node.left if left else node.right
        return node, tuple(siblings)

    def _checked_leaves(self, node: Node, depth: int, way: bytes) -> Iterator[Leaf]:
        """Leaves below a node whose path begins with ``way``; raises where a hash is wrong."""
        if isinstance(node, Stub):
            node = self.load(node, depth, way)
        if isinstance(node, Branch):
            if _node_hash(hash_of(node.left), hash_of(node.right)) != node.hash:
                raise StateRecordError(f"wrong hash in state record below {way.hex()}, {depth}")
            yield from self._checked_leaves(node.left, depth + 1, way)
            turned = int.from_bytes(way, "big") | 1 << (PATH_BITS - 1 - depth)
            right = turned.to_bytes(HASH32_BYTES, "big")
            yield from self._checked_leaves(node.right, depth + 1, right)
        elif node is not None:
            if leaf_hash(node.path, value_hash(node.value)) != node.hash:
                raise StateRecordError(f"wrong hash of the leaf at {node.path.hex()}")
            yield node


def bit(path: bytes, depth: int) -> int:
    """The bit of a path that decides at ``depth``."""
    return path[depth >> 3] >> (7 - (depth & 7)) & 1


def hash_of(node: Node) -> bytes:
    """The 32-byte hash of a node, zeros for nothing."""
    return EMPTY if node is None else node.hash


def _node_hash(left: bytes, right: bytes) -> bytes:
    return tagged_hash32(TAG_NODE, left, right)
