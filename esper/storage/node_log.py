"""The nodes of a mountain range in the index, so that a path to any of its items can be had.

prefix || level as u8 || index as u64
"""

from collections.abc import Iterator, Sequence

from esper.primitives.hashing import u64
from esper.primitives.mmr import Mmr, Place, peak_places
from esper.storage.errors import REINDEX, StorageError
from esper.storage.kv.store_port import KeyValueView, Write


class NodeMissingError(StorageError):
    """The index lacks a node of a mountain range."""

    def __init__(self, what: str, place: Place) -> None:
        super().__init__(f"the index has no {what} node {place}; {REINDEX}")


class NodeLog:
    """All nodes of one range, under keys of their own."""

    def __init__(self, store: KeyValueView, prefix: bytes, what: str) -> None:
        """``what`` the range is over, for errors."""
        self._store = store
        self._prefix = prefix
        self._what = what

    def range(self, count: int) -> Mmr:
        """The range over the first ``count`` items. Raises NodeMissingError."""
        return Mmr(count, tuple(self.node(place) for place in peak_places(count)))

    def append(self, count: int, items: Sequence[bytes]) -> Iterator[Write]:
        """The writes that put the nodes of ``items`` behind those of the first ``count``."""
        _, added = self.range(count).extended(items)
        for place, node in added:
            yield self._key(place), node

    def remove(self, kept: int, count: int) -> Iterator[Write]:
        """The writes that take off all but the nodes of the first ``kept`` of ``count`` items."""
        for level in range(count.bit_length()):
            for index in range(kept >> level, count >> level):
                yield self._key((level, index)), None

    def node(self, place: Place) -> bytes:
        """64 bytes: the node at a place. Raises NodeMissingError."""
        found = self._store.get(self._key(place))
        if found is None:
            raise NodeMissingError(self._what, place)
        return found

    def _key(self, place: Place) -> bytes:
        level, index = place
        return self._prefix + bytes([level]) + u64(index)


def block_nodes(store: KeyValueView) -> NodeLog:
    """The range over the blocks of the chain but the tip: see ``consensus.context.block_leaf``."""
    return NodeLog(store, b"n", "block")
