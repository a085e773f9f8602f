"""The specification of ``DiskStateTree.update``: the same walk in Python."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from esper.primitives.hashing import tagged_hash32, u32, u64
from esper.storage.errors import StateChangeError
from esper.storage.kv.store_port import Write
from esper.storage.state.disk_state_tree import (
    COUNT_BYTES,
    EMPTY_TOP,
    DiskStateTree,
    StateUpdate,
    bit,
    hash_of,
    state_root,
)
from esper.storage.state.state_records import (
    Branch,
    Leaf,
    Node,
    Stub,
    decode_node,
    flat_key,
    record_key,
)
from esper.vm.state_tree import TAG_NODE, leaf_hash, value_hash
from esper.vm.view import Change


def encode_node(node: Node) -> bytes:
    """The bytes of a node with all that is in its record."""
    out: list[bytes] = []
    _write(node, out)
    return b"".join(out)


def _write(node: Node, out: list[bytes]) -> None:
    if node is None:
        out.append(b"\0")
    elif isinstance(node, Leaf):
        out += (b"\1", node.path, node.hash, u32(len(node.value)), node.value)
    elif isinstance(node, Stub):
        out += (b"\3", node.hash)
    else:
        out += (b"\2", node.hash)
        _write(node.left, out)
        _write(node.right, out)


def specified_update(tree: DiskStateTree, changes: Sequence[Change]) -> StateUpdate:
    """What changes by ascending path do to the tree."""
    found = tree._store.get(record_key(0, b""))
    data = EMPTY_TOP if found is None else found
    count = int.from_bytes(data[:COUNT_BYTES], "big")
    count += sum((new is not None) - (old is not None) for _, old, new in changes)
    walk = _Walk(tree, changes)
    node = walk.inside(decode_node(data[COUNT_BYTES:]), 0, 0, len(changes))
    walk.writes.append((record_key(0, b""), u64(count) + encode_node(node)))
    walk.writes += [(flat_key(path), new) for path, _, new in changes]
    root = state_root(count, hash_of(node))
    return StateUpdate(root, count, tuple(walk.writes), walk.hashes + 1)


class _Walk:
    """One walk through the tree that applies all changes and collects the records to write."""

    def __init__(self, tree: DiskStateTree, changes: Sequence[Change]) -> None:
        self._tree = tree
        self._changes = changes
        self._paths = [path for path, _, _ in changes]
        self.writes: list[Write] = []
        self.hashes = 0

    def _below(self, node: Node, depth: int, low: int, high: int) -> Node:
        """The node after changes[low:high], seen from above: a stub where it has a record."""
        if low == high:
            return node
        path = self._paths[low]
        had_record = isinstance(node, Stub)
        if isinstance(node, Stub):
            node = self._tree.load(node, depth, path)
        node = self.inside(node, depth, low, high)
        if not self._at_border(depth):
            return node
        if isinstance(node, Branch):
            self.writes.append((record_key(depth, path), encode_node(node)))
            return Stub(node.hash)
        if had_record:
            self.writes.append((record_key(depth, path), None))
        return node

    def inside(self, node: Node, depth: int, low: int, high: int) -> Node:
        """The node after changes[low:high], with what is in its own record."""
        if low == high:
            return node
        if isinstance(node, Branch):
            middle = self._split(depth, low, high)
            left = self._below(node.left, depth + 1, low, middle)
            return self._joined(left, self._below(node.right, depth + 1, middle, high))
        return self._grown(self._leaves(node, low, high), depth)

    def _leaves(self, node: Node, low: int, high: int) -> list[Leaf]:
        """What stands in a subtree of at most one leaf after the changes, in the order of paths."""
        kept = {node.path: node} if isinstance(node, Leaf) else {}
        for path, old, new in self._changes[low:high]:
            there = kept.pop(path, None)
            found = None if there is None else there.value
            if found != old:
                raise StateChangeError(
                    f"at {path.hex()} stands {_shown(found)}, the change expects {_shown(old)}"
                )
            if new is not None:
                self.hashes += 2
                kept[path] = Leaf(path, leaf_hash(path, value_hash(new)), new)
        return [kept[path] for path in sorted(kept)]

    def _grown(self, leaves: list[Leaf], depth: int) -> Node:
        """The subtree of these leaves; its deeper records are written."""
        if len(leaves) <= 1:
            return leaves[0] if leaves else None
        middle = bisect_left(leaves, 1, key=lambda leaf: bit(leaf.path, depth))
        halves: list[Node] = []
        for half in (leaves[:middle], leaves[middle:]):
            node = self._grown(half, depth + 1)
            if isinstance(node, Branch) and self._at_border(depth + 1):
                self.writes.append((record_key(depth + 1, half[0].path), encode_node(node)))
                node = Stub(node.hash)
            halves.append(node)
        return self._joined(*halves)

    def _joined(self, left: Node, right: Node) -> Node:
        """Two halves, collapsed if at most one leaf is left."""
        if left is None and not isinstance(right, Branch | Stub):
            return right
        if right is None and not isinstance(left, Branch | Stub):
            return left
        self.hashes += 1
        hashed = tagged_hash32(TAG_NODE, hash_of(left), hash_of(right))
        return Branch(hashed, left, right)

    def _at_border(self, depth: int) -> bool:
        """Whether a branch of this depth has a record of its own."""
        return depth > 0 and depth % self._tree._levels == 0

    def _split(self, depth: int, low: int, high: int) -> int:
        """Where the changes with a 1 at ``depth`` begin."""
        return bisect_left(self._paths, 1, low, high, key=lambda path: bit(path, depth))


def _shown(value: bytes | None) -> str:
    return "no record" if value is None else value.hex()
