"""Branches that leave the chain deeper than it goes back by itself: kept until one is stood on.

Only a node that was never current has any: it has no finality yet, and goes back however far for
more weight. They are no part of the tree, so nothing is followed by itself. What is kept had its
work proven.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.node.chain.branches import NoRoomBesideError
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters
from esper.saying import warn
from esper.storage.chain_store import ChainStore
from esper.storage.side_blocks import FAR_FOLDER, SideBlockError, SideBlocks

LOG: Final = logging.getLogger("esper.chain")
MOST_REFUSED: Final = 4_096
"""Ids of blocks that failed when they were stood on."""

HeadersOf = Callable[[BlockId], HeaderChain | None]


@dataclass(frozen=True, slots=True)
class _Far:
    parent: BlockId
    headers: HeaderChain
    size: int


class FarBranches:
    """The far branches of a data directory, within a bound. One thread writes, any reads."""

    def __init__(
        self, store: ChainStore, params: NetworkParameters, headers_of: HeadersOf, most_bytes: int
    ) -> None:
        """``headers_of`` knows every other block that one of these may build on."""
        self._store = store
        self._params = params
        self._headers_of = headers_of
        self._most_bytes = most_bytes
        self.most_blocks = params.governance.horizon + 1
        """A branch that was proven up to its horizon is stood on or given up."""
        self._disk = SideBlocks(store.datadir, FAR_FOLDER)
        self._blocks: dict[BlockId, _Far] = {}
        self._refused: dict[BlockId, None] = {}
        self._bytes = 0

    def __contains__(self, block_id: BlockId) -> bool:
        return block_id in self._blocks

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def taken(self) -> int:
        """Bytes on disk."""
        return self._bytes

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a block of these, None for others."""
        far = self._blocks.get(block_id)
        return None if far is None else far.headers

    def parent_of(self, block_id: BlockId) -> BlockId | None:
        """The block below one of these, None for others."""
        far = self._blocks.get(block_id)
        return None if far is None else far.parent

    def get(self, block_id: BlockId) -> BlockBytes:
        """A block that is kept. Raises SideBlockError."""
        return self._disk.get(block_id)

    def check_may_come(self, block_id: BlockId, parent_id: BlockId) -> HeaderChain:
        """The branch that a block builds on.

        Raises UnknownParentViolation and InvalidAncestorViolation.
        """
        if block_id in self._refused or parent_id in self._refused:
            raise InvalidAncestorViolation(block_id, parent_id)
        parent = self.headers_of(parent_id) or self._headers_of(parent_id)
        if parent is None:
            raise UnknownParentViolation(parent_id)
        return parent

    def __iter__(self) -> Iterator[BlockId]:
        """The ids, a parent before its children."""
        return iter(self._blocks)

    def has_room(self, data: BlockBytes) -> bool:
        """Whether a block fits without another leaving for it."""
        fits = self._bytes + _size(data) <= self._most_bytes
        return fits and len(self._blocks) < self.most_blocks

    def keep(self, block_id: BlockId, headers: HeaderChain, data: BlockBytes) -> None:
        """Keep a block; the oldest of other branches leave for it if there is no room.

        Raises what ``check_may_come`` raises, NoRoomBesideError, DiskReserveError, and OSError if
        the system refuses.
        """
        parent = read_header(data.header, self._params.limits).pre.parent
        self.check_may_come(block_id, parent)
        if block_id in self._blocks:
            return
        self._store.options.check_reserve(self._store.datadir)
        while not self.has_room(data):
            self._make_room(block_id, parent)
        self._disk.put(block_id, data)
        size = self._disk.size(block_id)
        self._blocks[block_id] = _Far(parent, headers, size)
        self._bytes += size

    def drop(self, block_id: BlockId) -> None:
        """Delete a block, if it is here."""
        far = self._blocks.pop(block_id, None)
        if far is not None:
            self._disk.remove(block_id)
            self._bytes -= far.size

    def refuse(self, block_id: BlockId) -> None:
        """A block failed on its parent's state: it may not come again, nor what builds on it."""
        for one in self._forget(block_id):
            self._refused[one] = None
        while len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]

    def clear(self) -> None:
        """Nothing below the undo depth is ever stood on any more."""
        for block_id in tuple(self._blocks):
            self.drop(block_id)

    def _forget(self, first: BlockId) -> set[BlockId]:
        gone = {first}
        for one, far in tuple(self._blocks.items()):
            if far.parent in gone:
                gone.add(one)
        for one in gone:
            self.drop(one)
        return gone

    def _make_room(self, block_id: BlockId, parent: BlockId) -> None:
        """Forget the oldest block on which the arriving one does not build, and what builds on it.

        Its order is that of arrival: who is built on came before.
        """
        own = set()
        at: BlockId | None = parent
        while at is not None:
            own.add(at)
            at = self.parent_of(at)
        oldest = next((one for one in self._blocks if one not in own), None)
        if oldest is None:
            raise NoRoomBesideError(block_id, self._most_bytes)
        self._forget(oldest)

    def take_up(self) -> None:
        """What an earlier run kept; what builds on nothing that is here is deleted."""
        waiting = []
        for block_id in tuple(self._disk):
            try:
                header = read_header(self._disk.get(block_id).header, self._params.limits)
            except (SideBlockError, RuleViolation) as error:
                warn(
                    LOG,
                    "branch_lost",
                    "a block beside the chain is damaged and forgotten with its branch: {reason}",
                    reason=str(error),
                    block=block_id.hex(),
                )
                self._disk.remove(block_id)
                continue
            waiting.append((header.pre.height, block_id, header))
        for _, block_id, header in sorted(waiting, key=lambda item: item[:2]):
            parent_id = header.pre.parent
            parent = self.headers_of(parent_id) or self._headers_of(parent_id)
            if parent is None or header.pre.height > parent.horizon:
                self._disk.remove(block_id)
                continue
            size = self._disk.size(block_id)
            self._blocks[block_id] = _Far(parent_id, parent.extended_by_header(header), size)
            self._bytes += size


def _size(data: BlockBytes) -> int:
    return len(data.header) + len(data.body) + len(data.proof)
