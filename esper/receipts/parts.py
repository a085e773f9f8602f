"""The parts of a receipt, as ``form`` reads them. Bytes are those of the chain's own records."""

from dataclasses import dataclass
from typing import Final

FORMAT: Final = "esper-receipt"
VERSION: Final = 1
PROOF: Final = "proof"
"""A call that a block answered, with what proves it."""
PROMISE: Final = "promise"
BURIED: Final = 6
"""Blocks above the answer that an anchor stands, and that stand above an anchor, at least: a
change of chain that deep is told by an alarm."""
"""An answer that a gateway signed."""

PromptText = tuple[int | str, ...]
"""A prompt in words: ids of special tokens, and the texts of the runs between them."""


@dataclass(frozen=True, slots=True)
class NamedNetwork:
    """Which network it is of."""

    name: str
    genesis_hash: bytes
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a chat."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What a gateway was asked, reduced to what it answers to."""

    endpoint: str
    model: str
    input: str | tuple[int, ...] | tuple[Message, ...]
    """A text, token ids, or messages."""
    max_tokens: int
    """0: none asked."""
    stop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Prompt and answer as text."""

    tokenizer_id: bytes
    """64 bytes: hash of the tokenizer's file."""
    prompt: PromptText
    answer: str
    """Text of the answer as it follows the prompt, special tokens left out."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A promise that a gateway signed."""

    record: bytes
    key: bytes
    signature: bytes
    salt: bytes | None
    """Of records of markets, which have a version of their own."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A transaction in a block: its place under ``tx_root``."""

    transaction: bytes
    index: int
    count: int
    path: tuple[bytes, ...]
    """64-byte siblings, from the leaf upwards."""


@dataclass(frozen=True, slots=True)
class OpenCall:
    """The call of a lane, without its signature: its id is what the result names."""

    unsigned: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A sequence of a proof: a call of the group with its answer."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]
    max_tokens: int


@dataclass(frozen=True, slots=True)
class ProvenGroup:
    """The group of calls that the proof is about, in its place under ``calls_root``."""

    data: bytes
    index: int
    count: int
    path: tuple[bytes, ...]
    """64-byte siblings, from the leaf upwards."""
    rows: int
    """Of each sequence in the proof."""
    position: int
    """Which member is the receipt's call."""
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True)
class BlockWork:
    """The work of the block."""

    outputs: bytes
    proof: bytes


@dataclass(frozen=True, slots=True)
class InState:
    """Where a record stands in a state: the record itself is the leaf."""

    count: int
    siblings: tuple[bytes, ...]
    """32 bytes each, from the top down."""


@dataclass(frozen=True, slots=True)
class BlockListed:
    """The block among all blocks, kind 23 of the anchor's state."""

    state: InState
    record: bytes
    weight: bytes
    """32 bytes: weight of the chain at the block, big-endian."""
    siblings: tuple[bytes, ...]
    """64 bytes each, from the leaf upwards."""


@dataclass(frozen=True, slots=True)
class OutcomeListed:
    """What became of the transaction, kind 11 of the anchor's state."""

    state: InState
    record: bytes
    number: int
    receipt: bytes
    siblings: tuple[bytes, ...]
    """64 bytes each, from the leaf upwards."""


@dataclass(frozen=True, slots=True)
class TierListed:
    """A tier, kind 14 of the anchor's state."""

    state: InState
    record: bytes


@dataclass(frozen=True, slots=True)
class Anchor:
    """A later header, whose state holds block, outcome and models."""

    header: bytes
    blocks: BlockListed
    receipts: OutcomeListed
    tiers: tuple[TierListed, ...]
    """One for each of the receipt's models."""


@dataclass(frozen=True, slots=True)
class AnswerReceipt:
    """A receipt. Raises ValueError for parts that do not belong together."""

    format: str
    version: int
    kind: str
    """PROOF or PROMISE."""
    network: NamedNetwork
    models: tuple[bytes, ...] | None
    """Entry and puzzle of each model that is used and is not the genesis block's."""
    request: AskedFor | None
    text: Words
    instant: Signed | None
    call: Listed | OpenCall | None
    answer: Listed | None
    """The result that answers a lane."""
    group: ProvenGroup | None
    block_id: bytes | None
    """64 bytes."""
    header: bytes | None
    work: BlockWork | None
    anchor: Anchor | None

    def __post_init__(self) -> None:
        proven = ("models", "call", "group", "block_id", "header")
        later = (*proven, "answer", "work", "anchor")
        if self.request is not None and self.instant is None:
            raise ValueError("request: stands beside instant alone")
        if self.kind == PROMISE:
            _forbid(self, later, "a promise")
            _demand(self, ("request", "instant"), "a promise")
            return
        _demand(self, proven, "a proof")
        if isinstance(self.call, OpenCall):
            _demand(self, ("answer",), "a lane's proof")
        else:
            _forbid(self, ("answer",), "the proof of an inline call")


def _demand(receipt: AnswerReceipt, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if getattr(receipt, name) is None:
            raise ValueError(f"{name}: is missing in {what}")


def _forbid(receipt: AnswerReceipt, names: tuple[str, ...], what: str) -> None:
    for name in names:
        if getattr(receipt, name) is not None:
            raise ValueError(f"{name}: has no place in {what}")
