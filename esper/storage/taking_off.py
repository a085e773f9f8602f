"""Blocks that leave a chain whose index cannot take them off: the journal says it alone."""

from collections.abc import Sequence
from pathlib import Path

from esper.primitives.ids import BlockId
from esper.storage.datadir_lock import DirectoryLock
from esper.storage.segments.block_files import BLOCK_FOLDER, TipRemoved, journal_payload
from esper.storage.segments.segment_writer import SegmentWriter


def take_off(datadir: Path, gone: Sequence[BlockId]) -> None:
    """Say in the journal that blocks left the chain, the tip first; a crash may keep some.

    The index does not know of it and is to be built anew. Raises DirectoryLockedError and
    WriteFailedError.
    """
    with DirectoryLock(datadir):
        writer = SegmentWriter(datadir / BLOCK_FOLDER)
        for block_id in gone:
            writer.stage(journal_payload(TipRemoved(block_id)))
        writer.commit()
