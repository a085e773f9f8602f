"""What the index knows beside state and receipts: the tip, where blocks lie, how to undo them.

"t"                    Tip
"g"                    Genesis
"h" || height as u64   BlockEntry
"i" || block id        height as u64
"u" || height as u64   the undo record: path and value before of every change
"p" || file as u32     no proof of a greater height is in that file, as u64
"q"                    number of the first proof file that is kept, as u32
"l" || block id        BlockEntry of a block that was left behind for another branch
"n" || level || index  a node of the range over all blocks, see ``node_log``
"b" || height as u64   what became of coins that proposals held, where it settled any
"d" || height as u64   what rounds of hidden sets came to, where any was judged
"e" || height as u64   what evidence took from gateways, where any did
"c" || height as u64   the context after the block
"a" || height as u64   empty: that context is kept for good
"s" || digest          the end of contexts, which many have in common, by its hash of 32 bytes
"x" || block id        the context of one of CONTEXT_EVERY of those that were left behind
"w"                    undo records and contexts are kept from that height on, as u64, if it is set
"k"                    the lowest height from which every proof is kept, as u64
"""

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Generic, TypeVar

from esper.primitives.codec import (
    Array,
    Codec,
    CodecError,
    FixedBytes,
    Record,
    Unsigned,
    UnsignedPair,
    VarBytes,
    decode,
    encode,
)
from esper.primitives.hashing import (
    HASH32_BYTES,
    HASH_BYTES,
    make_tag,
    tagged_hash32,
    u32,
    u64,
)
from esper.primitives.ids import BlockId
from esper.storage.errors import IndexCorruptError
from esper.storage.kv.store_port import KeyValueView, Write
from esper.storage.segments.segment_reader import MAX_RECORD_BYTES, Locator

T = TypeVar("T")
S = TypeVar("S", bound=KeyValueView, covariant=True)

RECORD_VERSION: Final = 1
TIP_KEY: Final = b"t"
GENESIS_KEY: Final = b"g"
FIRST_PROOF_FILE_KEY: Final = b"q"
PROOFS_FROM_KEY: Final = b"k"
UNDO_FROM_KEY: Final = b"w"
TAG_SHARED: Final = make_tag("esper/storage/shared/v1")
_WHOLE: Final = b"\x00"
_ENDED: Final = b"\x01"
"""Before a context: whether all of it follows, or the digest of its end and the rest."""

Pair = tuple[int, int]
"""File and offset of a Locator."""


@dataclass(frozen=True, slots=True)
class Tip:
    """Where the chain ends, and up to where its files are acknowledged."""

    height: int
    """0 for the genesis."""
    block_id: BlockId
    """64 bytes."""
    state_root: bytes
    """32 bytes: root of the state after the block."""
    receipts: int
    """Receipts of all blocks up to this."""
    journal: Pair
    """End of the last acknowledged journal entry."""
    proofs: Pair
    """End of the last acknowledged proof."""


@dataclass(frozen=True, slots=True)
class Genesis:
    """The state before the first block."""

    block_id: BlockId
    """64 bytes: the parent of the block at height 1."""
    state_root: bytes
    """32 bytes."""


@dataclass(frozen=True, slots=True)
class BlockEntry:
    """Where a block of the chain lies."""

    block_id: BlockId
    """64 bytes."""
    state_root: bytes
    """32 bytes: after the block."""
    receipts: int
    """Receipts of all blocks up to this."""
    block: Pair
    """Its journal entry."""
    proof: tuple[Pair, ...]
    """Its proof; empty if a reindex did not find it."""


@dataclass(frozen=True, slots=True)
class OldValue:
    """What stood at a path before a block."""

    path: bytes
    """32 bytes."""
    value: tuple[bytes, ...]
    """The value, empty where there was no record."""


_PLACE: Final = UnsignedPair(64)
_TIP: Final = Record(
    Tip,
    RECORD_VERSION,
    (
        ("height", Unsigned()),
        ("block_id", FixedBytes(HASH_BYTES)),
        ("state_root", FixedBytes(HASH32_BYTES)),
        ("receipts", Unsigned()),
        ("journal", _PLACE),
        ("proofs", _PLACE),
    ),
)
_GENESIS: Final = Record(
    Genesis,
    RECORD_VERSION,
    (("block_id", FixedBytes(HASH_BYTES)), ("state_root", FixedBytes(HASH32_BYTES))),
)
_ENTRY: Final = Record(
    BlockEntry,
    RECORD_VERSION,
    (
        ("block_id", FixedBytes(HASH_BYTES)),
        ("state_root", FixedBytes(HASH32_BYTES)),
        ("receipts", Unsigned()),
        ("block", _PLACE),
        ("proof", Array(_PLACE, 1)),
    ),
)
_UNDO: Final = Array(
    Record(
        OldValue,
        None,
        (("path", FixedBytes(HASH32_BYTES)), ("value", Array(VarBytes(MAX_RECORD_BYTES), 1))),
    ),
    MAX_RECORD_BYTES,
)


def pair(place: Locator) -> Pair:
    """A place as it is stored."""
    return place.file, place.offset


def entry_key(height: int) -> bytes:
    """Where the entry of a height stands."""
    return b"h" + u64(height)


def left_key(block_id: BlockId) -> bytes:
    """Where the entry of a block stands that was left behind."""
    return b"l" + block_id


def left_context_key(block_id: BlockId) -> bytes:
    """Where the context of some of the blocks stands that were left behind."""
    return b"x" + block_id


def height_key(block_id: BlockId) -> bytes:
    """Where the height of a block stands."""
    return b"i" + block_id


def undo_key(height: int) -> bytes:
    """Where the undo record of a height stands."""
    return b"u" + u64(height)


def settled_key(height: int) -> bytes:
    """Where it stands what a height settled of coins that proposals held."""
    return b"b" + u64(height)


def rounds_key(height: int) -> bytes:
    """Where it stands what rounds of hidden sets came to at a height."""
    return b"d" + u64(height)


def penalties_key(height: int) -> bytes:
    """Where it stands what evidence took from gateways at a height."""
    return b"e" + u64(height)


def context_key(height: int) -> bytes:
    """Where the context of a height stands."""
    return b"c" + u64(height)


def kept_context_key(height: int) -> bytes:
    """Where it stands that the context of a height is kept for good."""
    return b"a" + u64(height)


def shared_key(digest: bytes) -> bytes:
    """Where the end of contexts stands that many have in common."""
    return b"s" + digest


def proof_file_key(file: int) -> bytes:
    """Where the greatest height of a proof file stands."""
    return b"p" + u32(file)


def encode_tip(tip: Tip) -> bytes:
    """The bytes of a tip."""
    return encode(_TIP, tip)


def encode_genesis(genesis: Genesis) -> bytes:
    """The bytes of a genesis."""
    return encode(_GENESIS, genesis)


def encode_entry(entry: BlockEntry) -> bytes:
    """The bytes of an entry."""
    return encode(_ENTRY, entry)


def encode_undo(undo: tuple[OldValue, ...]) -> bytes:
    """The bytes of an undo record."""
    return encode(_UNDO, undo)


class ChainIndex(Generic[S]):
    """Typed reads of the index, of a store or of a view that stays as it was."""

    def __init__(self, store: S, folder: Path) -> None:
        self._store = store
        self._folder = folder

    @property
    def store(self) -> S:
        """What it reads."""
        return self._store

    def over(self, view: KeyValueView) -> "ChainIndex[KeyValueView]":
        """The index as another view of its store has it."""
        return ChainIndex(view, self._folder)

    def corrupt(self, reason: str) -> IndexCorruptError:
        """The error for a contradiction in the index."""
        return IndexCorruptError(self._folder, reason)

    def tip_if_any(self) -> Tip | None:
        """The tip, None in a new index. Raises IndexCorruptError, as all reads here do."""
        return self._read(TIP_KEY, _TIP, "tip")

    @property
    def tip(self) -> Tip:
        """The tip of an index in use."""
        return self._required(self.tip_if_any(), "tip")

    @property
    def genesis(self) -> Genesis:
        """The genesis of an index in use."""
        return self._required(self._read(GENESIS_KEY, _GENESIS, "genesis"), "genesis")

    def entry(self, height: int) -> BlockEntry:
        """The entry of a height from 1 to the tip's."""
        found = self._read(entry_key(height), _ENTRY, f"entry of block {height}")
        return self._required(found, f"entry of block {height}")

    def height_of(self, block_id: BlockId) -> int | None:
        """The height of a block of the chain above the genesis, None if it is not on it."""
        found = self.store.get(height_key(block_id))
        return None if found is None else int.from_bytes(found, "big")

    def ids_with(self, prefix: str, limit: int) -> list[BlockId]:
        """At most ``limit`` ids of the chain's blocks whose hex begins with ``prefix``, in order.

        The genesis is among them.
        """
        whole = height_key(BlockId(bytes.fromhex(prefix[: len(prefix) & ~1])))
        ids = (BlockId(key[1:]) for key, _ in self.store.items(whole))
        fitting = list(islice((one for one in ids if one.hex().startswith(prefix)), limit))
        genesis = self.genesis.block_id
        if genesis.hex().startswith(prefix):
            fitting.append(genesis)
        return sorted(fitting)[:limit]

    def undo(self, height: int) -> tuple[OldValue, ...] | None:
        """The undo record of a height, None if none is kept."""
        return self._read(undo_key(height), _UNDO, f"undo record of block {height}")

    @property
    def tip_context(self) -> bytes:
        """The context of the tip, empty for the genesis. Raises IndexCorruptError."""
        height = self.tip.height
        if height == 0:
            return b""
        return self._required(self.context(height), f"context of block {height}")

    def context(self, height: int) -> bytes | None:
        """The context that ``append`` was given with a block, None if it is not kept."""
        return self._context(context_key(height), f"context of block {height}")

    def keeps_context(self, height: int) -> bool:
        """Whether the context of a height is kept for good, whatever its height."""
        return self.store.get(kept_context_key(height)) is not None

    def greatest_in_proof_file(self, file: int) -> int:
        """A height at or above those of all blocks of the chain with a proof in that file."""
        return int.from_bytes(self.store.get(proof_file_key(file)) or b"", "big")

    @property
    def first_proof_file(self) -> int:
        """The first proof file that is kept."""
        return int.from_bytes(self.store.get(FIRST_PROOF_FILE_KEY) or b"", "big")

    def left(self, block_id: BlockId) -> BlockEntry | None:
        """Where a block lies that was left behind for another branch, None for others."""
        return self._read(left_key(block_id), _ENTRY, f"entry of block {block_id.hex()[:16]}")

    def left_context(self, block_id: BlockId) -> bytes | None:
        """The context of a block that was left behind, None where it is not kept."""
        what = f"context of block {block_id.hex()[:16]}"
        return self._context(left_context_key(block_id), what)

    @property
    def undo_from(self) -> int | None:
        """The height from which undo records are kept however deep, None if none is set."""
        found = self.store.get(UNDO_FROM_KEY)
        return None if found is None else int.from_bytes(found, "big")

    @property
    def proofs_from(self) -> int:
        """The lowest height from which every proof is kept, at least 1; never too low."""
        found = self.store.get(PROOFS_FROM_KEY)
        if found is not None:
            return int.from_bytes(found, "big")
        return self._first_with_proof() if self.first_proof_file else 1

    def _first_with_proof(self) -> int:
        """Of an index whose proofs were pruned before that height was written down."""
        low, high, first = 1, self.tip.height + 1, self.first_proof_file
        while low < high:
            middle = (low + high) // 2
            proof = self.entry(middle).proof
            if proof and proof[0][0] >= first:
                high = middle
            else:
                low = middle + 1
        return low

    def context_writes(self, key: bytes, context: bytes, shared: int) -> tuple[Write, ...]:
        """The writes of a context of which the last ``shared`` bytes are stored once for all.

        Those are never deleted: there is one record for each time that they changed.
        """
        if not shared:
            return ((key, _WHOLE + context),)
        own, end = context[:-shared], context[-shared:]
        digest = tagged_hash32(TAG_SHARED, end)
        write = (key, _ENDED + digest + own)
        known = self.store.get(shared_key(digest)) is not None
        return (write,) if known else (write, (shared_key(digest), end))

    def _context(self, key: bytes, what: str) -> bytes | None:
        found = self.store.get(key)
        if found is None or found[:1] == _WHOLE:
            return found if found is None else found[1:]
        own = 1 + HASH32_BYTES
        end = self.store.get(shared_key(found[1:own]))
        return found[own:] + self._required(end, f"end of the {what}")

    def _required(self, found: T | None, what: str) -> T:
        if found is None:
            raise self.corrupt(f"the {what} is missing")
        return found

    def _read(self, key: bytes, codec: Codec[T], what: str) -> T | None:
        found = self.store.get(key)
        if found is None:
            return None
        try:
            return decode(codec, found, limit=MAX_RECORD_BYTES, what=what)
        except CodecError as error:
            raise self.corrupt(str(error)) from error
