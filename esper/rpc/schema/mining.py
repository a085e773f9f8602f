"""What waits, and how mining goes."""

from typing import Annotated

from msgspec import Meta

from esper.rpc.schema.common import AddressText, Reply, Request


class MempoolReply(Reply, frozen=True):
    """What waits."""

    transactions: int
    calls: int
    bytes: int
    call_bytes: int
    limit_bytes: int
    minimum_fee_per_byte: str
    """Units, decimal with up to three places: below it nothing gets in while the pool is full."""
    txids: list[str]
    """At most 1,000, those that go first first."""


class Mining(Reply, frozen=True):
    """How mining goes."""

    running: bool
    paused: bool
    payee: str
    threads: int
    prove_threads: int
    attempts_per_second: float
    tokens_per_second: float
    expected_block_ms: int
    """Of this miner alone, 0 if unknown."""
    proof_ms: int
    """Median of the last proofs, 0 before the first."""
    blocks_found: int
    blocks_stale: int
    stale_per_mille: int
    calls_answered: int
    usefulness_per_mille: int
    """Of the last blocks of the chain."""
    doing: str
    """A phrase for people."""


class ThreadsParams(Request, frozen=True):
    """Caps; left out: unchanged."""

    threads: Annotated[int, Meta(ge=1, le=1024)] | None = None
    prove_threads: Annotated[int, Meta(ge=1, le=1024)] | None = None


class GenerateParams(Request, frozen=True):
    """Blocks to mine now; regtest alone."""

    blocks: Annotated[int, Meta(ge=1, le=1000)]
    payee: AddressText | None = None


class Generated(Reply, frozen=True):
    """Ids of the blocks that were mined."""

    hashes: list[str]
