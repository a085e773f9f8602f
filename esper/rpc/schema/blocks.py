"""Blocks and transactions."""

from typing import Annotated, Final

from msgspec import Meta

from esper.rpc.schema.common import Amount, AsOf, Hash, Height, IdBeginning, Reply, Request


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


class PenaltyReply(Reply, frozen=True):
    """What evidence against a gateway took: units that are the gateway's no more."""

    receipt: str
    """Digest of the receipt that it is about."""
    gateway: str
    """From whom; its balance is as it was."""
    rewards: Amount
    """Of rewards that were pending."""
    stake: Amount
    unbonding: Amount
    """Of what was on its way from the stake."""
    taken: Amount
    """These three together."""
    paid: Amount
    """To the accuser, who is the sender."""
    burned: Amount
    """The rest, which nobody has."""


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
    penalty: PenaltyReply | None = None
    """Of a ``prove`` with evidence in the chain: what it took."""


class Output(Reply, frozen=True):
    """Who gets what."""

    address: str
    amount: Amount


MAX_GROUP: Final = 1 << 20
"""Bytes of a group, as in a block's body."""
GroupBytes = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9+/]+={0,2}$(?!\n)", max_length=-(-MAX_GROUP // 3) * 4)
]
"""Canonical bytes of a call group, in base64."""


class SubmitParams(Request, frozen=True):
    """Wire bytes of a signed transaction."""

    hex: Annotated[str, Meta(pattern=r"^([0-9a-f]{2})+$(?!\n)", max_length=131_072)]
    replaces: Annotated[list[Hash], Meta(max_length=8)] | None = None
    """Ids of waiting transactions whose place it may take: none if the list is empty, whichever
    waits with its nonce if it is left out."""
    groups: Annotated[list[GroupBytes], Meta(max_length=2)] | None = None
    """Of a Prove: the groups that its block has to have, with their proofs."""


class Submitted(Reply, frozen=True):
    """It waits in the mempool."""

    txid: str
    replaced: str | None = None
    """Id of the transaction whose place it took."""
