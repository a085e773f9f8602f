"""The connected peers of a node, and why the last ones left."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from esper.p2p.flow.budgets import TokenBucket
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import Kind
from esper.p2p.service.connection import Connection
from esper.p2p.wire.fields import Claim
from esper.p2p.wire.talk_messages import Hello

LEFT_KEPT: Final = 32


@dataclass(slots=True)
class Connected:
    """One connection."""

    connection: Connection
    """Carries the frames."""
    kind: Kind
    """What it is for."""
    address: PeerAddress
    """The other end; of inbound ones the port is the one that they come from."""
    began_ms: int
    """When it was dialled or accepted, steady ms."""
    hello: Hello | None = None
    """What it said of itself; None before."""
    peer: Peer | None = None
    """What the machines know it by; None until it has a slot."""
    claim: Claim | None = None
    """The last tip that it claimed."""
    settled_ms: int = 0
    """When it got its slot."""
    gave_addresses: bool = False
    """Whether it was answered a get_addrs."""
    asked_addresses: bool = False
    """Whether it was asked for addresses and did not answer yet."""
    claims: TokenBucket | None = None
    """How often what it claims is looked at."""
    skew_ms: int = 0
    """Its clock less ours, at hello."""


@dataclass(frozen=True, slots=True)
class Left:
    """A connection that ended."""

    address: PeerAddress
    """Whose."""
    outbound: bool
    """Who dialled."""
    at_ms: int
    """When, steady ms."""
    why: str
    """For people."""


class PeerTable:
    """Connections by number."""

    def __init__(self) -> None:
        self._connected: dict[PeerNumber, Connected] = {}
        self._next = 1
        self._left: deque[Left] = deque(maxlen=LEFT_KEPT)

    def __len__(self) -> int:
        return len(self._connected)

    def number(self) -> PeerNumber:
        """A number that no connection had."""
        self._next += 1
        return PeerNumber(self._next - 1)

    def add(self, connected: Connected) -> None:
        """A connection begins."""
        self._connected[connected.connection.number] = connected

    def get(self, number: PeerNumber) -> Connected | None:
        """The connection of a number, None if it ended."""
        return self._connected.get(number)

    def connection(self, number: PeerNumber) -> Connection | None:
        """Likewise, what carries its frames, if it has a slot."""
        found = self._connected.get(number)
        return found.connection if found is not None and found.peer is not None else None

    def all(self) -> Collection[Connected]:
        """All connections, those without a slot too."""
        return self._connected.values()

    def settled(self) -> list[Connected]:
        """Those that have a slot."""
        return [one for one in self._connected.values() if one.peer is not None]

    def remove(self, number: PeerNumber, now_ms: int) -> None:
        """A connection ended."""
        gone = self._connected.pop(number)
        why = gone.connection.why
        self._left.appendleft(Left(gone.address, gone.connection.link.outbound, now_ms, why))

    def unreached(self, address: PeerAddress, why: str, now_ms: int) -> None:
        """A dial came to nothing."""
        self._left.appendleft(Left(address, True, now_ms, why))

    @property
    def left(self) -> tuple[Left, ...]:
        """The last ones that ended, the newest first."""
        return tuple(self._left)
