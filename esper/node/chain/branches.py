"""Branches on disk: what is kept of blocks beside the chain, and how much at most.

A block costs disk only where it may be followed one day, and only as long as its branch is among
the heaviest. What is said to be kept had its work proven first, so it is not proven again.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.consensus.fork_choice import BlockTree
from esper.primitives.ids import BlockId
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError
from esper.storage.side_blocks import SideBlocks

SIDE_BYTES: Final = 1 << 30
"""Most bytes of blocks beside the chain, those apart that a change of chain took off: they were
the chain, which is what they cost, and the way back must not be shut by how long they are."""
HEADERS_ONLY: Final = 4_096
"""Most blocks beside the chain of which the header alone is kept, a few kilobytes each."""


class NoRoomBesideError(StorageError):
    """Blocks beside the chain take all the room they may, and all are heavier than this one."""

    def __init__(self, block_id: BlockId, limit: int) -> None:
        super().__init__(
            f"block {block_id.hex()[:16]} is not kept: blocks beside the chain take {limit >> 20} "
            "MiB already, and all of them weigh more"
        )
        self.block_id = block_id
        """64 bytes."""
        self.limit = limit
        """Bytes that they may take."""


@dataclass(slots=True)
class Branches:
    """Blocks beside the chain of a store, within a bound."""

    store: ChainStore
    """Whose chain they are beside."""
    tree: BlockTree
    """All blocks."""
    limit: int = SIDE_BYTES
    """Bytes."""
    _side: SideBlocks = field(init=False)
    _sizes: dict[BlockId, int] = field(default_factory=dict)
    _aside: set[BlockId] = field(default_factory=set)
    _bare: set[BlockId] = field(default_factory=set)
    _bytes: int = 0

    def __post_init__(self) -> None:
        self._side = SideBlocks(self.store.datadir)
        self._sizes = {block_id: self._side.size(block_id) for block_id in self._side}
        # Which of them were the chain, nobody knows any more.
        self._aside = set(self._sizes)

    @property
    def on_disk(self) -> tuple[BlockId, ...]:
        """Ids of all that lie beside the chain."""
        return tuple(self._sizes)

    @property
    def taken(self) -> int:
        """Bytes that those take which never were the chain, as far as is known."""
        return self._bytes

    def keep(self, block_id: BlockId, data: BlockBytes) -> tuple[BlockId, ...]:
        """Keep a block that is in the tree; lighter ones leave for it if there is no room.

        Returns ids of blocks that left the tree with their branches. Raises NoRoomBesideError if
        nothing is lighter, DiskReserveError, and OSError if the system refuses.
        """
        self.store.options.check_reserve(self.store.datadir)
        size = len(data.header) + len(data.body) + len(data.proof)
        gone: list[BlockId] = []
        while self.taken + size > self.limit:
            lightest = self._lightest(block_id, self._sizes.keys() - self._aside)
            if lightest is None:
                raise NoRoomBesideError(block_id, self.limit)
            gone += self.forget(lightest)
        self._put(block_id, data)
        self._bytes += self._sizes[block_id]
        return tuple(gone)

    def keep_bare(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """Remember a block whose branch cannot be followed by its header alone.

        Returns ids of blocks that left the tree for it. Raises NoRoomBesideError.
        """
        gone: list[BlockId] = []
        self._bare.add(block_id)
        while len(self._bare) > HEADERS_ONLY:
            lightest = self._lightest(block_id, self._bare)
            if lightest is None:
                self._bare.discard(block_id)
                raise NoRoomBesideError(block_id, self.limit)
            gone += self.forget(lightest)
        return tuple(gone)

    def put_aside(self, block_id: BlockId, data: BlockBytes) -> None:
        """Keep a block of the chain that a change of chain is about to take off, whatever room.

        Raises DiskReserveError, and OSError if the system refuses.
        """
        self.store.options.check_reserve(self.store.datadir)
        self.drop(block_id)
        self._put(block_id, data)
        self._aside.add(block_id)

    def get(self, block_id: BlockId) -> BlockBytes:
        """A block that is kept. Raises SideBlockError."""
        return self._side.get(block_id)

    def holds(self, block_id: BlockId) -> bool:
        """Whether a block lies beside the chain as a whole."""
        return block_id in self._sizes

    def never_executed(self, block_id: BlockId) -> bool:
        """Whether a block lies beside the chain that never was part of it, as far as is known."""
        return block_id in self._sizes and block_id not in self._aside

    def is_bare(self, block_id: BlockId) -> bool:
        """Whether of a block the header alone is kept."""
        return block_id in self._bare

    def drop(self, block_id: BlockId) -> None:
        """Delete what is kept of a block, if anything."""
        self._bare.discard(block_id)
        if block_id in self._sizes:
            self._side.remove(block_id)
            size = self._sizes.pop(block_id)
            if block_id in self._aside:
                self._aside.discard(block_id)
            else:
                self._bytes -= size

    def forget(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """Take a block and what builds on it out of the tree and off the disk; their ids."""
        gone = self.tree.forget(block_id)
        for one in gone:
            self.drop(one)
        return gone

    def _put(self, block_id: BlockId, data: BlockBytes) -> None:
        self._side.put(block_id, data)
        self._sizes[block_id] = self._side.size(block_id)

    def _lightest(self, spared: BlockId, among: Collection[BlockId]) -> BlockId | None:
        """The lightest of some blocks on which none of them builds, if lighter than ``spared``.

        What else builds on it, bare or invalid, goes with it: else one cheap header on top of a
        branch would keep all its blocks here for good.
        """
        kept = {*among, spared}
        ends = [one for one in among if one != spared and kept.isdisjoint(self.tree.children(one))]
        lightest = min(ends, key=self.tree.total, default=None)
        if lightest is None or self.tree.total(lightest) >= self.tree.total(spared):
            return None
        return lightest
