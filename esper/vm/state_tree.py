"""The state as one hash: a path-compressed binary sparse Merkle tree, immutable and shared.

    path = H32(esper/state/key/v1, kind as u8 || id)               256 bits, first bit on top
    leaf = H32(esper/state/leaf/v1, path || H32(esper/state/value/v1, value))
    node = H32(esper/state/node/v1, left || right)
    root = H32(esper/state/root/v1, count as u64 || top)

A subtree without leaves is 32 zero bytes, one with a single leaf is that leaf, any other is a
node; so the root depends on the set of records alone, and deleting undoes inserting.
Trees share what they have in common, so keeping one per block costs the changed branches only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from esper.primitives.hashing import HASH32_BYTES, make_tag, tagged_hash32, u64

TAG_KEY: Final = make_tag("esper/state/key/v1")
TAG_VALUE: Final = make_tag("esper/state/value/v1")
TAG_LEAF: Final = make_tag("esper/state/leaf/v1")
TAG_NODE: Final = make_tag("esper/state/node/v1")
TAG_ROOT: Final = make_tag("esper/state/root/v1")

EMPTY: Final = bytes(HASH32_BYTES)
PATH_BITS: Final = 8 * HASH32_BYTES


@lru_cache(maxsize=1 << 14)
def state_path(kind: int, identity: bytes) -> bytes:
    """32 bytes: where the record of this kind and id stands."""
    return tagged_hash32(TAG_KEY, bytes([kind]), identity)


def value_hash(value: bytes) -> bytes:
    """32 bytes."""
    return tagged_hash32(TAG_VALUE, value)


def leaf_hash(path: bytes, hashed_value: bytes) -> bytes:
    """32 bytes, from a path and a value's hash."""
    return tagged_hash32(TAG_LEAF, path, hashed_value)


def _bit(path: bytes, depth: int) -> int:
    return path[depth >> 3] >> (7 - (depth & 7)) & 1


@dataclass(frozen=True, slots=True)
class _Leaf:
    path: bytes
    value: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class _Branch:
    left: "_Node"
    right: "_Node"
    hash: bytes


_Node = _Leaf | _Branch | None


def _hash_of(node: _Node) -> bytes:
    return EMPTY if node is None else node.hash


def _branch(left: _Node, right: _Node) -> _Branch:
    return _Branch(left, right, tagged_hash32(TAG_NODE, _hash_of(left), _hash_of(right)))


def _joined(left: _Node, right: _Node) -> _Node:
    """The subtree of two halves, collapsed if only one leaf is left."""
    if left is None and not isinstance(right, _Branch):
        return right
    if right is None and not isinstance(left, _Branch):
        return left
    return _branch(left, right)


def _insert(node: _Node, leaf: _Leaf, depth: int) -> _Node:
    if node is None or (isinstance(node, _Leaf) and node.path == leaf.path):
        return leaf
    if isinstance(node, _Leaf):
        # Push the leaf that stands here one level down; the recursion separates the two.
        node = _Branch(None, node, EMPTY) if _bit(node.path, depth) else _Branch(node, None, EMPTY)
    if _bit(leaf.path, depth):
        return _branch(node.left, _insert(node.right, leaf, depth + 1))
    return _branch(_insert(node.left, leaf, depth + 1), node.right)


def _remove(node: _Node, path: bytes, depth: int) -> _Node:
    if node is None or isinstance(node, _Leaf):
        return None if node is None or node.path == path else node
    if _bit(path, depth):
        return _joined(node.left, _remove(node.right, path, depth + 1))
    return _joined(_remove(node.left, path, depth + 1), node.right)


@dataclass(frozen=True, slots=True)
class StateProof:
    """What stands at a path: its siblings from the top, and the leaf that the descent ends at."""

    count: int
    """Number of records in the tree."""
    siblings: tuple[bytes, ...]
    """32-byte hashes from the top down; zero bytes for an empty side."""
    leaf_path: bytes | None
    """Path of the leaf found, None if the descent ends in an empty slot."""
    leaf_value_hash: bytes | None
    """Hash of that leaf's value, None with it."""


@dataclass(frozen=True, slots=True)
class StateTree:
    """A set of records. ``put`` and ``delete`` give new trees and leave this one as it is."""

    _top: _Node = None
    count: int = 0
    """Number of records."""

    @property
    def root(self) -> bytes:
        """32 bytes."""
        return _root(self.count, _hash_of(self._top))

    def get(self, path: bytes) -> bytes | None:
        """The value at a 32-byte path, None if there is none."""
        node, depth = self._top, 0
        while isinstance(node, _Branch):
            node = node.right if _bit(path, depth) else node.left
            depth += 1
        return node.value if node is not None and node.path == path else None

    def put(self, path: bytes, value: bytes) -> "StateTree":
        """This tree with ``value`` at ``path``."""
        leaf = _Leaf(path, value, leaf_hash(path, value_hash(value)))
        added = int(self.get(path) is None)
        return StateTree(_insert(self._top, leaf, 0), self.count + added)

    def delete(self, path: bytes) -> "StateTree":
        """This tree without the record at ``path``. Raises KeyError if there is none."""
        if self.get(path) is None:
            raise KeyError(f"no record at state path {path.hex()}")
        return StateTree(_remove(self._top, path, 0), self.count - 1)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """(path, value) of every record in the order of paths."""
        pending = [self._top]
        while pending:
            node = pending.pop()
            if isinstance(node, _Branch):
                pending += [node.right, node.left]
            elif node is not None:
                yield node.path, node.value

    def prove(self, path: bytes) -> StateProof:
        """The proof of what stands at ``path``, presence or absence."""
        node = self._top
        siblings: list[bytes] = []
        while isinstance(node, _Branch):
            left = _bit(path, len(siblings)) == 0
            siblings.append(_hash_of(node.right if left else node.left))
            node = node.left if left else node.right
        if node is None:
            return StateProof(self.count, tuple(siblings), None, None)
        return StateProof(self.count, tuple(siblings), node.path, value_hash(node.value))


class StateProofError(ValueError):
    """A state proof that says nothing about the path under the root, with the reason."""


def proven_value_hash(root: bytes, path: bytes, proof: StateProof) -> bytes | None:
    """What a proof shows under ``root``: the hash of the value at ``path``, None for absence.

    Raises StateProofError for a proof of another root, or whose leaf does not stand on the path.
    """
    depth = len(proof.siblings)
    if depth > PATH_BITS or not 0 <= proof.count < 1 << 64:
        raise StateProofError(f"{depth} siblings and count {proof.count} fit no tree")
    if any(len(sibling) != HASH32_BYTES for sibling in proof.siblings):
        raise StateProofError(f"siblings must have {HASH32_BYTES} bytes")
    current, found = EMPTY, None
    if proof.leaf_path is not None and proof.leaf_value_hash is not None:
        if len(proof.leaf_path) != HASH32_BYTES or len(proof.leaf_value_hash) != HASH32_BYTES:
            raise StateProofError(f"leaf path and value hash must have {HASH32_BYTES} bytes")
        if any(_bit(proof.leaf_path, level) != _bit(path, level) for level in range(depth)):
            raise StateProofError("the leaf does not stand on the path asked for")
        current = leaf_hash(proof.leaf_path, proof.leaf_value_hash)
        found = proof.leaf_value_hash if proof.leaf_path == path else None
    for level in reversed(range(depth)):
        sibling = proof.siblings[level]
        pair = (sibling, current) if _bit(path, level) else (current, sibling)
        current = tagged_hash32(TAG_NODE, *pair)
    if _root(proof.count, current) != root:
        raise StateProofError("the proof does not lead to the state root")
    return found


def _root(count: int, top: bytes) -> bytes:
    return tagged_hash32(TAG_ROOT, u64(count), top)
