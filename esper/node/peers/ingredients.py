"""What the network of a node is made of: simulations put others in the place of the real ones."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from esper.consensus.chain import BlockBytes
from esper.node.chain.chain_service import ChainService
from esper.node.events import Events
from esper.node.mempool.mempool_service import MempoolService
from esper.p2p.ports import ChainPort, Random
from esper.p2p.service.answering import BlockSource
from esper.p2p.service.endpoint import Endpoint
from esper.p2p.service.packages.package_jobs import PackageSource
from esper.p2p.service.peer_files import KnownPeers
from esper.p2p.service.settings import NetworkSettings
from esper.primitives.ids import BlockId
from esper.primitives.params import NetworkParameters


@dataclass(frozen=True, slots=True)
class NetworkIngredients:
    """What a network service is made of."""

    params: NetworkParameters
    """The network."""
    genesis_hash: bytes
    """64 bytes."""
    settings: NetworkSettings
    """What the operator chose."""
    node_id: bytes
    """38 bytes."""
    endpoint: Endpoint
    """Where links come from."""
    chain: ChainService
    """The chain."""
    chain_port: ChainPort
    """The same, for machines."""
    blocks: BlockSource
    """Its blocks, for peers."""
    mempool: MempoolService
    """What waits."""
    events: Events
    """What happens in the node."""
    steady: Callable[[], int]
    """Counts ms evenly."""
    wall: Callable[[], int]
    """The time of day, ms."""
    known: KnownPeers
    """What was known of peers."""
    proofs_from: Callable[[], int]
    """Lowest height from which every proof is kept."""
    whole_block: Callable[[BlockId], Awaitable[BlockBytes]]
    """Reads a block of the chain, in a thread."""
    random: Random = field(default_factory=random.SystemRandom)
    """Chance."""
    packages: PackageSource | None = None
    """The store of models; None: the node keeps none, and neither fetches nor gives any."""
    threads: int = 1
    """That verify proofs."""
