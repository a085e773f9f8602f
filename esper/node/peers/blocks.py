"""Blocks of this node for peers, read in threads."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from esper.consensus.chain import BlockBytes
from esper.p2p.service.answering import NotHere
from esper.p2p.wire.talk_messages import REFUSED_PRUNED, REFUSED_UNKNOWN
from esper.primitives.ids import BlockId
from esper.storage.block_reader import BlockReader
from esper.storage.errors import ProofPrunedError, StorageError

T = TypeVar("T")

READING_THREADS: Final = 4
"""Peers read history with so many: the chain's own threads stay free."""


class NodeBlocks:
    """A ``BlockSource``."""

    def __init__(self, reader: BlockReader) -> None:
        self._reader = reader
        self._threads = trio.CapacityLimiter(READING_THREADS)

    async def headers_after(
        self, locator: tuple[bytes, ...], most: int
    ) -> tuple[bytes, tuple[bytes, ...]]:
        """See ``BlockSource``."""
        ids = [BlockId(one) for one in locator]
        return await self._read(lambda: self._reader.headers_after(ids, most))

    async def body(self, block_id: bytes) -> bytes:
        """See ``BlockSource``."""
        return await self._read(lambda: self._reader.body(BlockId(block_id)))

    async def proof(self, block_id: bytes) -> bytes:
        """See ``BlockSource``."""
        return await self._read(lambda: self._reader.proof(BlockId(block_id)))

    async def whole(self, block_id: BlockId) -> BlockBytes:
        """All of a block. Raises NotHere."""
        return await self._read(lambda: self._reader.parts(block_id))

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._threads)
        except ProofPrunedError as error:
            raise NotHere(REFUSED_PRUNED) from error
        except (StorageError, LookupError, OSError) as error:
            # Damaged, not there, or a disk that cannot be read: for whoever asks that is the same.
            raise NotHere(REFUSED_UNKNOWN) from error
