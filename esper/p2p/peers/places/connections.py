"""A connection, what it is for, and what is to be done with it."""

from dataclasses import dataclass
from enum import Enum

from esper.p2p.peer import PeerNumber
from esper.p2p.peers.peer_address import PeerAddress


class Kind(Enum):
    """What a connection is for."""

    INBOUND = "inbound"
    """Somebody dialled us."""
    FULL = "full"
    """Ours, for all that is relayed."""
    BLOCKS_ONLY = "blocks only"
    """Ours, unseen by who follows transactions."""
    FEELER = "feeler"
    """Ours, to see whether somebody answers; closed at once."""
    STATIC = "static"
    """Ours, to a peer that the operator named."""


@dataclass(slots=True)
class Connection:
    """A connection after its hello."""

    number: PeerNumber
    """Never given again."""
    kind: Kind
    """What it is for."""
    address: PeerAddress
    """The other end: dialled, or where an inbound one comes from."""
    group: bytes
    """Its netgroup."""
    began_ms: int
    """When it was dialled or accepted."""
    settled_ms: int
    """When its hello was there."""
    static: bool
    """Whether the operator named the peer, whoever dialled."""
    ping_ms: int | None = None
    """Shortest round trip."""
    block_ms: int | None = None
    """When it last was the first with a block."""
    transaction_ms: int | None = None
    """When it last was the first with a transaction."""

    @property
    def outbound(self) -> bool:
        """Whether we dialled it."""
        return self.kind is not Kind.INBOUND


@dataclass(frozen=True, slots=True)
class Settled:
    """The connection is a peer's from now on."""

    number: PeerNumber
    """Of the connection."""


@dataclass(frozen=True, slots=True)
class Close:
    """Say bye and close; ``left`` comes when it is gone."""

    number: PeerNumber
    """Of the connection."""
    code: int
    """Of the bye."""


@dataclass(frozen=True, slots=True)
class PingOlder:
    """Send a ping, and tell its pong to ``answered``: another connection of the same id waits."""

    number: PeerNumber
    """Of the older connection."""


SlotAction = Settled | Close | PingOlder
