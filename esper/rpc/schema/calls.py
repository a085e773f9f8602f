"""Calls: what one would cost, where it stands, and its proof."""

from typing import Annotated

from msgspec import Meta

from esper.rpc.schema.common import Amount, AsOf, Hash, Reply, Request, Text, TokenIds
from esper.rpc.schema.text import Message


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


class ReceiptParams(Request, frozen=True):
    """A call by its whole id, and what its receipt is to hold beside the proof."""

    txid: Hash
    work: bool | None = None
    """The block's work: true refuses where it is pruned, false leaves it out; where it is kept
    without."""
    anchor: bool | None = None
    """A later header that holds block, payment and models: true refuses where there is none yet,
    false leaves it out; where there is one without."""


class ReceiptReply(Reply, frozen=True):
    """The receipt of a call.

    What stands beside ``receipt`` is the node's word; that can be checked without it, as
    ``docs/receipts.md`` says.
    """

    txid: str
    receipt: str
    """The file, to be written as it is: ASCII, and JSON by itself."""
    height: int
    """Of the block that holds the answer."""
    block: str
    confirmations: int
    """1 for the tip."""
    anchor: int | None
    """Height of the later header, None without one."""
    anchored_at: int
    """The tip's height from which on there is one: 12 blocks above the answer."""
    lacking: str
    """Why work or anchor are not there; empty if they are, or were not asked for."""
    as_of: AsOf
