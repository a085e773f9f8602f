"""Messages of the market's protocol, `/esper/<16 hex digits of genesis>/market/1`.

They have a connection of their own, never the node's two streams, and types of their own, 0 to 10.
What is signed travels as the bytes that were signed; whoever takes it decodes and judges it.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from esper.p2p.faults import Fault, Offence
from esper.primitives.codec import (
    Array,
    CodecError,
    FixedBytes,
    Record,
    Unsigned,
    VarBytes,
    decode,
    encode,
)
from esper.primitives.hashing import HASH_BYTES

MARKET_FRAME_BYTES: Final = 64 * 1024
"""Bytes of a record, at most."""
MAX_PROMPT_TOKENS: Final = 8192
MAX_ANSWER_TOKENS: Final = 128
"""A daemon answers no longer: each record is provable in one move."""
SALT_BYTES: Final = 32
KEY_BYTES: Final = 1952
SIGNATURE_BYTES: Final = 3309
"""Of suite 1."""
SIGNED_BYTES: Final = 1024
"""Of a request, a record, a claim, an offer or a report, at most."""
PATH_BYTES: Final = 4096
"""Of a path and what it says of its tree, at most."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of either side."""

    genesis_hash: bytes
    """64 bytes: which network."""
    height: int
    """The sender's tip."""
    time_ms: int
    """Milliseconds since 1970, as the sender's clock says."""

    TYPE: ClassVar[int] = 0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a provider asks for. Empty from a client: it asks for the provider's."""

    offer: bytes
    """The bytes of a ``MarketOffer``, or none."""

    TYPE: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class Ask:
    """A signed request and the prompt that its root stands for."""

    number: int
    """The client's, for this connection: answers carry it."""
    request: bytes
    """The bytes of a ``MarketRequest``."""
    key: bytes
    """1,952 bytes."""
    signature: bytes
    """3,309 bytes."""
    salt: bytes
    """32 bytes: of the prompt's windows."""
    prompt: tuple[int, ...]
    """Token ids, at most 8,192."""

    TYPE: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Tokens:
    """The next tokens of an answer."""

    number: int
    """The request's."""
    ids: tuple[int, ...]
    """One to 128 token ids."""

    TYPE: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if not self.ids:
            raise ValueError("ids must not be empty")


@dataclass(frozen=True, slots=True)
class SignedRecord:
    """The end of an answer: what the provider signs of it."""

    number: int
    """The request's."""
    record: bytes
    """The bytes of a ``MarketRecord``."""
    key: bytes
    """1,952 bytes."""
    signature: bytes
    """3,309 bytes."""

    TYPE: ClassVar[int] = 4


@dataclass(frozen=True, slots=True)
class Pay:
    """A signed request that asks for nothing and acknowledges what came."""

    number: int
    """The client's; a provider that takes it answers with the same message."""
    request: bytes
    """The bytes of a ``MarketRequest`` with ``max_tokens`` 0."""
    key: bytes
    """1,952 bytes."""
    signature: bytes
    """3,309 bytes."""

    TYPE: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Refuse:
    """Why something was not done."""

    number: int
    """What it answers."""
    word: int
    """``RefusalWord``; words that are not known mean "no"."""

    TYPE: ClassVar[int] = 6


@dataclass(frozen=True, slots=True)
class Draw:
    """A drawn claim, shown to a verifier; the data of each draw follow."""

    number: int
    """The sender's, for this connection."""
    provider: bytes
    """33 bytes: address of the provider that claims."""
    slot: int
    """Slot of its Beat."""
    claim: bytes
    """The bytes of a ``SessionClaim``."""
    path: bytes
    """The bytes of a ``BeatPath``."""

    TYPE: ClassVar[int] = 7


@dataclass(frozen=True, slots=True)
class Data:
    """One drawn reply, as its verifier replays it."""

    number: int
    """The draw's."""
    draw: int
    """Which of the claim's draws, 0 to 15."""
    record: bytes
    """The bytes of a ``MarketRecord``."""
    path: tuple[bytes, ...]
    """64-byte hashes, at most 62: from the record to the acks."""
    salt: bytes
    """32 bytes: of the prompt's windows."""
    prompt: tuple[int, ...]
    """Token ids."""
    answer: tuple[int, ...]
    """Token ids."""

    TYPE: ClassVar[int] = 8


@dataclass(frozen=True, slots=True)
class Report:
    """What a verifier found, shown once its Beat holds it."""

    number: int
    """The draw's."""
    report: bytes
    """The bytes of a ``ReplayReport``."""
    slot: int
    """Slot of the verifier's Beat."""
    index: int
    """Which leaf of it."""
    path: bytes
    """The bytes of a ``BeatPath``."""

    TYPE: ClassVar[int] = 9


@dataclass(frozen=True, slots=True)
class Score:
    """What a provider did lately, as it says itself. Zeros from a client: it asks for it."""

    answered: int
    """Replies."""
    first_token_ms: int
    """Median milliseconds to the first token."""
    tokens_per_minute: int
    """Of all its machines."""

    TYPE: ClassVar[int] = 10


MarketMessage = (
    Hello | Offer | Ask | Tokens | SignedRecord | Pay | Refuse | Draw | Data | Report | Score
)

_HASH: Final = FixedBytes(HASH_BYTES)
_U32: Final = Unsigned(32)
_SIGNED: Final = VarBytes(SIGNED_BYTES)
_SIGNATURE: Final = (("key", FixedBytes(KEY_BYTES)), ("signature", FixedBytes(SIGNATURE_BYTES)))
_NUMBER: Final = ("number", _U32)
_SALT: Final = ("salt", FixedBytes(SALT_BYTES))
_PROMPT: Final = ("prompt", Array(_U32, MAX_PROMPT_TOKENS))
_ANSWER: Final = Array(_U32, MAX_ANSWER_TOKENS)
_PATH: Final = VarBytes(PATH_BYTES)

_RECORDS: Final[dict[int, Record[Any]]] = {
    0: Record(Hello, 1, (("genesis_hash", _HASH), ("height", _U32), ("time_ms", Unsigned(63)))),
    1: Record(Offer, 1, (("offer", _SIGNED),)),
    2: Record(Ask, 1, (_NUMBER, ("request", _SIGNED), *_SIGNATURE, _SALT, _PROMPT)),
    3: Record(Tokens, 1, (_NUMBER, ("ids", _ANSWER))),
    4: Record(SignedRecord, 1, (_NUMBER, ("record", _SIGNED), *_SIGNATURE)),
    5: Record(Pay, 1, (_NUMBER, ("request", _SIGNED), *_SIGNATURE)),
    6: Record(Refuse, 1, (_NUMBER, ("word", Unsigned(8)))),
    7: Record(
        Draw,
        1,
        (
            _NUMBER,
            ("provider", FixedBytes(33)),
            ("slot", _U32),
            ("claim", _SIGNED),
            ("path", _PATH),
        ),
    ),
    8: Record(
        Data,
        1,
        (
            _NUMBER,
            ("draw", Unsigned(4)),
            ("record", _SIGNED),
            ("path", Array(_HASH, 62)),
            _SALT,
            _PROMPT,
            ("answer", _ANSWER),
        ),
    ),
    9: Record(
        Report,
        1,
        (_NUMBER, ("report", _SIGNED), ("slot", _U32), ("index", _U32), ("path", _PATH)),
    ),
    10: Record(
        Score,
        1,
        (("answered", Unsigned(63)), ("first_token_ms", _U32), ("tokens_per_minute", _U32)),
    ),
}


def hello_of(genesis_hash: bytes, height: int, time_ms: int) -> Hello:
    """The first message; the time is the caller's."""
    return Hello(genesis_hash, height, time_ms)


def encode_market_message(message: MarketMessage) -> bytes:
    """The record of a message. Raises ValueError for values outside its schema or too long."""
    record = encode(_RECORDS[message.TYPE], message)
    if len(record) > MARKET_FRAME_BYTES:
        raise ValueError(f"message has {len(record)} bytes, at most {MARKET_FRAME_BYTES}")
    return record


def market_message_of(kind: int, record: bytes) -> MarketMessage:
    """The message of a record. Raises Fault (CODEC), also for a type that is not known."""
    codec = _RECORDS.get(kind)
    if codec is None:
        raise Fault(Offence.CODEC, f"market message type {kind} is unknown")
    try:
        message: MarketMessage = decode(
            codec, record, limit=MARKET_FRAME_BYTES, what="market message"
        )
    except CodecError as error:
        raise Fault(Offence.CODEC, f"market message of type {kind}: {error}") from error
    return message
