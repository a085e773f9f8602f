"""The network as operators see it: what the RPC asks of it, and what it answers.

All but ``connect`` answers at once, from memory, on the event loop. Times are seconds or
milliseconds as names say; sizes are bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from esper.p2p.peers.multiaddr import Multiaddr


class PeersError(Exception):
    """Something asked of the network that it does not do: which field, why, and what helps."""

    def __init__(self, field: str, what: str, remedy: str) -> None:
        super().__init__(f"{field}: {what}; {remedy}")
        self.field = field
        """Of the request."""
        self.what = what
        """What is wrong."""
        self.remedy = remedy
        """What helps."""


class NoSuchPeerError(PeersError):
    """Nobody of that name is connected, or kept away."""


class PeerUnreachedError(PeersError):
    """A peer that was dialled, and did not answer, or did not stay."""


class PeerSparedError(PeersError):
    """A peer of the setting ``connect``, which is never kept away."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a command means: an id, or an address with or without a port."""

    peer_id: bytes = b""
    """38 bytes; empty if an address is meant."""
    ip: bytes = b""
    """16 bytes, IPv4 mapped; empty if an id is meant."""
    port: int = 0
    """Of the address; 0: whatever port."""


@dataclass(frozen=True, slots=True)
class PeerView:
    """A connected peer."""

    number: int
    """Of the connection; none is given twice while the node runs."""
    address: str
    """``192.0.2.7:9333``: where the connection leads."""
    peer_id: str
    """52 characters."""
    outbound: bool
    """Whether this node dialled it."""
    height: int
    """As it says."""
    ping_ms: int | None
    """Of the last pong, None before the first."""
    bytes_in: int
    bytes_out: int
    services: tuple[str, ...]
    """Words: archive, transactions, prompts, chunks, snapshots."""
    connected_s: int
    """Seconds since the handshake."""
    agent: str
    """As it calls its program: at most 64 printable characters of ASCII."""
    blocks_only: bool
    """Whether neither side tells the other of transactions."""
    static: bool
    """Whether it is configured, or was named by ``connect``."""

    @property
    def direction(self) -> str:
        """``out`` or ``in``."""
        return "out" if self.outbound else "in"


@dataclass(frozen=True, slots=True)
class LeftView:
    """A peer that is no longer connected, or never came to be."""

    address: str
    peer_id: str
    """Empty if it did not prove one."""
    left_s: int
    """Seconds ago."""
    why: str
    """A phrase: who ended it, and for what."""


@dataclass(frozen=True, slots=True)
class BanView:
    """Whom this node neither dials nor lets in."""

    target: str
    """An id, an IPv4 address, or the /64 of an IPv6 address."""
    seconds_left: int
    why: str
    """A phrase: the offence, or that a person asked for it."""


@dataclass(frozen=True, slots=True)
class NetworkView:
    """How the node stands to its network."""

    synced: bool
    """By the network page, section 8: never from silence."""
    why_not: str
    """Cause and remedy in words; empty if synced."""
    near: bool
    """No branch that it fetches leads by more than 2 blocks."""
    busy: bool
    """It catches up: nothing is relayed, nothing mined."""
    state: str
    """asking, headers, blocks, near, synced or halted."""
    height: int
    """Of the executed chain."""
    best_height: int
    """The greatest that a peer claims, 0 without peers. A claim is no proof."""
    blocks_per_second: float
    """Executed lately, in sync; 0 else."""
    seconds_left: int | None
    """Until the best claim is reached at that speed; None where it is unknown."""
    inbound: int
    outbound: int
    listening: str
    """``0.0.0.0:9333``; empty if nobody is let in."""
    multiaddr: str
    """Where others may dial this node, as ``--connect`` takes it; empty while it is unknown."""
    peer_id: str
    """This node's, 52 characters."""
    counters: Mapping[str, int] = field(default_factory=dict)
    """Numbers for people who look closer, by names that may change."""
    warnings: tuple[str, ...] = ()
    """Sentences on what an operator has to see to, with what helps."""


class PeersPort(Protocol):
    """The network service, for its operator."""

    def peers(self) -> Sequence[PeerView]:
        """Who is connected, the oldest first."""

    def left(self) -> Sequence[LeftView]:
        """The last that left, the newest first; at most 32."""

    def bans(self) -> Sequence[BanView]:
        """Whom this node keeps away, the longest first."""

    def network(self) -> NetworkView:
        """How the node stands."""

    async def connect(self, address: Multiaddr) -> PeerView:
        """Dial a peer, and keep it as a configured one until the node ends.

        Answers the connection that there is, if it is connected already. A peer that cannot be
        reached now is dialled again. Raises PeerUnreachedError, and PeersError
        for this node itself.
        """

    def disconnect(self, target: Target) -> int:
        """End all connections of a peer; it may come back. How many they were.

        It is no configured one any more if ``connect`` named it. Raises NoSuchPeerError.
        """

    def ban(self, target: Target, seconds: int) -> BanView:
        """Keep an id or an address away, and end its connections.

        A port is of no meaning here. Raises PeerSparedError.
        """

    def unban(self, target: Target) -> None:
        """Let it come again. Raises NoSuchPeerError."""
