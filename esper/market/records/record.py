"""What a provider signs for each reply: version 2 of what a gateway signs for an answer.

    signed = H(esper/receipt/sign/v1, RECORD)

Version 1, ``dao.promise``, holds the ids of prompt and answer, for whoever shows the prompt anyway;
this one holds their roots, since settling publishes it. Both are signed under one tag: their first
field tells them apart.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from esper.dao.promise import PROMISE_VERSION
from esper.market.records.digests import digest
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId

RECORD_VERSION: Final = PROMISE_VERSION + 1
RECORD_LIMIT: Final = 1024
"""Bytes of a record, at most."""


class Finish(IntEnum):
    """Why an answer ended, on the wire."""

    ENDED = 0
    """The model said so."""
    LENGTH = 1
    """It has as many tokens as were asked for."""
    CUT = 2
    """A stop came, or its reader left: the model might have gone on."""


@dataclass(frozen=True, slots=True)
class MarketRecord:
    """One reply.

    Raises ValueError for an unknown finish, an end before its beginning, or more tokens than were
    asked for.
    """

    genesis_hash: bytes
    """64 bytes: which network."""
    provider: bytes
    """33 bytes: address of the signer."""
    model_id: ModelId
    """64 bytes."""
    prompt_root: bytes
    """64 bytes: root of the prompt's windows."""
    max_tokens: int
    """Answer tokens at most."""
    answer_root: bytes
    """64 bytes: root of the answer's windows."""
    request: bytes
    """64 bytes: digest of the request."""
    height: int
    """The signer's tip."""
    session: bytes
    """64 bytes: txid of the session's opening."""
    turn: int
    """Which reply of the session, from 0."""
    slot: int
    """It is claimed in the provider's first Beat of this slot or later, and in no other."""
    prompt_tokens: int
    """Tokens of the prompt."""
    answer_tokens: int
    """Tokens of the answer."""
    finish: int
    """``Finish``."""
    seal: bytes
    """64 bytes: what the model computed on the way, sealed; see ``windows``."""
    before: int
    """Units that all replies before this one cost."""
    spent: int
    """Units that they cost with this one."""
    t0: int
    """Milliseconds since 1970 at which the request came, as the signer says."""
    t1: int
    """Milliseconds since 1970 at which the last token went, as the signer says."""

    def __post_init__(self) -> None:
        if self.finish not in tuple(Finish):
            raise ValueError(
                f"finish {self.finish}, must be one of {', '.join(map(str, map(int, Finish)))}"
            )
        if self.before > self.spent:
            raise ValueError(f"before {self.before} must not exceed spent {self.spent}")
        if self.t0 > self.t1:
            raise ValueError(f"t0 {self.t0} must not exceed t1 {self.t1}")
        if self.answer_tokens > self.max_tokens:
            raise ValueError(
                f"answer_tokens {self.answer_tokens} must not exceed max_tokens {self.max_tokens}"
            )

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(MARKET_RECORD, self)

    @property
    def digest(self) -> bytes:
        """64 bytes: its name in acks and reports. Computed anew at every call."""
        return digest(self.to_bytes())


MARKET_RECORD: Final = Record(
    MarketRecord,
    RECORD_VERSION,
    (
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("provider", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("prompt_root", FixedBytes(HASH_BYTES)),
        ("max_tokens", Unsigned(16)),
        ("answer_root", FixedBytes(HASH_BYTES)),
        ("request", FixedBytes(HASH_BYTES)),
        ("height", Unsigned(32)),
        ("session", FixedBytes(HASH_BYTES)),
        ("turn", Unsigned(32)),
        ("slot", Unsigned(32)),
        ("prompt_tokens", Unsigned(16)),
        ("answer_tokens", Unsigned(16)),
        ("finish", Unsigned(2)),
        ("seal", FixedBytes(HASH_BYTES)),
        ("before", Unsigned(63)),
        ("spent", Unsigned(63)),
        ("t0", Unsigned(63)),
        ("t1", Unsigned(63)),
    ),
)


def decode_record(data: bytes) -> MarketRecord:
    """Read a record. Raises CodecError."""
    return decode(MARKET_RECORD, data, limit=RECORD_LIMIT, what="market record")
