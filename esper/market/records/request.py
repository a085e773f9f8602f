"""What a payer asks a provider for, and with it acknowledges all replies before.

    signed = H(esper/market/request/v1, REQUEST)

The turn is the number of replies that are acknowledged: the acks hold exactly so many, and the
reply to this request is the one behind them. A request that nobody answered is asked again under
the same turn.
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import verify
from esper.primitives.address import SUITE_ML_DSA_65, Address
from esper.primitives.codec import FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, make_tag, tagged_hash

TAG_SIGNED: Final = make_tag("esper/market/request/v1")

REQUEST_VERSION: Final = 1
REQUEST_LIMIT: Final = 512
"""Bytes of a request, at most."""


@dataclass(frozen=True, slots=True)
class MarketRequest:
    """One turn of a session."""

    genesis_hash: bytes
    """64 bytes: which network."""
    session: bytes
    """64 bytes: txid of the session's opening."""
    turn: int
    """Replies that are acknowledged."""
    acked: int
    """Units that they cost together."""
    acks: bytes
    """64 bytes: root of the digests of their records; see ``acks``."""
    prompt_root: bytes
    """64 bytes: root of the prompt's windows."""
    prompt_tokens: int
    """Of this request's prompt."""
    max_tokens: int
    """Answer tokens at most; 0 asks for nothing and only pays."""
    expiry: int
    """Height after which no answer is wanted; 0 in a session's last one."""
    rating: int
    """What the payer thinks of the provider, 1 to 15; 0 for nothing."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        return encode(MARKET_REQUEST, self)

    @property
    def is_last(self) -> bool:
        """Whether the session may end with it: it asks for nothing, now or later."""
        return self.max_tokens == 0 and self.expiry == 0


MARKET_REQUEST: Final = Record(
    MarketRequest,
    REQUEST_VERSION,
    (
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("session", FixedBytes(HASH_BYTES)),
        ("turn", Unsigned(32)),
        ("acked", Unsigned(63)),
        ("acks", FixedBytes(HASH_BYTES)),
        ("prompt_root", FixedBytes(HASH_BYTES)),
        ("prompt_tokens", Unsigned(16)),
        ("max_tokens", Unsigned(16)),
        ("expiry", Unsigned(32)),
        ("rating", Unsigned(4)),
    ),
)


def decode_request(data: bytes) -> MarketRequest:
    """Read a request. Raises CodecError."""
    return decode(MARKET_REQUEST, data, limit=REQUEST_LIMIT, what="market request")


def request_digest(data: bytes) -> bytes:
    """64 bytes: what the session's signer signs."""
    return tagged_hash(TAG_SIGNED, data)


def requester_of(data: bytes, key: bytes, signature: bytes) -> bytes | None:
    """33 bytes: the address whose key signed a request, None if the signature does not hold."""
    if not verify(SUITE_ML_DSA_65, key, request_digest(data), signature):
        return None
    return Address.of_key(SUITE_ML_DSA_65, key).to_bytes()
