"""Who is connected, and how a node stands to its network."""

from typing import Annotated, Final

from msgspec import Meta

from esper.rpc.schema.common import Reply, Request


class ConnectedPeer(Reply, frozen=True):
    """A connected peer. Height and agent are its own word."""

    number: int
    """Of the connection; none is given twice while the node runs."""
    address: str
    """Where the connection leads, such as 192.0.2.7:9333."""
    peer_id: str
    direction: str
    """out if this node dialled it, in otherwise."""
    height: int
    ping_ms: int | None
    """Of the last answer, None before the first."""
    bytes_in: int
    bytes_out: int
    services: list[str]
    """Words: archive, transactions, prompts, chunks, snapshots."""
    connected_s: int
    """Seconds since it connected."""
    agent: str
    blocks_only: bool
    """Whether neither side tells the other of transactions."""
    static: bool
    """Whether it is configured, or was named by ``connect_peer``."""


class LeftPeer(Reply, frozen=True):
    """A peer that is no longer connected, or never came to be."""

    address: str
    peer_id: str
    """Empty if it did not prove one."""
    left_s: int
    """Seconds ago."""
    why: str


class Peers(Reply, frozen=True):
    """Who is connected, and who was."""

    peers: list[ConnectedPeer]
    """The oldest first."""
    left: list[LeftPeer]
    """The last that left, the newest first."""


class NetworkReply(Reply, frozen=True):
    """How a node stands to its network."""

    synced: bool
    """As ``get_status`` says it."""
    why_not_synced: str
    """Cause and remedy, empty if synced."""
    near: bool
    """Whether no branch that it fetches leads by more than two blocks."""
    busy: bool
    """Whether it catches up, and neither relays nor mines meanwhile."""
    state: str
    """asking, headers, blocks, near, synced or halted."""
    height: int
    best_height: int
    """The greatest that a peer claims, which proves nothing; 0 without peers."""
    blocks_per_second: float
    """Of catching up; 0 otherwise."""
    seconds_left: int | None
    """Until the best claim is reached, None where it is unknown."""
    inbound: int
    outbound: int
    listening: str
    """Address and port, empty if nobody is let in."""
    multiaddr: str
    """Where others may dial this node, empty while it is unknown."""
    peer_id: str
    """This node's."""
    counters: dict[str, int]
    """Numbers for people who look closer; their names may change."""
    warnings: list[str]
    """Sentences on what an operator has to see to, with what helps."""


PeerName = Annotated[str, Meta(min_length=2, max_length=128)]
"""An id, an address with or without a port, or a multiaddr."""
MAX_BAN_S: Final = 31_536_000
"""A year."""


class ConnectParams(Request, frozen=True):
    """Whom to dial: ``/ip4/ADDRESS/tcp/PORT/p2p/ID``."""

    address: PeerName


class PeerParams(Request, frozen=True):
    """Whom it concerns."""

    peer: PeerName


class BanParams(Request, frozen=True):
    """Whom to keep away, and how long."""

    peer: PeerName
    seconds: Annotated[int, Meta(ge=1, le=MAX_BAN_S)] = 86_400


class Disconnected(Reply, frozen=True):
    """Connections that were ended."""

    connections: int


class Ban(Reply, frozen=True):
    """Whom this node neither dials nor lets in."""

    target: str
    """An id, an IPv4 address, or the /64 of an IPv6 address."""
    seconds_left: int
    why: str
