r"""The shapes of requests and answers: the contract between node, server, client and wallet.

Conventions: amounts are decimal strings in the smallest unit (``units`` of the coin,
``micro-credits``), so that no client rounds them; heights, counts, sizes and milliseconds are JSON
numbers; hashes, keys and transactions are lower-case hex; addresses are bech32m text. Unknown
fields of requests are refused. Patterns end in ``$(?!\n)``: a bare ``$`` would let a line break
through at the end.
"""

from typing import Annotated, Final

from msgspec import Meta, Struct

Amount = Annotated[str, Meta(pattern=r"^(0|[1-9][0-9]{0,18})$(?!\n)")]
"""Units or micro-credits, decimal."""
Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}$(?!\n)")]
"""64 bytes in hex."""
IdBeginning = Annotated[str, Meta(pattern=r"^[0-9a-f]{8,128}$(?!\n)")]
"""Hex of 64 bytes, or the first 8 digits and more where no other id begins with them."""
MAX_TEXT: Final = 65_536
"""Characters of a text to be tokenised."""
Text = Annotated[str, Meta(max_length=MAX_TEXT)]
"""Text that the server may tokenise."""
AddressText = Annotated[str, Meta(min_length=8, max_length=120)]
"""A bech32m address of the network."""
Height = Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]
"""A height."""
TokenIds = Annotated[list[Annotated[int, Meta(ge=0, le=(1 << 32) - 1)]], Meta(max_length=8192)]
"""Token ids of one model."""


class Request(Struct, forbid_unknown_fields=True, frozen=True):
    """Base of all requests."""


class Reply(Struct, frozen=True):
    """Base of all answers. A client ignores fields that it does not know."""


class NoParams(Request, frozen=True):
    """A method without parameters."""


# --- the node ---------------------------------------------------------------------------------


class AsOf(Reply, frozen=True):
    """How current an answer is."""

    height: int
    """The tip that it was read at."""
    synced: bool
    """Whether the tip is recent and has the work; False: say "as of height N, syncing"."""


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
    """Decimal: cumulative work."""
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


class Parameters(Reply, frozen=True):
    """What a wallet needs to know about the network's rules."""

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


# --- tokens -----------------------------------------------------------------------------------


class Message(Struct, forbid_unknown_fields=True, frozen=True):
    """One message of a chat."""

    role: Annotated[str, Meta(pattern=r"^(system|user|assistant)$(?!\n)")]
    content: Text


class TokenizeParams(Request, frozen=True):
    """Either ``text`` or ``messages``; the first model if ``model_id`` is left out."""

    text: Text | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=64)] | None = None
    model_id: Hash | None = None


class Tokens(Reply, frozen=True):
    """Input as a call carries it, BOS included."""

    model_id: str
    tokens: list[int]
    count: int


class DetokenizeParams(Request, frozen=True):
    """``tokens`` as they follow ``prompt``."""

    tokens: TokenIds
    prompt: TokenIds = []
    model_id: Hash | None = None


class TextReply(Reply, frozen=True):
    """Text; bytes that are not UTF-8 show as U+FFFD."""

    text: str


# --- blocks and transactions ------------------------------------------------------------------


class BlockParams(Request, frozen=True):
    """Either of both; the tip without any. The genesis is block 0."""

    height: Height | None = None
    hash: IdBeginning | None = None


class WorkAnswer(Reply, frozen=True):
    """One prompt of the work and what the model said."""

    prompt_index: int
    prompt: str
    answer: str
    answer_tokens: int


class TransactionSummary(Reply, frozen=True):
    """A transaction of a block in a line."""

    txid: str
    kind: str
    """transfer, stake, unstake, credit-transfer, llm-call or llm-result."""
    sender: str
    fee: Amount
    size: int
    answer: str | None = None
    """Of calls that were answered inline: the text."""
    prompt: str | None = None
    """Of calls: the text of the prompt, whole; None where its tokenizer is not at the node."""


class BlockReply(Reply, frozen=True):
    """A block of the chain."""

    height: int
    hash: str
    parent: str
    time_ms: int
    payee: str
    reward: Amount
    """Units of the coinbase, fees included."""
    target: str
    model_id: str
    tier: int
    state_root: str
    size: int
    proof_bytes: int
    """0 if it was pruned."""
    confirmations: int
    """1 for the tip."""
    usefulness_per_mille: int
    transactions: list[TransactionSummary]
    work: list[WorkAnswer]


class TransactionParams(Request, frozen=True):
    """A transaction by its id."""

    txid: IdBeginning


class TransactionReply(Reply, frozen=True):
    """A transaction and where it stands."""

    txid: str
    status: str
    """pending, confirmed, or dropped (lately, with its reason)."""
    kind: str
    sender: str
    nonce: int
    fee: Amount
    not_before: int
    expiry: int
    size: int
    outputs: list["Output"]
    """Of transfers and credit transfers; one without address for stake and unstake."""
    hex: str
    """The wire bytes; empty if dropped, of which a node keeps the envelope alone."""
    as_of: AsOf
    height: int | None = None
    block: str | None = None
    index: int | None = None
    time_ms: int | None = None
    confirmations: int = 0
    reason: str = ""
    """Why it was dropped, or why it waits."""
    prompt: str | None = None
    """Of calls: the text of the prompt, whole; None where its tokenizer is not at the node."""
    replaced_by: str | None = None
    """Id of the transaction that took its place."""


class Output(Reply, frozen=True):
    """Who gets what."""

    address: str
    amount: Amount


class SubmitParams(Request, frozen=True):
    """Wire bytes of a signed transaction."""

    hex: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$(?!\n)", max_length=131_072)]
    replaces: Annotated[list[Hash], Meta(max_length=8)] | None = None
    """Ids of waiting transactions whose place it may take: none if the list is empty, whichever
    waits with its nonce if it is left out."""


class Submitted(Reply, frozen=True):
    """It waits in the mempool."""

    txid: str
    replaced: str | None = None
    """Id of the transaction whose place it took."""


# --- accounts ---------------------------------------------------------------------------------


class AccountParams(Request, frozen=True):
    """An account by its address."""

    address: AddressText


class Release(Reply, frozen=True):
    """Units that become spendable at a height."""

    height: int
    amount: Amount


class Credits(Reply, frozen=True):
    """Credits as the next block would see them, in micro-credits."""

    available: Amount
    lapsing: Amount
    """Part that lapses at ``lapse_height``."""
    lapse_height: int
    used: Amount
    """Used in this epoch."""
    rate_limit: Amount
    """May be used in this epoch in all."""
    spendable: Amount
    """What a call may cost now, calls that wait deducted: the least of credits and rate."""
    per_block: Amount
    """What the stake earns a block."""


class AccountReply(Reply, frozen=True):
    """What an address holds."""

    address: str
    balance: Amount
    """Confirmed and spendable."""
    pending_out: Amount
    """What waiting transactions spend, fees included."""
    pending_in: Amount
    """What waiting transactions bring."""
    immature: list[Release]
    stake: Amount
    unbonding: list[Release]
    nonce: int
    next_nonce: int
    """After the waiting transactions."""
    key_known: bool
    credits: Credits
    as_of: AsOf


class HistoryParams(Request, frozen=True):
    """The newest first; ``before`` is the ``cursor`` of the page before."""

    address: AddressText
    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    before: Annotated[str, Meta(max_length=64)] | None = None


class Event(Reply, frozen=True):
    """Something that happened to an address in a block."""

    height: int
    time_ms: int
    txid: str
    """Empty for mined rewards."""
    what: str
    """mined, sent, received, staked, unstaked, credits-sent, credits-received, called, answered,
    other."""
    amount: Amount
    """Units, or micro-credits from credits-sent to answered."""
    fee: Amount
    other: str
    """Address on the other side, or empty."""
    prompt: str | None = None
    """Of ``called``: the text of the prompt, whole."""
    cursor: str = ""
    """``before`` of the events before this one, of whatever address."""


class PendingEvent(Reply, frozen=True):
    """What a transaction that waits will do to an address."""

    txid: str
    what: str
    """As of events."""
    amount: Amount
    """Units, or micro-credits; of a call those of its longest answer."""
    fee: Amount
    other: str
    """Address on the other side, or empty."""
    nonce: int
    expiry: int
    """Height after which it lapses."""


class Pending(Reply, frozen=True):
    """What waits and concerns an address."""

    events: list[PendingEvent]
    """At most 200: what it sent itself by nonce, then what comes to it, as it arrived."""
    as_of: AsOf


class History(Reply, frozen=True):
    """A page of events."""

    events: list[Event]
    cursor: str | None
    """For the next page, None on the last."""
    as_of: AsOf


# --- calls ------------------------------------------------------------------------------------


class EstimateParams(Request, frozen=True):
    """A call to be made: ``text``, ``messages`` or ``tokens``."""

    max_tokens: Annotated[int, Meta(ge=1, le=65_535)]
    text: Text | None = None
    messages: Annotated[list[Message], Meta(min_length=1, max_length=64)] | None = None
    tokens: TokenIds | None = None
    model_id: Hash | None = None


class Estimate(Reply, frozen=True):
    """What a call costs and how long it would wait."""

    model_id: str
    tokens: list[int]
    bid: int
    """Suggested price per weighted token."""
    maximum_cost: Amount
    """Micro-credits at that bid if the answer has max_tokens."""
    waiting_calls: int
    expected_blocks: int
    """Until it is answered, at that bid, while somebody mines."""
    answering: str | None = None
    """``yes`` if this node answers such calls now (``yes, ...`` if something must be done for it);
    else a sentence why it does not, and then nobody does unless another miner takes the call.
    None: a node that does not say."""


class CallReply(Reply, frozen=True):
    """A call and its answer."""

    txid: str
    status: str
    """queued, answering, proving, proven, answered, open, lapsed or dropped. ``proven``: waits for
    its block; ``answered``: in a block; ``open``: its answer comes in a later one."""
    position: int
    """Calls before it in the queue, 0 if none."""
    prompt_tokens: int
    max_tokens: int
    price: int
    answer: str | None
    """Text, from ``proving`` on at the node that answers; final from ``answered`` on."""
    answer_tokens: int
    cost: Amount
    """Micro-credits burned, 0 until answered."""
    height: int | None
    block: str | None
    proof_id: str | None
    """Hash of the proof of the group that it was proven in."""
    reason: str
    as_of: AsOf
    prompt: str | None = None
    """Text of the prompt, whole; None where its tokenizer is not at the node."""


class ProofParams(Request, frozen=True):
    """A call by its whole id: what is proven is bound to that."""

    txid: Hash


class ProofReply(Reply, frozen=True):
    """The proof of a call's answer, and what it is bound to.

    Height, block and confirmations are the node's word; all else can be checked without it, as
    ``docs/wallet.md`` says.
    """

    txid: str
    kind: str
    """group: answered in the call's own block, perhaps with others; lane: answered later, alone."""
    file: str
    """Statement and proof in hex: the bytes of the file that ``esper verify`` takes."""
    binding: str
    """64 bytes that statement and proof are bound to, made from what follows."""
    genesis_hash: str
    model_id: str
    payee: str
    """Address that the proof is made for: of a group who is paid for the block, of a lane who
    sent the result."""
    call_ids: list[str]
    """Ids of the proven calls, in the order of the statement's sequences; of a lane its call."""
    height: int
    """Of the block that holds the answer."""
    block: str
    confirmations: int
    """1 for the tip."""
    proof_id: str
    """Hash of the proof."""
    as_of: AsOf


# --- mempool and mining -----------------------------------------------------------------------


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


# --- the network ------------------------------------------------------------------------------


class ConnectedPeer(Reply, frozen=True):
    """A connected peer. Height and agent are its own word."""

    number: int
    """Of the connection; none is given twice while the node runs."""
    address: str
    """Where the connection leads, such as 192.0.2.7:9333."""
    peer_id: str
    direction: str
    """out if this node dialled it, in otherwise."""
    height: int
    ping_ms: int | None
    """Of the last answer, None before the first."""
    bytes_in: int
    bytes_out: int
    services: list[str]
    """Words: archive, transactions, prompts, chunks, snapshots."""
    connected_s: int
    """Seconds since it connected."""
    agent: str
    blocks_only: bool
    """Whether neither side tells the other of transactions."""
    static: bool
    """Whether it is configured, or was named by ``connect_peer``."""


class LeftPeer(Reply, frozen=True):
    """A peer that is no longer connected, or never came to be."""

    address: str
    peer_id: str
    """Empty if it did not prove one."""
    left_s: int
    """Seconds ago."""
    why: str


class Peers(Reply, frozen=True):
    """Who is connected, and who was."""

    peers: list[ConnectedPeer]
    """The oldest first."""
    left: list[LeftPeer]
    """The last that left, the newest first."""


class NetworkReply(Reply, frozen=True):
    """How a node stands to its network."""

    synced: bool
    """As ``get_status`` says it."""
    why_not_synced: str
    """Cause and remedy, empty if synced."""
    near: bool
    """Whether no branch that it fetches leads by more than two blocks."""
    busy: bool
    """Whether it catches up, and neither relays nor mines meanwhile."""
    state: str
    """asking, headers, blocks, near, synced or halted."""
    height: int
    best_height: int
    """The greatest that a peer claims, which proves nothing; 0 without peers."""
    blocks_per_second: float
    """Of catching up; 0 otherwise."""
    seconds_left: int | None
    """Until the best claim is reached, None where it is unknown."""
    inbound: int
    outbound: int
    listening: str
    """Address and port, empty if nobody is let in."""
    multiaddr: str
    """Where others may dial this node, empty while it is unknown."""
    peer_id: str
    """This node's."""
    counters: dict[str, int]
    """Numbers for people who look closer; their names may change."""
    warnings: list[str]
    """Sentences on what an operator has to see to, with what helps."""


PeerName = Annotated[str, Meta(min_length=2, max_length=128)]
"""An id, an address with or without a port, or a multiaddr."""
MAX_BAN_S: Final = 31_536_000
"""A year."""


class ConnectParams(Request, frozen=True):
    """Whom to dial: ``/ip4/ADDRESS/tcp/PORT/p2p/ID``."""

    address: PeerName


class PeerParams(Request, frozen=True):
    """Whom it concerns."""

    peer: PeerName


class BanParams(Request, frozen=True):
    """Whom to keep away, and how long."""

    peer: PeerName
    seconds: Annotated[int, Meta(ge=1, le=MAX_BAN_S)] = 86_400


class Disconnected(Reply, frozen=True):
    """Connections that were ended."""

    connections: int


class Ban(Reply, frozen=True):
    """Whom this node neither dials nor lets in."""

    target: str
    """An id, an IPv4 address, or the /64 of an IPv6 address."""
    seconds_left: int
    why: str


class Done(Reply, frozen=True):
    """Nothing to say but that it was done."""

    done: bool = True
