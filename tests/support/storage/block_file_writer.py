"""Block files without an index: what a store would leave of the blocks that it is given."""

from pathlib import Path

from esper.consensus.chain import BlockBytes
from esper.primitives.ids import BlockId
from esper.storage.segments.block_files import (
    BLOCK_FOLDER,
    PROOF_FOLDER,
    BlockAdded,
    StoredProof,
    journal_payload,
    proof_payload,
)
from esper.storage.segments.segment_writer import SegmentWriter


class BlockFileWriter:
    """Adds blocks to a data directory."""

    def __init__(self, datadir: Path) -> None:
        self._blocks = SegmentWriter(datadir / BLOCK_FOLDER)
        self._proofs = SegmentWriter(datadir / PROOF_FOLDER)

    def append(self, block_id: BlockId, block: BlockBytes) -> None:
        """Add a block; proof and block are on disk when this returns."""
        self._proofs.append(proof_payload(StoredProof(block_id, block.proof)))
        self._blocks.append(journal_payload(BlockAdded(block_id, block.header, block.body)))
