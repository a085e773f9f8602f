"""What waits, and how mining goes."""

from typing import Annotated

from msgspec import Meta

from esper.rpc.schema.common import AddressText, Amount, Reply, Request


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


class MinedTier(Reply, frozen=True):
    """A model that may be mined in the next block, and what that promises this miner alone."""

    tier: int
    model_id: str
    previous: bool
    """Whether it was replaced and is on its way out."""
    readiness: str
    """``ready``, ``loading``, ``resting`` (it answers calls only), ``missing`` (not here), ``left``
    (another tier is mined, by this node's settings)."""
    mined: bool
    """Whether it is mined now."""
    measured: bool
    """Whether the numbers are measured; else they are estimated by the model's shape."""
    attempts_per_second: float
    proof_ms: int
    expected_block_ms: int
    """With the proof; 0 if unknown."""
    reward_per_hour: Amount
    """At the subsidy of the next block; 0 if unknown."""


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
    wanted_tier: str
    """The number of the only tier that is mined, or ``best``."""
    tier: int | None
    """The tier that is mined now, None if nothing can be."""
    model_id: str | None
    """The model that is mined now."""
    tiers: list[MinedTier]
    """All that may be mined in the next block, by tier."""


class LocalModel(Reply, frozen=True):
    """A model that may be mined, now or by what is confirmed, or that lies at this node."""

    model_id: str
    tier: int | None
    """None for one that no block may be mined with."""
    standing: str
    """``own``, ``previous``, ``scheduled`` or ``none``."""
    first: int | None
    """The next height that may have it."""
    until: int | None
    """The last height that may have it; None if no end is known."""
    here: bool
    """Whether its files are."""
    loaded: str
    """``ready``, ``loading``, ``resting``, or ``no``."""


class LocalModels(Reply, frozen=True):
    """Models of a node."""

    height: int
    """Of the tip: the next block is the first that is spoken of."""
    models: list[LocalModel]
    """By the heights that may have them."""


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
