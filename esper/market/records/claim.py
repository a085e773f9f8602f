"""A claim: the replies of one session that a Beat commits to, and what became of earlier claims.

A claim with ``paid_from`` = ``paid_to`` claims nothing: it is there for its statuses alone. It may
have those of several claims: a provider that misses a Beat has two whose statuses are due in the
next one.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.market.parameters import KEPT_SLOTS
from esper.market.records.statuses import MAX_STATUS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes, decode, encode
from esper.primitives.hashing import HASH_BYTES

CLAIM_LIMIT: Final = 512
"""Bytes of a claim, at most."""


@dataclass(frozen=True, slots=True)
class ToldStatuses:
    """What became of the draws of one earlier claim of the session."""

    slot: int
    """Of the Beat that claimed."""
    statuses: bytes
    """See ``statuses``."""


@dataclass(frozen=True, slots=True)
class SessionClaim:
    """What a provider claims of a session.

    Raises ValueError for an end before its beginning, or earlier claims out of order.
    """

    session: bytes
    """64 bytes: txid of the session's opening."""
    first: int
    """The first turn."""
    turn: int
    """The turn behind the last one: replies that the acks hold."""
    paid_from: int
    """Units, where the amounts begin."""
    paid_to: int
    """Units, where they end: what the acknowledged replies cost."""
    acks: bytes
    """64 bytes: root of the acknowledged records."""
    told: tuple[ToldStatuses, ...] = ()
    """Of earlier claims, by ascending slot."""

    def __post_init__(self) -> None:
        if self.first > self.turn:
            raise ValueError(f"first {self.first} must not exceed turn {self.turn}")
        if self.paid_from > self.paid_to:
            raise ValueError(f"paid_from {self.paid_from} must not exceed paid_to {self.paid_to}")
        if any(one.slot >= other.slot for one, other in pairwise(self.told)):
            raise ValueError("told: slots must ascend")

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(SESSION_CLAIM, self)

    def told_of(self, slot: int) -> bytes | None:
        """The statuses that it has of the claim in the Beat of a slot, None if it has none."""
        return next((one.statuses for one in self.told if one.slot == slot), None)

    @property
    def replies(self) -> int:
        """n: turns that it claims."""
        return self.turn - self.first

    @property
    def amount(self) -> int:
        """A: units that it claims."""
        return self.paid_to - self.paid_from


TOLD_STATUSES: Final = Record(
    ToldStatuses,
    None,
    (("slot", Unsigned(32)), ("statuses", VarBytes(MAX_STATUS_BYTES))),
)
SESSION_CLAIM: Final = Record(
    SessionClaim,
    None,
    (
        ("session", FixedBytes(HASH_BYTES)),
        ("first", Unsigned(32)),
        ("turn", Unsigned(32)),
        ("paid_from", Unsigned(63)),
        ("paid_to", Unsigned(63)),
        ("acks", FixedBytes(HASH_BYTES)),
        ("told", Array(TOLD_STATUSES, KEPT_SLOTS)),
    ),
)


def decode_claim(data: bytes) -> SessionClaim:
    """Read a claim. Raises CodecError."""
    return decode(SESSION_CLAIM, data, limit=CLAIM_LIMIT, what="claim of a session")
