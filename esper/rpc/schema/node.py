"""What a node says of itself, of its network and of its models."""

from esper.rpc.schema.common import Amount, Reply


class Status(Reply, frozen=True):
    """What a node says of itself."""

    network: str
    genesis_hash: str
    version: str
    height: int
    tip: str
    """Block id."""
    tip_time_ms: int
    median_time_ms: int
    synced: bool
    why_not_synced: str
    """A sentence, empty if synced."""
    weight: str
    """Decimal: cumulative work, in 1/65536 of a genesis ticket."""
    issued: Amount
    """Units in existence."""
    usefulness_per_mille: int
    """Paid tokens over proven tokens of the last blocks."""
    mempool_transactions: int
    mempool_calls: int
    mempool_bytes: int
    mining: bool
    """Whether this node mines now: false without a miner, and while it is paused."""
    uptime_ms: int
    paused: bool = False
    """Whether this node has a miner that a person stopped."""
    answers_calls: bool = False
    """Whether this node answers and proves calls that wait here; also while it is paused."""
    warnings: list[str] = []
    """Sentences on what an operator has to see to, with what helps; empty if nothing."""
    inbound: int | None = None
    """Peers that dialled this node; None for a node without a network."""
    outbound: int | None = None
    """Peers that this node dialled; None as above."""
    best_height: int | None = None
    """The greatest height that a peer claims, which proves nothing; None as above."""
    dao_next: str = ""
    """The next event of the DAO, a sentence; empty if nothing is under way."""
    dao_next_height: int | None = None
    """Its height."""
    reminders: list[str] = []
    """Sentences on models that have been mined for long enough to be replaced; no rule asks it."""


class Parameters(Reply, frozen=True):
    """What a wallet needs to know about the rules of the next block, as votes have moved them."""

    network: str
    genesis_hash: str
    address_prefix: str
    spacing_ms: int
    base_fee: Amount
    fee_per_byte: Amount
    dust: Amount
    transaction_bytes: int
    maturity: int
    unbonding: int
    epoch_blocks: int
    minimum_stake: Amount
    minimum_bid: int
    """Micro-credits per weighted token: prompt + 4 x answer."""
    rows_per_call: int
    """prompt + max_tokens - 1 must not exceed it."""
    max_answer_tokens: int
    inline_answer_bytes: int
    lane_expiry_blocks: int


class Model(Reply, frozen=True):
    """An active model."""

    model_id: str
    tier: int
    vocab: int
    max_seq: int
    bos: int
    eos: int
    chat_template: bool
    """Whether ``tokenize`` takes messages for it."""
    answered_here: bool
    """Whether this node mines with it."""
