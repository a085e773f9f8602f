"""Messages of the talk stream: who one is, what is new, and requests.

All records are arrays whose first element is 1; ``messages`` has the types and limits of all.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Final, TypeVar

from esper.p2p.limits import (
    HEADER_BYTES,
    MOST_ADDRESSES,
    MOST_ANNOUNCED,
    MOST_ASKED,
    MOST_BLOCKS,
    MOST_HEADERS,
    MOST_LOCATOR,
    MOST_TRANSACTIONS,
)
from esper.p2p.wire.fields import (
    AGENT,
    ID,
    IP,
    KNOWN_ADDRESS,
    NUMBER,
    PREFIX,
    WEIGHT,
    Claim,
    KnownAddress,
    check_ascending,
    check_count,
    check_weight,
)
from esper.primitives.codec import Array, Record, Unsigned, VarBytes

R = TypeVar("R", bound="NumberedRequest")

PART_BODY: Final = 1
PART_PROOF: Final = 2

BYE_STOPPING: Final = 0
BYE_FULL: Final = 1
BYE_DUPLICATE: Final = 2
BYE_NETWORK: Final = 3
BYE_BARRED: Final = 4
BYE_FAULT: Final = 5
BYE_FEELER: Final = 6
BYE_OTHER_RULES: Final = 7
MOST_BYE: Final = 7
BYE_WORDS: Final = (
    "it is stopping",
    "it has no room for another peer",
    "it has another connection to this node",
    "it is on another network",
    "it does not let this node in",
    "it says that this node broke the protocol",
    "it only tried whether this node answers",
    "it follows other rules",
)
BYE_WORDS_OURS: Final = (
    "this node is stopping",
    "this node has no room for another peer",
    "there is another connection to it",
    "it is on another network",
    "it is kept away",
    "it broke the protocol",
    "it only was to be tried",
    "it follows other rules",
)

REFUSED_UNKNOWN: Final = 0
REFUSED_PRUNED: Final = 1
REFUSED_BUSY: Final = 2
REFUSED_TOO_MUCH: Final = 3
REFUSED_CANCELLED: Final = 4
MOST_REFUSED: Final = 4


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side."""

    genesis: bytes
    """64 bytes: the network."""
    nonce: int
    """Random, 64 bits: a node that meets its own has dialled itself."""
    services: int
    """Bits of ``peer``; unknown ones are ignored."""
    height: int
    """Of the tip."""
    weight: bytes
    """Of the chain: big-endian without leading zeros."""
    tip: bytes
    """64 bytes."""
    proofs_from: int
    """Lowest height from which on every proof is kept."""
    port: int
    """Where the sender listens; 0: nowhere."""
    you: bytes
    """16 bytes: the address that the receiver has to the sender."""
    time_ms: int
    """The sender's clock: to warn of a wrong one, and for nothing else."""
    agent: bytes
    """Program and version, printable ASCII."""

    TYPE: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_weight(self.weight)
        if any(not 0x20 <= byte <= 0x7E for byte in self.agent):
            raise ValueError("agent must be printable ASCII")

    @property
    def claim(self) -> Claim:
        """The tip it claims."""
        return Claim(self.height, int.from_bytes(self.weight, "big"), self.tip)


@dataclass(frozen=True, slots=True)
class Ping:
    """Asks for a pong, and says the tip."""

    nonce: int
    """Comes back in the pong."""
    height: int
    """Of the tip."""
    weight: bytes
    """Of the chain."""
    tip: bytes
    """64 bytes."""

    TYPE: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_weight(self.weight)

    @property
    def claim(self) -> Claim:
        """The tip it claims."""
        return Claim(self.height, int.from_bytes(self.weight, "big"), self.tip)


@dataclass(frozen=True, slots=True)
class Pong(Ping):
    """Answers a ping."""

    TYPE: ClassVar[int] = 2


@dataclass(frozen=True, slots=True)
class Bye:
    """The last message before the sender closes."""

    code: int
    """One of BYE_*."""

    TYPE: ClassVar[int] = 3

    def __post_init__(self) -> None:
        if self.code > MOST_BYE:
            raise ValueError(f"code is {self.code}, at most {MOST_BYE}")

    @property
    def words(self) -> str:
        """Why the sender goes, for people."""
        return BYE_WORDS[self.code]


@dataclass(frozen=True, slots=True)
class GetAddrs:
    """Asks for addresses, once."""

    TYPE: ClassVar[int] = 4


@dataclass(frozen=True, slots=True)
class Addrs:
    """Addresses of nodes."""

    addresses: tuple[KnownAddress, ...]
    """At most 256."""

    TYPE: ClassVar[int] = 5


@dataclass(frozen=True, slots=True)
class Prefer:
    """Whether new blocks are to be pushed."""

    push: int
    """1 or 0."""

    TYPE: ClassVar[int] = 6


@dataclass(frozen=True, slots=True)
class Announce:
    """A proven block that the sender has."""

    header: bytes
    """Canonical header."""

    TYPE: ClassVar[int] = 7


@dataclass(frozen=True, slots=True)
class NumberedRequest:
    """A request: its answers carry its number."""

    number: int
    """Ascending from 1 for each connection and asker; 0 until it is sent."""

    def numbered(self: R, number: int) -> R:
        """The same request with a number."""
        return replace(self, number=number)


@dataclass(frozen=True, slots=True)
class GetBlock(NumberedRequest):
    """Asks for a recent block as compact and proof."""

    block_id: bytes
    """64 bytes."""

    TYPE: ClassVar[int] = 8


@dataclass(frozen=True, slots=True)
class GetBlockTxs(NumberedRequest):
    """Asks for transactions of a recent block by their places."""

    block_id: bytes
    """64 bytes."""
    indices: tuple[int, ...]
    """Ascending."""

    TYPE: ClassVar[int] = 9

    def __post_init__(self) -> None:
        check_count(self.indices, "indices")
        check_ascending(self.indices, "indices")


@dataclass(frozen=True, slots=True)
class Nevermind:
    """Takes a request back."""

    number: int
    """The request's."""

    TYPE: ClassVar[int] = 10


@dataclass(frozen=True, slots=True)
class Announced:
    """One transaction of have_txs."""

    prefix: bytes
    """First 16 bytes of its wtxid."""
    size: int
    """Its bytes."""


@dataclass(frozen=True, slots=True)
class HaveTxs:
    """Transactions that the sender has."""

    transactions: tuple[Announced, ...]
    """1 to 256."""

    TYPE: ClassVar[int] = 11

    def __post_init__(self) -> None:
        check_count(self.transactions, "transactions")


@dataclass(frozen=True, slots=True)
class GetTxs(NumberedRequest):
    """Asks for announced transactions."""

    prefixes: tuple[bytes, ...]
    """1 to 64."""

    TYPE: ClassVar[int] = 12

    def __post_init__(self) -> None:
        check_count(self.prefixes, "prefixes")


@dataclass(frozen=True, slots=True)
class GetHeaders(NumberedRequest):
    """Asks for headers behind the first known block of a locator."""

    locator: tuple[bytes, ...]
    """1 to 32 block ids, the highest first."""
    most: int
    """1 to 128 headers."""

    TYPE: ClassVar[int] = 13

    def __post_init__(self) -> None:
        check_count(self.locator, "locator")
        if not 1 <= self.most <= MOST_HEADERS:
            raise ValueError(f"most is {self.most}, must be 1 to {MOST_HEADERS}")


@dataclass(frozen=True, slots=True)
class GetBlocks(NumberedRequest):
    """Asks for parts of blocks of any age."""

    block_ids: tuple[bytes, ...]
    """1 to 16, each 64 bytes."""
    parts: int
    """PART_BODY, PART_PROOF or both."""

    TYPE: ClassVar[int] = 14

    def __post_init__(self) -> None:
        check_count(self.block_ids, "block_ids")
        if not 1 <= self.parts <= PART_BODY | PART_PROOF:
            raise ValueError(f"parts is {self.parts}, must be 1 to 3")


@dataclass(frozen=True, slots=True)
class Refuse:
    """Ends a request, or skips one of its blocks.

    Of the bulk stream, as the answers in whose place it comes: on the other it would overtake them.
    """

    number: int
    """The request's."""
    block_id: bytes
    """64 bytes: the block that is skipped; zeros: the whole rest."""
    code: int
    """One of REFUSED_*."""

    TYPE: ClassVar[int] = 38

    def __post_init__(self) -> None:
        if self.code > MOST_REFUSED:
            raise ValueError(f"code is {self.code}, at most {MOST_REFUSED}")


_CLAIM: Final = (("height", Unsigned(32)), ("weight", WEIGHT), ("tip", ID))

HELLO: Final = Record(
    Hello,
    1,
    (
        ("genesis", ID),
        ("nonce", Unsigned(64)),
        ("services", Unsigned(32)),
        *_CLAIM,
        ("proofs_from", Unsigned(32)),
        ("port", Unsigned(16)),
        ("you", IP),
        ("time_ms", Unsigned(63)),
        ("agent", AGENT),
    ),
)
PING: Final = Record(Ping, 1, (("nonce", Unsigned(64)), *_CLAIM))
PONG: Final = Record(Pong, 1, (("nonce", Unsigned(64)), *_CLAIM))
BYE: Final = Record(Bye, 1, (("code", Unsigned(8)),))
GET_ADDRS: Final = Record(GetAddrs, 1, ())
ADDRS: Final = Record(Addrs, 1, (("addresses", Array(KNOWN_ADDRESS, MOST_ADDRESSES)),))
PREFER: Final = Record(Prefer, 1, (("push", Unsigned(1)),))
ANNOUNCE: Final = Record(Announce, 1, (("header", VarBytes(HEADER_BYTES)),))
GET_BLOCK: Final = Record(GetBlock, 1, (("number", NUMBER), ("block_id", ID)))
GET_BLOCK_TXS: Final = Record(
    GetBlockTxs,
    1,
    (("number", NUMBER), ("block_id", ID), ("indices", Array(Unsigned(16), MOST_TRANSACTIONS))),
)
NEVERMIND: Final = Record(Nevermind, 1, (("number", NUMBER),))
ANNOUNCED: Final = Record(Announced, None, (("prefix", PREFIX), ("size", Unsigned(32))))
HAVE_TXS: Final = Record(HaveTxs, 1, (("transactions", Array(ANNOUNCED, MOST_ANNOUNCED)),))
GET_TXS: Final = Record(GetTxs, 1, (("number", NUMBER), ("prefixes", Array(PREFIX, MOST_ASKED))))
GET_HEADERS: Final = Record(
    GetHeaders, 1, (("number", NUMBER), ("locator", Array(ID, MOST_LOCATOR)), ("most", Unsigned(8)))
)
GET_BLOCKS: Final = Record(
    GetBlocks,
    1,
    (("number", NUMBER), ("block_ids", Array(ID, MOST_BLOCKS)), ("parts", Unsigned(2))),
)
REFUSE: Final = Record(Refuse, 1, (("number", NUMBER), ("block_id", ID), ("code", Unsigned(8))))
