"""Which blocks of a chain have lost their proof, found by reading the proofs.

A proof that was pruned is no loss, nor is one that a repair gave up.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from esper.primitives.ids import BlockId
from esper.storage.chain_reader import ChainReader
from esper.storage.errors import ProofPrunedError, StorageError
from esper.storage.segments.segment_reader import Locator


@dataclass(frozen=True, slots=True)
class ProofDamage:
    """A block whose proof is not to be had here."""

    height: int
    """Of the block."""
    block_id: BlockId
    """64 bytes."""
    reason: str
    """What was found, with the file and the byte where there is one."""
    is_needed: bool
    """Whether the block stands within the pruning depth, where every node must have its proof."""


def damaged_proofs(
    reader: ChainReader, pruning_depth: int, newest_bytes: int | None = None
) -> list[ProofDamage]:
    """All damage, the highest block first; with ``newest_bytes`` of so many bytes of proofs alone.

    Raises what reading the index raises.
    """
    return list(_walk(reader, pruning_depth, newest_bytes))


def _walk(
    reader: ChainReader, pruning_depth: int, newest_bytes: int | None
) -> Iterator[ProofDamage]:
    index, tip = reader.index, reader.tip.height
    first, missing, read = reader.first_proof_file, list[ProofDamage](), 0
    for height in range(tip, 0, -1):
        if newest_bytes is not None and read > newest_bytes:
            return
        entry, is_needed = index.entry(height), height > tip - pruning_depth
        if not entry.proof:
            reason = f"it is not in {reader.proof_folder}"
            missing.append(ProofDamage(height, entry.block_id, reason, is_needed))
            continue
        if Locator(*entry.proof[0]).file < first:
            # Pruned, and so is everything below; what is missing right above was pruned with it.
            return
        yield from missing
        missing.clear()
        try:
            read += len(reader.proof(height))
        except ProofPrunedError:
            # Given up by a repair.
            continue
        except StorageError as error:
            yield ProofDamage(height, entry.block_id, str(error), is_needed)
    if first == 0:
        yield from missing
