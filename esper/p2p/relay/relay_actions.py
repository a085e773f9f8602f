"""What the block relay asks of others beside peers and threads."""

from dataclasses import dataclass

from esper.consensus.header import Header
from esper.p2p.peer import PeerNumber


@dataclass(frozen=True, slots=True)
class ToSync:
    """A peer has a block that is not near enough to be fetched alone: ask it for headers."""

    peer: PeerNumber
    """Who announced it."""
    header: Header
    """Its header; it holds by itself, and on its parent if that is known."""
