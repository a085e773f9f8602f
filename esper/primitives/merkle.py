"""Binary Merkle tree over a list of byte strings, bound to its use and to its length.

    leaf  = H(esper/merkle/leaf/v1, item)
    node  = H(esper/merkle/node/v1, left || right)
    root  = H(esper/merkle/root/v1, use || count as u64 || top)

``use`` is the 32-byte tag of what the list holds, so equal lists of transactions and of results
have different roots. Levels pair neighbours from the left; the odd one at the end moves up
unchanged and is never paired with itself (the duplicated last leaf of other chains gives two lists
one root). The count in the root fixes the shape, so a path has exactly one admissible length. The
empty list has a top of 64 zero bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.primitives.hashing import (
    HASH_BYTES,
    Tag,
    make_tag,
    tagged_hash,
    tagged_hashes,
    u64,
)

TAG_LEAF: Final = make_tag("esper/merkle/leaf/v1")
TAG_NODE: Final = make_tag("esper/merkle/node/v1")
TAG_ROOT: Final = make_tag("esper/merkle/root/v1")

EMPTY_TOP: Final = bytes(HASH_BYTES)


def leaf_hash(item: bytes) -> bytes:
    """The 64-byte hash of one item."""
    return tagged_hash(TAG_LEAF, item)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 64-byte hash of two neighbouring hashes."""
    return tagged_hash(TAG_NODE, left, right)


def root_from_top(use: Tag, count: int, top: bytes) -> bytes:
    """The 64-byte root of a tree of ``count`` leaves whose uppermost hash is ``top``."""
    return tagged_hash(TAG_ROOT, use, u64(count), top)


@dataclass(frozen=True, slots=True)
class MerkleTree:
    """A tree with all its levels in memory, for roots and openings. Build it with ``build``."""

    use: Tag
    """What the list holds."""
    levels: tuple[tuple[bytes, ...], ...]
    """Hashes from the leaves upwards; the last level has one hash. Empty for the empty list."""

    @classmethod
    def build(cls, use: Tag, items: Sequence[bytes]) -> "MerkleTree":
        """Hash ``items`` (any lengths, any number) into a tree."""
        levels: list[tuple[bytes, ...]] = []
        level = tuple(tagged_hashes(TAG_LEAF, items))
        while level:
            levels.append(level)
            if len(level) == 1:
                break
            level = _next_level(level)
        return cls(use=use, levels=tuple(levels))

    @property
    def count(self) -> int:
        """Number of leaves."""
        return len(self.levels[0]) if self.levels else 0

    @property
    def root(self) -> bytes:
        """64 bytes."""
        top = self.levels[-1][0] if self.levels else EMPTY_TOP
        return root_from_top(self.use, self.count, top)

    def path(self, index: int) -> tuple[bytes, ...]:
        """The siblings from leaf ``index`` upwards; levels where it has none are left out.

        Raises IndexError if there is no such leaf.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"leaf {index} of a tree of {self.count}")
        siblings: list[bytes] = []
        for level in self.levels[:-1]:
            if index ^ 1 < len(level):
                siblings.append(level[index ^ 1])
            index >>= 1
        return tuple(siblings)


def merkle_root(use: Tag, items: Sequence[bytes]) -> bytes:
    """The 64-byte root of a list."""
    return MerkleTree.build(use, items).root


def path_length(index: int, count: int) -> int:
    """How many siblings the path of leaf ``index`` has in a tree of ``count`` leaves."""
    siblings = 0
    while count > 1:
        siblings += int(index ^ 1 < count)
        index >>= 1
        count = (count + 1) >> 1
    return siblings


def verify_path(
    use: Tag, root: bytes, count: int, index: int, item: bytes, path: Sequence[bytes]
) -> bool:
    """Whether ``item`` is leaf ``index`` of the tree of ``count`` leaves with this ``root``.

    False for an index outside the tree, a path of another length and siblings that are not 64
    bytes; never raises on bad input.
    """
    if not 0 <= index < count < 1 << 64 or len(path) != path_length(index, count):
        return False
    if any(len(sibling) != HASH_BYTES for sibling in path):
        return False
    siblings = iter(path)
    current = leaf_hash(item)
    position, width = index, count
    while width > 1:
        if position ^ 1 < width:
            sibling = next(siblings)
            pair = (sibling, current) if position & 1 else (current, sibling)
            current = node_hash(*pair)
        position >>= 1
        width = (width + 1) >> 1
    return root_from_top(use, count, current) == root


def _next_level(level: tuple[bytes, ...]) -> tuple[bytes, ...]:
    pairs = [level[i] + level[i + 1] for i in range(0, len(level) - 1, 2)]
    return (*tagged_hashes(TAG_NODE, pairs), *level[2 * len(pairs) :])
