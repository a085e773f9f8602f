"""Blocks by id, on the chain or beside it, from any thread and without the chain's lock.

A block that is kept lies in the journal, in a file beside the chain, or in both: a change of chain
writes the second before it takes the first out of the index, and the other way round. So whoever
looks at the chain, then beside it, then at the chain again finds it, whatever goes on meanwhile.
What was left behind for another branch far below stays in the journal, and is found there.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from esper.consensus.chain import BlockBytes
from esper.consensus.header import decode_header
from esper.primitives.ids import BlockId
from esper.storage.chain_index import BlockEntry
from esper.storage.chain_reader import ChainReader
from esper.storage.errors import ProofPrunedError, UnknownBlockError
from esper.storage.side_blocks import SideBlockError, SideBlocks

T = TypeVar("T")


class BlockReader:
    """The blocks of an open store."""

    def __init__(self, as_of_now: Callable[[], ChainReader], side: SideBlocks) -> None:
        """``as_of_now`` gives the chain as it is at the call, whatever is written later."""
        self._as_of_now = as_of_now
        self._side = side

    def header(self, block_id: BlockId) -> bytes:
        """The header of a block. Raises UnknownBlockError, SegmentError, BlockFileError."""
        return self._found(block_id, ChainReader.header_at, lambda kept: kept.header)

    def body(self, block_id: BlockId) -> bytes:
        """The body of a block. Raises what ``header`` does."""

        def on_chain(chain: ChainReader, entry: BlockEntry) -> bytes:
            return chain.block_at(entry).body

        return self._found(block_id, on_chain, lambda kept: kept.body)

    def proof(self, block_id: BlockId) -> bytes:
        """The proof of a block. Raises ProofPrunedError besides what ``header`` does."""

        def on_chain(chain: ChainReader, entry: BlockEntry) -> bytes:
            try:
                return chain.proof_at(entry, 0)
            except ProofPrunedError:
                raise _pruned(chain.header_at(entry)) from None

        def beside(kept: BlockBytes) -> bytes:
            if not kept.proof:
                raise _pruned(kept.header)
            return kept.proof

        return self._found(block_id, on_chain, beside)

    def parts(self, block_id: BlockId) -> BlockBytes:
        """All of a block. Raises what ``proof`` does."""
        header = self.header(block_id)
        return BlockBytes(header, self.body(block_id), self.proof(block_id))

    def height_of(self, block_id: BlockId) -> int | None:
        """The height of a block of the chain, 0 of the genesis; None for any other."""
        return _height(self._as_of_now(), block_id)

    def id_at(self, height: int) -> BlockId:
        """The block of the chain at a height. Raises UnknownBlockError."""
        chain = self._as_of_now()
        if height == 0:
            return chain.index.genesis.block_id
        if not 0 < height <= chain.tip.height:
            raise UnknownBlockError(f"there is no block at height {height}")
        return chain.index.entry(height).block_id

    def headers_after(
        self, locator: Sequence[BlockId], most: int
    ) -> tuple[BlockId, tuple[bytes, ...]]:
        """The chain's headers above the first block of ``locator`` that is on it, at most ``most``.

        The first of the two is that block, the genesis if none is on the chain. The headers ascend
        from its child. Raises SegmentError and BlockFileError.
        """
        chain = self._as_of_now()
        heights = (_height(chain, one) for one in locator)
        fork = next((height for height in heights if height is not None), 0)
        genesis = chain.index.genesis.block_id
        above = range(fork + 1, min(fork + most, chain.tip.height) + 1)
        fork_id = chain.index.entry(fork).block_id if fork else genesis
        return fork_id, tuple(chain.header(height) for height in above)

    @property
    def proofs_from(self) -> int:
        """The lowest height from which every proof of the chain is kept, at least 1."""
        return self._as_of_now().index.proofs_from

    def _found(
        self,
        block_id: BlockId,
        on_chain: Callable[[ChainReader, BlockEntry], T],
        beside: Callable[[BlockBytes], T],
    ) -> T:
        for last in (False, True):
            chain = self._as_of_now()
            height = chain.index.height_of(block_id)
            entry = chain.index.left(block_id) if height is None else chain.index.entry(height)
            if entry is not None:
                return on_chain(chain, entry)
            if not last:
                try:
                    return beside(self._side.get(block_id))
                except SideBlockError:
                    # Damaged or not there, for whoever asks that is one and the same.
                    continue
        raise UnknownBlockError(f"block {block_id.hex()[:16]} is not kept here")


def _pruned(header: bytes) -> ProofPrunedError:
    return ProofPrunedError(decode_header(header, len(header)).pre.height)


def _height(chain: ChainReader, block_id: BlockId) -> int | None:
    if block_id == chain.index.genesis.block_id:
        return 0
    return chain.index.height_of(block_id)
