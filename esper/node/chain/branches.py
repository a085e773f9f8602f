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
from esper.primitives.params import NetworkParameters
from esper.storage.chain_store import ChainStore
from esper.storage.errors import StorageError
from esper.storage.side_blocks import SideBlocks

LEAST_SIDE_BYTES: Final = 1 << 30
"""However small a network's blocks are."""
HEADERS_ONLY: Final = 4_096
"""Most blocks beside the chain of which the header alone is kept, a few kilobytes each."""


def side_bytes_of(params: NetworkParameters) -> int:
    """Most bytes of blocks beside the chain: a branch of full blocks fits up to its horizon.

    Not counted is what a change of chain took off: it was the chain, which is what it cost, and
    the way back must not be shut by how long it is.
    """
    limits = params.limits
    whole = limits.header_bytes + limits.body_bytes + limits.proof_bytes
    # One more comes before the lightest leaves.
    return max(LEAST_SIDE_BYTES, (params.governance.horizon + 1) * whole)


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
    limit: int
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
        among = self._sizes.keys() - self._aside
        leaving: list[BlockId] = []
        freed = 0
        while self.taken - freed + size > self.limit:
            # All of them are found first: a block that is refused after all leaves no trace.
            with_it = self._next_to_leave(block_id, among)
            leaving.append(with_it[0])
            freed += sum(self._sizes[one] for one in among.intersection(with_it))
            among.difference_update(with_it)
        self._put(block_id, data)
        self._bytes += self._sizes[block_id]
        return self._forget_all(leaving)

    def keep_bare(self, block_id: BlockId) -> tuple[BlockId, ...]:
        """Remember a block whose branch cannot be followed by its header alone.

        Returns ids of blocks that left the tree for it. Raises NoRoomBesideError.
        """
        among = set(self._bare)
        leaving: list[BlockId] = []
        while len(among) + 1 > HEADERS_ONLY:
            with_it = self._next_to_leave(block_id, among)
            leaving.append(with_it[0])
            among.difference_update(with_it)
        self._bare.add(block_id)
        return self._forget_all(leaving)

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

    def _next_to_leave(self, block_id: BlockId, among: Collection[BlockId]) -> list[BlockId]:
        """The lightest of some blocks, and all that builds on it. Raises NoRoomBesideError."""
        lightest = self._lightest(block_id, among)
        if lightest is None:
            raise NoRoomBesideError(block_id, self.limit)
        found = [lightest]
        for one in found:
            found += self.tree.children(one)
        return found

    def _forget_all(self, leaving: Collection[BlockId]) -> tuple[BlockId, ...]:
        return tuple(gone for one in leaving if one in self.tree for gone in self.forget(one))

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
