"""Blocks on disk: a journal of headers with bodies in one set of segments, proofs in another.

The journal says what happened to the tip, in order: a block was put on top, or the top block was
taken off. Replaying it from the beginning gives the chain, so everything else can be rebuilt.
Proofs are apart because they are large and may be deleted below the pruning depth. A proof is
written before its block, so every block on disk has had its proof there.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from esper.consensus.chain import BlockBytes
from esper.consensus.header import decode_header
from esper.primitives.codec import (
    CodecError,
    FixedBytes,
    Reader,
    Record,
    VarBytes,
    array_head,
    decode,
    encode,
)
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError
from esper.storage.segments.segment_reader import (
    MAX_RECORD_BYTES,
    Locator,
    SegmentError,
    SegmentReader,
)
from esper.storage.segments.voiding import is_void

R = TypeVar("R")

RECORD_VERSION: Final = 1
BLOCK_FOLDER: Final = "blocks"
PROOF_FOLDER: Final = "proofs"


class BlockFileError(StorageError):
    """A sound record that does not belong where it stands, or a block whose proof is missing."""


@dataclass(frozen=True, slots=True)
class BlockAdded:
    """Journal entry: a block became the tip."""

    block_id: BlockId
    """64 bytes."""
    header: bytes
    """Canonical header."""
    body: bytes
    """Canonical body."""


@dataclass(frozen=True, slots=True)
class TipRemoved:
    """Journal entry: the tip was taken off, its parent is the tip again."""

    block_id: BlockId
    """64 bytes: the block taken off."""


@dataclass(frozen=True, slots=True)
class StoredProof:
    """Record of the proof files."""

    block_id: BlockId
    """64 bytes: the block it proves."""
    proof: bytes
    """The work proof; empty where it was lost and given up: no proof is."""


JournalEntry = BlockAdded | TipRemoved

_BLOCK: Final = Record(
    BlockAdded,
    RECORD_VERSION,
    (
        ("block_id", FixedBytes(HASH_BYTES)),
        ("header", VarBytes(MAX_RECORD_BYTES)),
        ("body", VarBytes(MAX_RECORD_BYTES)),
    ),
)
_REMOVED: Final = Record(TipRemoved, RECORD_VERSION, (("block_id", FixedBytes(HASH_BYTES)),))
_PROOF: Final = Record(
    StoredProof,
    RECORD_VERSION,
    (("block_id", FixedBytes(HASH_BYTES)), ("proof", VarBytes(MAX_RECORD_BYTES))),
)
_ID: Final = FixedBytes(HASH_BYTES)
_HEADER: Final = VarBytes(MAX_RECORD_BYTES)
HEADER_WITHIN: Final = 8 << 10
"""Bytes of a journal entry within which its header ends: no network's has more than half of it."""
_REMOVED_HEAD: Final = array_head(len(_REMOVED.fields) + 1)


def journal_payload(entry: JournalEntry) -> bytes:
    """The bytes of a journal entry."""
    return encode(_BLOCK, entry) if isinstance(entry, BlockAdded) else encode(_REMOVED, entry)


def proof_payload(stored: StoredProof) -> bytes:
    """The bytes of a proof record."""
    return encode(_PROOF, stored)


def journal_entry(payload: bytes, place: Locator, reader: SegmentReader) -> JournalEntry:
    """The entry that a sound record of the journal holds. Raises BlockFileError."""
    if payload.startswith(_REMOVED_HEAD):
        return _decoded(_REMOVED, payload, place, reader)
    return _decoded(_BLOCK, payload, place, reader)


def header_at(reader: SegmentReader, place: Locator, block_id: BlockId) -> bytes:
    """The header of the block whose journal entry stands at a place; its body is not read.

    It is compared with the block's id, which covers it. Raises SegmentError and BlockFileError.
    """
    cursor = Reader(reader.read_beginning(place, HEADER_WITHIN))
    where = f"{reader.path(place.file)} at byte {place.offset}"
    try:
        if cursor.array_length("entry") != len(_BLOCK.fields) + 1:
            raise BlockFileError(f"{where}: is not block {block_id.hex()[:16]}")
        cursor.unsigned("entry.version")
        _ID.read(cursor, "entry.block_id")
        found = _HEADER.read(cursor, "entry.header")
        is_it = decode_header(found, HEADER_WITHIN).block_id == block_id
    except CodecError as error:
        raise BlockFileError(f"{where}: {error}") from error
    if not is_it:
        raise BlockFileError(f"{where}: is not the header of block {block_id.hex()[:16]}")
    return found


def stored_proof(payload: bytes, place: Locator, reader: SegmentReader) -> StoredProof:
    """The proof that a sound record of the proof files holds. Raises BlockFileError."""
    return _decoded(_PROOF, payload, place, reader)


class StandingChain:
    """Which places of the journal hold the blocks of the chain, as its entries are read."""

    def __init__(self) -> None:
        self.blocks: list[tuple[BlockId, Locator]] = []
        """Block id and place of every block, from height 1."""

    def apply(self, entry: JournalEntry, place: Locator, reader: SegmentReader) -> None:
        """Raises BlockFileError for an entry that takes off another block than the tip."""
        if isinstance(entry, BlockAdded):
            self.blocks.append((entry.block_id, place))
        elif self.blocks and self.blocks[-1][0] == entry.block_id:
            self.blocks.pop()
        else:
            raise BlockFileError(
                f"{reader.path(place.file)} at byte {place.offset}: takes off block "
                f"{entry.block_id.hex()[:16]}, which is not the tip"
            )


@dataclass(frozen=True, slots=True)
class StandingBlock:
    """A block of the chain as the files have it."""

    height: int
    """Its own."""
    blocks: int
    """How many the chain has."""
    header: bytes
    """Canonical header."""
    body: bytes
    """Canonical body."""
    proof: bytes | None
    """The work proof, None where it was pruned or given up."""


class BlockFiles:
    """The blocks of a data directory that stand, from height 1."""

    def __init__(self, datadir: Path) -> None:
        self._blocks = SegmentReader(datadir / BLOCK_FOLDER)
        self._proofs = SegmentReader(datadir / PROOF_FOLDER)

    def __iter__(self) -> Iterator[BlockBytes]:
        """Every block with its proof.

        Raises SegmentError for damage, BlockFileError for records that are no blocks or a proof
        that is missing. The bytes inside are not judged.
        """
        for found in self.standing(None):
            assert found.proof is not None
            yield BlockBytes(found.header, found.body, found.proof)

    def standing(self, proofs_needed: int | None) -> Iterator["StandingBlock"]:
        """Every block; the newest ``proofs_needed`` have their proof, all if it is None.

        Otherwise proofs may be missing that were pruned or given up, though the chain was longer
        then. Raises what iterating raises.
        """
        chain = self._chain()
        height, places, damage = len(chain.blocks), *self._proof_places()
        needed_above = 0 if proofs_needed is None else height - proofs_needed
        if proofs_needed is not None and self._were_pruned and not damage:
            kept = (number for number, (one, _) in enumerate(chain.blocks, 1) if one in places)
            needed_above = max(needed_above, next(kept, height + 1) - 1)
        for number, (block_id, place) in enumerate(chain.blocks, 1):
            found = places.get(block_id)
            if found is None and number > needed_above:
                raise self._proof_error(number, block_id, place, damage)
            entry = journal_entry(self._blocks.read(place), place, self._blocks)
            proof = None
            if found is not None:
                stored = stored_proof(self._proofs.read(found), found, self._proofs)
                proof = stored.proof if stored.proof or proofs_needed is None else None
            if isinstance(entry, BlockAdded):
                yield StandingBlock(number, height, entry.header, entry.body, proof)

    @property
    def _were_pruned(self) -> bool:
        files = self._proofs.files()
        return bool(files) and files[0] > 0

    @property
    def has_proofs(self) -> bool:
        """Whether there are proof files."""
        return bool(self._proofs.files())

    def proofs_of(self, wanted: Collection[BlockId]) -> Iterator[StoredProof]:
        """Sound proofs of these blocks; damage is passed over. Raises BlockFileError."""
        for found in self._proofs.scan():
            if found.payload is not None and not is_void(found.payload):
                proof = stored_proof(found.payload, found.place, self._proofs)
                if proof.proof and proof.block_id in wanted:
                    yield proof

    def _chain(self) -> StandingChain:
        chain = StandingChain()
        for place, payload in self._blocks:
            chain.apply(journal_entry(payload, place, self._blocks), place, self._blocks)
        return chain

    def _proof_error(
        self, height: int, block_id: BlockId, place: Locator, damage: list[SegmentError]
    ) -> StorageError:
        if damage:
            return BlockFileError(
                f"the proof of block {height} is damaged: {damage[0]}; or run `esperd repair`"
            )
        return BlockFileError(
            f"{self._blocks.path(place.file)} at byte {place.offset}: the proof of block "
            f"{block_id.hex()[:16]} is missing from {self._proofs.folder}{self._pruned()}"
        )

    def _pruned(self) -> str:
        """A hint: whether the first proof files are gone because they were pruned."""
        if not self._were_pruned:
            return "; run `esperd repair`"
        return ": old proofs were pruned; a node whose setting prune is no has them"

    def _proof_places(self) -> tuple[dict[BlockId, Locator], list[SegmentError]]:
        """Where proofs are, and what is damaged: a proof that no block needs is no loss."""
        places, damage = dict[BlockId, Locator](), list[SegmentError]()
        for found in self._proofs.scan():
            if found.error is not None:
                damage.append(found.error)
            elif found.payload is not None and not is_void(found.payload):
                proof = stored_proof(found.payload, found.place, self._proofs)
                places[proof.block_id] = found.place
        return places, damage


def _decoded(codec: Record[R], payload: bytes, place: Locator, reader: SegmentReader) -> R:
    try:
        return decode(codec, payload, limit=MAX_RECORD_BYTES, what="record")
    except CodecError as error:
        raise BlockFileError(
            f"{reader.path(place.file)} at byte {place.offset}: {error}"
        ) from error
