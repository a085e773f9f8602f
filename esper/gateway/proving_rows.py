"""What is known of a call on its way into the chain, and what is to be done about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import msgspec

DEEP_BLOCKS: Final = 6
"""Blocks from a transaction's own to the tip, both counted, from which on it is final."""
EXPIRY_BLOCKS: Final = 40
"""How far ahead of the tip a call may still be taken."""
PENDING_LIMIT: Final = 32
"""Transactions of the gateway that may wait at once."""
RAISES: Final = 3
"""How often a bid is doubled after a lapse."""
QUEUE_MS: Final = 24 * 3600 * 1000
"""How long a call may wait to be signed."""


class Status(StrEnum):
    """Where a call is."""

    QUEUED = "queued"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    LAPSED = "lapsed"
    """Its newest version can enter no block any more; or its lane was not answered in time."""
    OPEN = "open"
    """In a block, to be answered in a later one."""
    PROVEN = "proven"
    FINAL = "final"
    REORGANISED = "reorganised"
    """It was in a block that was undone."""
    UNPROVEN = "unproven"
    """Given up, with a reason. A version may lie about: any in the chain is it."""


LIVE: Final = frozenset({Status.SIGNED, Status.SUBMITTED, Status.LAPSED, Status.REORGANISED})
"""Statuses of rows that hold their nonce and are in no block."""
UNSENT: Final = frozenset({Status.QUEUED, Status.LAPSED})
"""Statuses of rows that are to be signed."""


@dataclass(frozen=True, slots=True)
class Version:
    """One signed transaction of a row."""

    txid: bytes
    """64 bytes."""
    data: bytes
    """The transaction as it is sent, again and again."""
    nonce: int
    """The account's number that it uses up."""
    bid: int
    """Micro-credits a token."""
    expiry: int
    """Height of the last block that may hold it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something happened in the chain."""

    height: int
    block_id: bytes
    txid: bytes
    """The version it happened to."""


@dataclass(frozen=True, slots=True)
class Row:
    """A call to be proven, or a ``cancel`` that fills a gap."""

    call: str
    """The receipt's id, 32 hex digits; of a cancel ``cancel-`` and its first nonce and try."""
    model_id: bytes
    """64 bytes: of the model that answered. Empty for a cancel."""
    prompt_tokens: int
    """p."""
    answer: tuple[int, ...]
    """The signed answer's tokens."""
    max_price: int
    """Micro-credits a token that may be bid at most."""
    queued_at_ms: int
    """When it was answered."""
    status: Status = Status.QUEUED
    """Where it is."""
    cancel: bool = False
    """Whether it only uses a nonce up."""
    nonce: int | None = None
    """The nonce of its newest versions, until that is used up six deep by another row."""
    versions: tuple[Version, ...] = ()
    """All that was ever signed for it, oldest first."""
    raised: int = 0
    """How often the bid was doubled at this nonce."""
    place: Place | None = None
    """The block that holds a version."""
    result: Place | None = None
    """The block that holds its answer."""
    lapse: Place | None = None
    """The block in which its lane lapsed."""
    lanes: int = 0
    """How many of its lanes have lapsed for good."""
    charged: bool = False
    """Whether the proof was charged: never twice."""
    released: bool = False
    """Whether the reservation was given back or used."""
    reason: str = ""
    """Why it was given up: expired, price, credits, model_changed, lapsed, lane_lapsed,
    not_signed, damaged."""
    disagreed: tuple[int, ...] | None = None
    """The block's answer, where it is not the signed one."""
    settled_at: int | None = None
    """The tip's height when nothing was left to do; None before."""

    def cost(self, bid: int) -> int:
        """Micro-credits that a bid burns; 0 for a cancel."""
        return 0 if self.cancel else bid * (self.prompt_tokens + 4 * len(self.answer))

    @property
    def holds_nonce(self) -> bool:
        """Whether it waits for a block with its nonce."""
        return self.status in LIVE and self.place is None and self.nonce is not None


def encode_row(row: Row) -> bytes:
    """A row as the database keeps it."""
    return msgspec.msgpack.encode(row)


def row_of(data: bytes) -> Row:
    """A kept row. Raises msgspec.DecodeError, a ValueError, for what is none."""
    return msgspec.msgpack.decode(data, type=Row)


@dataclass(frozen=True, slots=True)
class Spent:
    """A transaction of the gateway's account in a block."""

    txid: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A call's answer in a block, its own or a later one."""

    txid: bytes
    """Of the call."""
    answer: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """What a block holds of the gateway's account."""

    height: int
    block_id: bytes
    spent: tuple[Spent, ...] = ()
    """In their order."""
    answered: tuple[Answered, ...] = ()
    """In their order."""
    lapsed: tuple[bytes, ...] = ()
    """Txids of calls whose lanes lapsed at its start."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds at the tip that was followed last."""

    now_ms: int
    """Milliseconds since 1970."""
    account_nonce: int
    """The nonce that the account's next transaction must have."""
    credits: int
    """Micro-credits the account can spend, what waits not taken off."""
    rate_left: int
    """Micro-credits that the account's rate lets calls burn now, what waits not taken off."""
    suggested_bid: int
    """Micro-credits a token."""
    models: frozenset[bytes]
    """Ids of the models that answer calls now."""
    rotation_at: int | None = None
    """Height of the next change of models, None if none is voted."""
    waiting: frozenset[bytes] = frozenset()
    """Txids of the account's transactions in the mempool."""
    bids: Mapping[bytes, int] = field(default_factory=dict)
    """Micro-credits a token by model, where they are not ``suggested_bid``."""

    def bid_of(self, model_id: bytes) -> int:
        """The bid that brings a call to a model through, micro-credits a token."""
        return self.bids.get(model_id, self.suggested_bid)


@dataclass(frozen=True, slots=True)
class Sign:
    """A transaction to build and sign; the answer is ``signed`` or ``not_signed``."""

    call: str
    cancel: bool
    nonce: int
    bid: int
    """Micro-credits a token, 0 for a cancel."""
    expiry: int


@dataclass(frozen=True, slots=True)
class Charge:
    """A proof to be charged, once: kind *proof* of the ledger."""

    call: str
    amount: int
    """Micro-credits."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """For the operator: a code, and the call it is about, if one."""

    code: str
    """foreign_nonce, engine_disagrees, final_undone, spent_twice."""
    call: str = ""


@dataclass(slots=True)
class Step:
    """What follows from an event: all of the first part in ONE commit, then the second."""

    keep: dict[str, Row] = field(default_factory=dict)
    """Rows as they are now, by call."""
    charges: list[Charge] = field(default_factory=list)
    """Proofs that are final."""
    releases: list[str] = field(default_factory=list)
    """Calls whose reservation falls away."""
    followed: tuple[int, bytes | None] | None = None
    """Height and id of a block added; with None for the id, of one undone."""
    next_nonce: int = 0
    """The first nonce never given to a row."""
    stopped: str = ""
    """Why nothing is signed or served any more, or nothing."""
    sends: list[Version] = field(default_factory=list)
    """After the commit: to be sent, in this order."""
    sign: Sign | None = None
    """After the commit: to be signed."""
    alarms: list[Alarm] = field(default_factory=list)
    """After the commit: to be told."""
