"""Bodies, coinbases and whole blocks: their bytes, ids and roots.

    wtxid       = H(esper/tx/witness-id/v1, transaction)
    txid        = H(esper/tx/id/v1, transaction without its signature)
    tx_root     = Merkle root, use esper/tx/root/v1, over the wtxids
    result_root, calls_root  the same over results and call groups
    proof_hash  = H(esper/work/proof/v1, proof)

A transaction begins with its version and kind; the coinbase, kind 0, has no signature, so both of
its ids hash the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from esper.consensus.header import Header
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import (
    Array,
    FixedBytes,
    Record,
    Unsigned,
    VarBytes,
    decode,
    encode,
)
from esper.primitives.hashing import make_tag, tagged_hash, tagged_hashes
from esper.primitives.merkle import merkle_root
from esper.primitives.work_outputs import WORK_OUTPUTS, WorkOutputs
from esper.vm.transaction import TAG_WTXID, TRANSACTION_VERSION

TAG_TX_ROOT: Final = make_tag("esper/tx/root/v1")
TAG_RESULT_ROOT: Final = make_tag("esper/call/results/v1")
TAG_CALLS_ROOT: Final = make_tag("esper/call/groups/v1")
TAG_PROOF: Final = make_tag("esper/work/proof/v1")

BODY_VERSION: Final = 1
KIND_COINBASE: Final = 0

# Limits of the wire. A signature alone has 3 kB, so that 2 MiB hold no more than about 600
# transactions; lists of junk are refused at their heads.
MAX_TRANSACTIONS: Final = 1 << 12
MAX_RESULTS: Final = 1 << 12
MAX_CALL_GROUPS: Final = 16
MAX_ITEM_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Coinbase:
    """The transaction that pays the finder: the last one of every block but genesis."""

    kind: int
    """KIND_COINBASE."""
    height: int
    """The block's height, so that no two coinbases are alike."""
    payee: bytes
    """33 bytes: the header's payee."""
    amount: int
    """Units."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(COINBASE, self)


COINBASE: Final = Record(
    Coinbase,
    TRANSACTION_VERSION,
    (
        ("kind", Unsigned(8)),
        ("height", Unsigned(32)),
        ("payee", FixedBytes(ADDRESS_BYTES)),
        ("amount", Unsigned(63)),
    ),
)


@dataclass(frozen=True, slots=True)
class Body:
    """Everything of a block beside its header and its proof."""

    transactions: tuple[bytes, ...]
    """Canonical transactions in order of execution, the coinbase last."""
    results: tuple[bytes, ...]
    """Answers to the calls among them, in their order."""
    call_groups: tuple[bytes, ...]
    """Proven groups that the answers come from."""
    outputs: WorkOutputs
    """Prompts and answers of the work."""

    def to_bytes(self) -> bytes:
        """The canonical bytes of the wire."""
        return encode(BODY, self)


BODY: Final = Record(
    Body,
    BODY_VERSION,
    (
        ("transactions", Array(VarBytes(MAX_ITEM_BYTES), MAX_TRANSACTIONS)),
        ("results", Array(VarBytes(MAX_ITEM_BYTES), MAX_RESULTS)),
        ("call_groups", Array(VarBytes(MAX_ITEM_BYTES), MAX_CALL_GROUPS)),
        ("outputs", WORK_OUTPUTS),
    ),
)


@dataclass(frozen=True, slots=True)
class Block:
    """A proven block."""

    header: Header
    """Its name and its promises."""
    body: Body
    """What the promises are about."""
    proof: bytes
    """Proof of the work."""


def decode_body(data: bytes, limit: int) -> Body:
    """Read a body of at most ``limit`` bytes. Raises CodecError."""
    return decode(BODY, data, limit=limit, what="body")


def decode_coinbase(data: bytes) -> Coinbase:
    """Read a coinbase. Raises CodecError."""
    return decode(COINBASE, data, limit=MAX_ITEM_BYTES, what="coinbase")


def transaction_root(transactions: Sequence[bytes]) -> bytes:
    """64 bytes."""
    return merkle_root(TAG_TX_ROOT, tagged_hashes(TAG_WTXID, transactions))


def result_root(results: Sequence[bytes]) -> bytes:
    """64 bytes."""
    return merkle_root(TAG_RESULT_ROOT, results)


def calls_root(call_groups: Sequence[bytes]) -> bytes:
    """64 bytes."""
    return merkle_root(TAG_CALLS_ROOT, call_groups)


def proof_hash(proof: bytes) -> bytes:
    """64 bytes."""
    return tagged_hash(TAG_PROOF, proof)
