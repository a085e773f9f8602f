"""Blocks on disk: headers with bodies in one set of segments, proofs in another.

Proofs are apart because they are large and may be deleted below the pruning depth. A proof is
written before its block, so every block on disk has had its proof there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from esper.consensus.chain import BlockBytes
from esper.primitives.codec import CodecError, FixedBytes, Record, VarBytes, decode, encode
from esper.primitives.hashing import HASH_BYTES
from esper.storage.segments import MAX_RECORD_BYTES, Locator, SegmentReader, SegmentWriter

R = TypeVar("R")

RECORD_VERSION: Final = 1
BLOCK_FOLDER: Final = "blocks"
PROOF_FOLDER: Final = "proofs"


class BlockFileError(Exception):
    """A sound record that is no block or proof record, or a block whose proof is missing."""


@dataclass(frozen=True, slots=True)
class _BlockRecord:
    block_id: bytes
    header: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class _ProofRecord:
    block_id: bytes
    proof: bytes


_BLOCK: Final = Record(
    _BlockRecord,
    RECORD_VERSION,
    (
        ("block_id", FixedBytes(HASH_BYTES)),
        ("header", VarBytes(MAX_RECORD_BYTES)),
        ("body", VarBytes(MAX_RECORD_BYTES)),
    ),
)
_PROOF: Final = Record(
    _ProofRecord,
    RECORD_VERSION,
    (("block_id", FixedBytes(HASH_BYTES)), ("proof", VarBytes(MAX_RECORD_BYTES))),
)


class BlockFiles:
    """The blocks of a data directory, in the order in which they were added."""

    def __init__(self, datadir: Path) -> None:
        self._blocks = SegmentReader(datadir / BLOCK_FOLDER)
        self._proofs = SegmentReader(datadir / PROOF_FOLDER)

    def __iter__(self) -> Iterator[BlockBytes]:
        """Every block with its proof.

        Raises SegmentError for damage, BlockFileError for records that are no blocks or a proof
        that is missing. The bytes inside are not judged.
        """
        proofs = self._proof_places()
        for place, payload in self._blocks:
            record = self._decoded(_BLOCK, payload, place, self._blocks)
            if record.block_id not in proofs:
                raise BlockFileError(
                    f"{self._blocks.path(place.file)} at byte {place.offset}: the proof of block "
                    f"{record.block_id.hex()[:16]} is missing from {self._proofs.folder}"
                )
            found = proofs[record.block_id]
            proof = self._decoded(_PROOF, self._proofs.read(found), found, self._proofs)
            yield BlockBytes(record.header, record.body, proof.proof)

    def _proof_places(self) -> dict[bytes, Locator]:
        return {
            self._decoded(_PROOF, payload, place, self._proofs).block_id: place
            for place, payload in self._proofs
        }

    @staticmethod
    def _decoded(codec: Record[R], payload: bytes, place: Locator, reader: SegmentReader) -> R:
        try:
            return decode(codec, payload, limit=MAX_RECORD_BYTES, what="record")
        except CodecError as error:
            raise BlockFileError(
                f"{reader.path(place.file)} at byte {place.offset}: {error}"
            ) from error


class BlockFileWriter:
    """Adds blocks to a data directory."""

    def __init__(self, datadir: Path) -> None:
        """Open for appending; raises SegmentError if the last files are damaged."""
        self._blocks = SegmentWriter(datadir / BLOCK_FOLDER)
        self._proofs = SegmentWriter(datadir / PROOF_FOLDER)

    def append(self, block_id: bytes, block: BlockBytes) -> None:
        """Add a block; proof and block are on disk when this returns."""
        self._proofs.append(encode(_PROOF, _ProofRecord(block_id, block.proof)))
        self._blocks.append(encode(_BLOCK, _BlockRecord(block_id, block.header, block.body)))
