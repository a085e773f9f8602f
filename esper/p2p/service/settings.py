"""How a node takes part in its network."""

from dataclasses import dataclass

from esper.p2p.limits import INBOUND, MIB, PACKAGE_DOWN_PER_S, PACKAGE_UP_PER_S
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.peer_address import PeerAddress


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """What the operator chose."""

    hosts: tuple[str, ...] = ("::",)
    """IP addresses to listen on; empty: nobody is let in."""
    port: int = 0
    """Where to listen; 0: any."""
    external: tuple[tuple[bytes, int], ...] = ()
    """Addresses (16 bytes) and ports under which others reach this node, if it does not learn."""
    static: tuple[PeerAddress, ...] = ()
    """Peers that are always dialled."""
    connect_only: bool = False
    """Nobody else is dialled."""
    seeds: tuple[PeerAddress, ...] = ()
    """Dialled while few addresses are known."""
    inbound: int = INBOUND
    """Most connections that others dial."""
    archive: bool = False
    """Whether every proof is kept."""
    assume_valid: tuple[int, bytes] | None = None
    """Height and id of a block below which no proof is verified."""
    alone: bool = False
    """Whether the node may be synced, and mine, without a peer: the first of a new network."""
    local_groups: bool = True
    """Whether local addresses are a netgroup each: devnet and regtest."""
    spares_local: bool = True
    """Whether local addresses are never limited and never banned; no: for tests that attack."""
    keeps_local: bool = True
    """Whether local addresses enter the book: devnet and regtest, or private networks."""
    upload_per_s: int = 16 * MIB
    """Bytes of history served in all."""
    package_upload_per_s: int = PACKAGE_UP_PER_S
    """Bytes of packages given to all peers together."""
    package_download_per_s: int = PACKAGE_DOWN_PER_S
    """Bytes of packages asked of all peers together."""
    minimum_weight: int = 0
    """What this release knows the network's chain to weigh at least, as ``HeaderChain.weight``."""
    agent: bytes = b"esper"
    """What peers are told of this program, at most 64 printable characters."""

    @property
    def localities(self) -> Localities:
        """How local addresses are treated: at the door, for slots, penalties and the book alike."""
        return Localities(
            own_groups=self.local_groups, spared=self.spares_local, kept=self.keeps_local
        )
