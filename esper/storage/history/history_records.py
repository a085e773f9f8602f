"""What the history index knows, and its bytes.

An entry is what one transaction of a block does to the index: events of addresses, a call that was
made, a call that was answered.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import BlockId, Txid
from esper.storage.history.traces import Trace
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.round_outcome import RoundOutcome

CURSOR_HEX: Final = 16
"""Height and position, four bytes each."""
MAX_KEY_BYTES: Final = 1 + HASH_BYTES + 8
"""Of the keys that a block adds; the longest is that of a trace."""
MAX_KEYS: Final = 1 << 18
"""Of one block, which holds 2 MiB: a key comes from 37 bytes of it at least."""
NO_TXID: Final = Txid(b"")
"""Where there is no transaction: nobody sends a reward, and most answer no call."""


class What(IntEnum):
    """Something that can happen to an address."""

    MINED = 1
    """It got a block's reward, fees included; spendable once that matures."""
    SENT = 2
    """It sent units, all outputs together."""
    RECEIVED = 3
    """It got units, all outputs of the transaction to it together."""
    STAKED = 4
    """Units left its balance for its stake."""
    UNSTAKED = 5
    """Units left its stake; spendable after the unbonding period."""
    CREDITS_SENT = 6
    """It gave micro-credits away."""
    CREDITS_RECEIVED = 7
    """It was given micro-credits."""
    CALLED = 8
    """It made a call: micro-credits burned for the answer, or locked for one to come."""
    ANSWERED = 9
    """A call was answered later: to the caller what was locked and not burned comes back, less
    what has lapsed since; to who sent the answer, nothing but its fee."""
    OTHER = 10
    """It did something else, for units that left its balance and reached no other, or none."""
    PROPOSED = 11
    """It proposed something to the DAO: units of the bond, which BOND_RETURNED and BOND_BURNED
    settle later."""
    VOTED = 12
    """It voted on a proposal."""
    DELEGATED = 13
    """It let another address vote for it, or nobody."""
    PROVED = 14
    """It showed the DAO something by a proof: that it runs a model, or what an item is worth."""
    BOND_RETURNED = 15
    """It got units back that its proposal held; the block did it, no transaction."""
    BOND_BURNED = 16
    """Units that its proposal held are nobody's any more; they had left its balance before."""

    CLAIMED = 17
    """It said something about a proposed model, for a bond that BOND_RETURNED and BOND_BURNED
    settle later."""
    PENALTY_TAKEN = 18
    """Evidence took units from it: of its pending rewards, its stake, and what it had unstaked;
    its balance is as it was."""
    PENALTY_PAID = 19
    """It got half of what its evidence took from another."""

    @property
    def label(self) -> str:
        """The name that clients see."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a transaction stands."""

    height: int
    """Height of its block."""
    index: int
    """Number among the block's transactions, from 0."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What a transaction does to an address."""

    address: bytes
    """33 bytes: to whom."""
    what: What
    """What it is."""
    amount: int
    """Units, or micro-credits from CREDITS_SENT to ANSWERED."""
    fee: int = 0
    """Units that the address paid to the block's finder."""
    other: bytes = b""
    """33 bytes: the address on the other side; empty if there is none or more than one."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Something that happened to an address in a block."""

    height: int
    """Height of the block."""
    time_ms: int
    """The block's time: milliseconds since 1970."""
    txid: Txid
    """64 bytes; empty for mined rewards, a proposal's where a block settled its bond."""
    what: What
    """What it is."""
    amount: int
    """Units, or micro-credits from CREDITS_SENT to ANSWERED."""
    fee: int
    """Units that the address paid to the block's finder."""
    other: bytes
    """33 bytes: the address on the other side; empty if there is none or more than one."""
    cursor: str = field(default="", compare=False)
    """Of the events before it; set where it is read, not stored."""


@dataclass(frozen=True, slots=True)
class CallMade:
    """A call in a block."""

    caller: bytes
    """33 bytes: who pays."""
    number: int
    """Number among the calls of its block, from 0: its answer's place in the body's results."""
    inline: int
    """1 if it was included with its answer, 0 if it was left open."""
    amount: int
    """Micro-credits: burned if inline, otherwise locked."""


@dataclass(frozen=True, slots=True)
class CallPlace:
    """A call of the chain and what became of it."""

    made: CallMade
    """The call."""
    place: Place
    """Where it stands."""
    answered: Place | None
    """Where its answer stands: its own place if inline, that of a result, None while open."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one transaction of a block does to the index, or the block by itself."""

    txid: Txid
    """64 bytes; empty for the coinbase, which has no events but the reward, and where no
    transaction did it."""
    happenings: tuple[Happening, ...]
    """In the order in which they took place."""
    call: CallMade | None = None
    """The call that it makes."""
    answers: Txid = NO_TXID
    """64 bytes: txid of the open call that it answers, empty if it answers none."""
    about: Txid = NO_TXID
    """64 bytes: what the events name that no transaction of the block did: a proposal's txid."""
    trace: Trace | None = None
    """What it says about a proposal, a report or a hidden set."""
    outcome: RoundOutcome | None = None
    """What a round of hidden sets came to in the block."""
    penalty: TakenPenalty | None = None
    """What its evidence took from a gateway."""


@dataclass(frozen=True, slots=True)
class Marker:
    """Up to where the index has followed the chain."""

    height: int
    """0 for the genesis."""
    block_id: BlockId
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class AddedKeys:
    """What takes a block back out of the index, which never overwrites a key for a block."""

    parent: BlockId
    """64 bytes: id of the block before."""
    keys: tuple[bytes, ...]
    """Every key that the block added."""


class CursorError(ValueError):
    """A cursor that no page of events ended with."""

    def __init__(self, cursor: str) -> None:
        super().__init__(
            f"before: {cursor[:CURSOR_HEX]!r} is no cursor; take the one of the page before, or "
            "none for the newest events"
        )


def cursor_of(position: bytes) -> str:
    """The cursor of the events before a position of 8 bytes."""
    return position.hex()


def position_of(cursor: str) -> bytes:
    """The 8 bytes that a cursor stands for. Raises CursorError."""
    try:
        position = bytes.fromhex(cursor)
    except ValueError:
        raise CursorError(cursor) from None
    if len(cursor) != CURSOR_HEX or position.hex() != cursor:
        raise CursorError(cursor)
    return position


def _event(what: int, **parts: int | bytes) -> HistoryEvent:
    return HistoryEvent(what=What(what), **parts)  # type: ignore[arg-type]


_AMOUNT: Final = Unsigned(63)

EVENT: Final = Record(
    _event,
    None,
    (
        ("height", Unsigned(32)),
        ("time_ms", Unsigned()),
        ("txid", VarBytes(HASH_BYTES)),
        ("what", Unsigned(8)),
        ("amount", _AMOUNT),
        ("fee", _AMOUNT),
        ("other", VarBytes(ADDRESS_BYTES)),
    ),
)
CALL: Final = Record(
    CallMade,
    None,
    (
        ("caller", FixedBytes(ADDRESS_BYTES)),
        ("number", Unsigned(32)),
        ("inline", Unsigned(1)),
        ("amount", _AMOUNT),
    ),
)
MARKER: Final = Record(
    Marker, None, (("height", Unsigned(32)), ("block_id", FixedBytes(HASH_BYTES)))
)
ADDED: Final = Record(
    AddedKeys,
    None,
    (("parent", FixedBytes(HASH_BYTES)), ("keys", Array(VarBytes(MAX_KEY_BYTES), MAX_KEYS))),
)
