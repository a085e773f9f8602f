"""What a provider asks for, and what a reply costs."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.market.records.digests import digest
from esper.primitives.codec import Array, Record, Unsigned, VarBytes, decode, encode

MAX_ATTRIBUTES: Final = 16
MAX_ENDPOINT: Final = 256
OFFER_LIMIT: Final = 512
"""Bytes of an offer, at most."""
PRICED_TOKENS: Final = 1000
"""Prices are for so many tokens."""


@dataclass(frozen=True, slots=True)
class OfferAttribute:
    """A property that clients may filter by."""

    key: int
    value: int


@dataclass(frozen=True, slots=True)
class MarketOffer:
    """Prices and load of a provider. Raises ValueError unless attributes ascend by key."""

    price_in: int
    """Units for PRICED_TOKENS tokens of a prompt."""
    price_out: int
    """Units for PRICED_TOKENS tokens of an answer."""
    claim: int
    """Units that a claim costs the payer beside its replies: what settling it takes."""
    entry: int
    """Units that a session costs when it is opened, about a reply."""
    least: int
    """Units that a session must hold beside them."""
    load: int
    """Units of load that it can show at most."""
    region: int
    """Where it stands, as ISO 3166-1 numbers it; 0 for nowhere in particular."""
    attributes: tuple[OfferAttribute, ...]
    """By ascending key."""
    endpoint: bytes
    """Where it is reached."""

    def __post_init__(self) -> None:
        if any(one.key >= other.key for one, other in pairwise(self.attributes)):
            raise ValueError("attributes: keys must ascend")

    @property
    def digest(self) -> bytes:
        """64 bytes: what a payer that opens a session agrees to. Computed anew at every call."""
        return digest(encode(MARKET_OFFER, self))


MARKET_OFFER: Final = Record(
    MarketOffer,
    None,
    (
        ("price_in", Unsigned(40)),
        ("price_out", Unsigned(40)),
        ("claim", Unsigned(40)),
        ("entry", Unsigned(40)),
        ("least", Unsigned(40)),
        ("load", Unsigned(32)),
        ("region", Unsigned(16)),
        (
            "attributes",
            Array(
                Record(OfferAttribute, None, (("key", Unsigned(8)), ("value", Unsigned(32)))),
                MAX_ATTRIBUTES,
            ),
        ),
        ("endpoint", VarBytes(MAX_ENDPOINT)),
    ),
)


def decode_offer(data: bytes) -> MarketOffer:
    """Read an offer. Raises CodecError."""
    return decode(MARKET_OFFER, data, limit=OFFER_LIMIT, what="offer")


def reply_cost(price_in: int, price_out: int, prompt_tokens: int, answer_tokens: int) -> int:
    """Units that a reply costs; rounded down. Prices are those that the session copied."""
    return (price_in * prompt_tokens + price_out * answer_tokens) // PRICED_TOKENS
