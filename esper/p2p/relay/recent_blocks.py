"""The last proven blocks, in memory.

What is relayed is served from here, and compact blocks are filled from here whose transactions have
just left the mempool. The network page, section 5.
"""

from collections import OrderedDict
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.p2p.limits import RECENT_BLOCKS, RECENT_BYTES
from esper.p2p.relay.compact import BlockParts
from esper.primitives.ids import BlockId

_PREFIX_COST: Final = 150
"""Bytes of memory that an entry of the index takes, about."""


class _Recent:
    """A block that is split into its parts when somebody first wants them."""

    __slots__ = ("_block_id", "_data", "_index", "_parts", "size")

    def __init__(self, block_id: BlockId, data: BlockBytes | BlockParts) -> None:
        self._block_id = block_id
        self._data = data
        self._parts = data if isinstance(data, BlockParts) else None
        self._index: dict[bytes, int] | None = None
        self.size = _size(data)

    @property
    def parts(self) -> BlockParts:
        if self._parts is None:
            assert isinstance(self._data, BlockBytes)
            self._parts = BlockParts.of_bytes(self._block_id, self._data)
            self._data = self._parts
        return self._parts

    def by_prefix(self, prefix: bytes) -> bytes | None:
        parts = self.parts
        if self._index is None:
            self._index = {one: index for index, one in enumerate(parts.prefixes)}
        index = self._index.get(prefix)
        return None if index is None else parts.transactions[index]


class RecentBlocks:
    """The last 8 proven blocks of any branch, at most 12 MiB of them."""

    def __init__(self, most: int = RECENT_BLOCKS, most_bytes: int = RECENT_BYTES) -> None:
        """``most`` blocks of ``most_bytes`` together."""
        self._most = most
        self._most_bytes = most_bytes
        self._blocks: OrderedDict[BlockId, _Recent] = OrderedDict()
        self._bytes = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._blocks)

    @property
    def held_bytes(self) -> int:
        """Their bytes."""
        return self._bytes

    def add(self, block_id: BlockId, data: BlockBytes | BlockParts) -> None:
        """Keeps a proven block; the oldest ones go until the limits hold."""
        if block_id in self._blocks:
            return
        block = _Recent(block_id, data)
        self._blocks[block_id] = block
        self._bytes += block.size
        while len(self._blocks) > self._most or self._bytes > self._most_bytes:
            _, oldest = self._blocks.popitem(last=False)
            self._bytes -= oldest.size

    def get(self, block_id: bytes) -> BlockParts | None:
        """A block that is kept."""
        block = self._blocks.get(BlockId(block_id))
        return None if block is None else block.parts

    def by_prefix(self, prefix: bytes) -> tuple[bytes, ...]:
        """The transactions of a prefix in these blocks, each once."""
        found = (block.by_prefix(prefix) for block in self._blocks.values())
        return tuple(dict.fromkeys(one for one in found if one is not None))


def _size(data: BlockBytes | BlockParts) -> int:
    if isinstance(data, BlockBytes):
        return len(data.header) + len(data.body) + len(data.proof)
    lists = (data.transactions, data.results, data.groups)
    return (
        len(data.header)
        + len(data.outputs)
        + len(data.proof)
        + sum(len(item) for items in lists for item in items)
        + len(data.transactions) * _PREFIX_COST
    )
