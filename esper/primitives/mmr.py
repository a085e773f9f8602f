"""Merkle mountain range: a list that only grows, of which a handful of hashes is kept.

    leaf  = H(esper/mmr/leaf/v1, item)
    node  = H(esper/mmr/node/v1, left || right)
    root  = H(esper/mmr/root/v1, use || count as u64 || peaks, tallest first)

Leaves pair up into perfect trees, one for each 1 in the binary form of the count; their tops are
the peaks. Appending merges equal neighbours, as carrying in an addition does, and never changes a
node that exists. The count in the root fixes the number of peaks and the length of every path.
``use`` is the 32-byte tag of what the list holds.
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

TAG_LEAF: Final = make_tag("esper/mmr/leaf/v1")
TAG_NODE: Final = make_tag("esper/mmr/node/v1")
TAG_ROOT: Final = make_tag("esper/mmr/root/v1")

MAX_COUNT: Final = (1 << 64) - 1

Place = tuple[int, int]
"""Level (0 for leaves) and index within the level of a node."""


@dataclass(frozen=True, slots=True)
class Mmr:
    """What is kept of a list to go on appending to it."""

    count: int = 0
    """Number of items."""
    peaks: tuple[bytes, ...] = ()
    """64-byte tops of the perfect trees, tallest first; as many as ``count`` has ones."""

    def extended(self, items: Sequence[bytes]) -> tuple["Mmr", tuple[tuple[Place, bytes], ...]]:
        """The range with these items behind its own, and the nodes that they add, leaves first."""
        count = self.count + len(items)
        known = dict(zip(peak_places(self.count), self.peaks, strict=True))
        added: list[tuple[Place, bytes]] = []
        level, index, nodes = 0, self.count, tagged_hashes(TAG_LEAF, items)
        while nodes:
            added += [((level, index + place), node) for place, node in enumerate(nodes)]
            if index & 1:
                # Its left neighbour is a peak of before.
                nodes.insert(0, known[level, index - 1])
            pairs = [nodes[i] + nodes[i + 1] for i in range(0, len(nodes) - 1, 2)]
            level, index, nodes = level + 1, index >> 1, tagged_hashes(TAG_NODE, pairs)
        known.update(added)
        return Mmr(count, tuple(known[place] for place in peak_places(count))), tuple(added)

    def root(self, use: Tag) -> bytes:
        """64 bytes."""
        return _root(use, self.count, self.peaks)


@dataclass(frozen=True, slots=True)
class MmrProof:
    """That one item stands in a list."""

    index: int
    """Which item, from 0."""
    siblings: tuple[bytes, ...]
    """64-byte hashes beside the way from the leaf to its peak."""
    other_peaks: tuple[bytes, ...]
    """The peaks of the other trees, tallest first."""


def leaf_hash(item: bytes) -> bytes:
    """The 64-byte hash of one item."""
    return tagged_hash(TAG_LEAF, item)


def node_hash(left: bytes, right: bytes) -> bytes:
    """The 64-byte hash of two neighbours."""
    return tagged_hash(TAG_NODE, left, right)


def peak_places(count: int) -> tuple[Place, ...]:
    """Where the peaks of a list of ``count`` items stand, tallest first."""
    return tuple(
        (level, (count >> level) - 1)
        for level in reversed(range(count.bit_length()))
        if count >> level & 1
    )


def sibling_places(index: int, count: int) -> tuple[Place, ...]:
    """Where the siblings of item ``index`` stand, from the leaf upwards.

    Raises IndexError if there is no such item.
    """
    tree = _tree_of(index, count)
    if tree is None:
        raise IndexError(f"item {index} of a list of {count}")
    height = peak_places(count)[tree][0]
    return tuple((level, index >> level ^ 1) for level in range(height))


def verify_proof(use: Tag, root: bytes, count: int, item: bytes, proof: MmrProof) -> bool:
    """Whether ``item`` stands at the proof's index in the list of ``count`` with this ``root``.

    False for an index outside the list, another number of hashes than the count fixes, or hashes
    that are not 64 bytes; never raises on bad input.
    """
    if not 0 <= proof.index < count <= MAX_COUNT:
        return False
    places = peak_places(count)
    tree = _tree_of(proof.index, count)
    if tree is None or len(proof.other_peaks) != len(places) - 1:
        return False
    if len(proof.siblings) != places[tree][0]:
        return False
    if any(len(found) != HASH_BYTES for found in (*proof.siblings, *proof.other_peaks)):
        return False
    current, index = leaf_hash(item), proof.index
    for sibling in proof.siblings:
        current = node_hash(sibling, current) if index & 1 else node_hash(current, sibling)
        index >>= 1
    peaks = (*proof.other_peaks[:tree], current, *proof.other_peaks[tree:])
    return _root(use, count, peaks) == root


def _tree_of(index: int, count: int) -> int | None:
    """Which of the perfect trees holds an item, None if none does."""
    if index < 0:
        return None
    for tree, (level, place) in enumerate(peak_places(count)):
        if index >> level <= place:
            return tree
    return None


def _root(use: Tag, count: int, peaks: Sequence[bytes]) -> bytes:
    return tagged_hash(TAG_ROOT, use, u64(count), *peaks)
