"""A connected peer, as the machines know it."""

from dataclasses import dataclass
from typing import Final, NewType

PeerNumber = NewType("PeerNumber", int)
"""Numbers connections; never given again while the node runs."""

ARCHIVE: Final = 1
"""Service bit: has every proof."""
TRANSACTIONS: Final = 2
"""Service bit: relays transactions. Not said on blocks-only links."""
PROMPTS: Final = 4
CHUNKS: Final = 8
"""Service bit: understands the messages about packages of models, and may have some."""
SNAPSHOTS: Final = 16


@dataclass(frozen=True, slots=True)
class Peer:
    """What does not change while a peer is connected."""

    number: PeerNumber
    """Of the connection."""
    peer_id: bytes
    """38 bytes, proven by the handshake."""
    outbound: bool
    """Whether we dialled it."""
    group: bytes
    """Its netgroup: what one owner of addresses has many of."""
    static: bool = False
    """Configured by the operator."""
    relays_transactions: bool = True
    """Both sides said so."""
    proofs_from: int = 1
    """The lowest height of whose block and all above it has the proof, as it said."""
    chunks: bool = False
    """Whether it may be asked about packages of models."""
