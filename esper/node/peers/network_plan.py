"""A node's part in its network before anything of it is opened, and the service that it becomes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.events import Events
from esper.node.mempool.mempool_service import MempoolService
from esper.node.peers.blocks import NodeBlocks
from esper.node.peers.chain_port import NodeChain
from esper.node.peers.ingredients import NetworkIngredients
from esper.node.peers.network_service import NetworkService
from esper.p2p.ports import Random
from esper.p2p.service.endpoint import Endpoint, TcpEndpoint, protocols_of
from esper.p2p.service.packages.package_jobs import PackageSource
from esper.p2p.service.peer_files import PeerFiles, read_known_peers
from esper.p2p.service.settings import NetworkSettings
from esper.p2p.transport.identity import load_identity

JUDGING_THREADS: Final = 2
"""Blocks of a sync that are judged at once, at least."""


@dataclass(frozen=True, slots=True)
class NetworkPlan:
    """What a network service begins with."""

    settings: NetworkSettings
    """What the operator chose."""
    node_id: bytes
    """38 bytes."""
    endpoint: Endpoint
    """Where links come from."""
    random_bytes: Callable[[int], bytes] = random.SystemRandom().randbytes
    """For the secret of the address book."""
    random: Random = field(default_factory=random.SystemRandom)
    """Chance in all else."""
    threads: int = JUDGING_THREADS
    """That verify proofs."""
    packages: PackageSource | None = None
    """The store of models, if the node keeps one."""


def network_plan(settings: NetworkSettings, genesis_hash: bytes, folder: Path) -> NetworkPlan:
    """The plan of a real node. Raises NodeKeyError."""
    identity = load_identity(folder, random.SystemRandom().randbytes)
    endpoint = TcpEndpoint(
        identity,
        protocols_of(genesis_hash),
        settings.hosts,
        settings.port,
        spares=settings.localities.spares,
    )
    return NetworkPlan(settings, identity.node_id, endpoint)


def network_service(
    plan: NetworkPlan,
    folder: Path,
    manager: ChainManager,
    chain: ChainService,
    mempool: MempoolService,
    events: Events,
    *,
    wall: Clock,
    steady: Clock,
) -> NetworkService:
    """The service of a node that is open. Raises SystemRefusedError and TooManyStaticError."""
    known = read_known_peers(folder, plan.random_bytes)
    blocks = manager.store.blocks()
    source = NodeBlocks(blocks)
    service = NetworkService(
        NetworkIngredients(
            params=manager.params,
            genesis_hash=manager.context.genesis_hash,
            settings=plan.settings,
            node_id=plan.node_id,
            endpoint=plan.endpoint,
            chain=chain,
            chain_port=NodeChain(chain, manager, wall, plan.settings.minimum_weight),
            blocks=source,
            whole_block=source.whole,
            mempool=mempool,
            events=events,
            steady=steady,
            wall=wall,
            known=known,
            proofs_from=lambda: blocks.proofs_from,
            random=plan.random,
            threads=plan.threads,
            packages=plan.packages,
        )
    )
    service.save_with(PeerFiles(folder, service.parts, steady, wall).save)
    return service
