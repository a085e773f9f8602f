"""A node at one moment, in the numbers that operators watch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from esper.metrics.gateway_sample import GatewaySample
from esper.metrics.worker_sample import FarmSample, WorkerSample


@dataclass(frozen=True, slots=True)
class TierSample:
    """A tier of the next block."""

    tier: int
    target_log2: float
    """Logarithm of the target to the base 2: lower is harder."""
    multiplier: float
    """Omega: what a block of it weighs beside one of the genesis model's, for as many attempts."""


@dataclass(frozen=True, slots=True)
class MiningSample:
    """A miner since it began."""

    attempts: int
    """Tickets that were answered."""
    found: int
    """Own blocks that joined the chain, without those that left it again."""
    stale: int
    """Own tickets and blocks that another block overtook."""
    calls_answered: int
    """In own blocks."""
    attempts_per_second: float
    tokens_per_second: float
    proof_seconds: float
    """Median of the last proofs of tickets, 0 before the first."""
    running: bool
    """Whether it searches."""


@dataclass(frozen=True, slots=True)
class PeersSample:
    """The network of a node."""

    inbound: int
    outbound: int
    bytes_in: int
    """Of the peers that are connected now."""
    bytes_out: int
    best_height: int
    """The greatest that a peer claims, which proves nothing."""


@dataclass(frozen=True, slots=True)
class EventsSample:
    """Events for programs outside, since the start."""

    sequence: Mapping[str, int]
    """How many there were, by topic."""
    subscribers: int
    """Sockets and streams that are open."""
    dropped: int
    """Events that were lost before anybody was told, and subscribers that were too slow."""


@dataclass(frozen=True, slots=True)
class HttpSample:
    """The HTTP server."""

    connections: int
    """Open now."""
    refused: Mapping[str, int]
    """Connections and requests since the start, by reason, of a fixed list."""


@dataclass(frozen=True, slots=True)
class NodeSample:
    """Everything that is told of a node."""

    version: str
    network: str
    height: int
    tip_age_s: float
    """Seconds between the tip's time and the machine's clock."""
    usefulness: float
    """Paid over proven tokens of the last blocks, 0 to 1."""
    issued_units: int
    reorganisations: int
    """Changes of the tip since the start that undid a block."""
    blocks_imported: int
    """Blocks that joined the chain since the start."""
    import_seconds: float
    """That they took, without the check of their proofs."""
    tiers: tuple[TierSample, ...]
    mempool_transactions: int
    mempool_calls: int
    mempool_bytes: int
    loop_lag_s: float
    """How late the event loop's last turn was."""
    store_bytes: Mapping[str, int]
    """On disk, by part."""
    mining: MiningSample | None = None
    """None without a miner."""
    peers: PeersSample | None = None
    """None for a node without a network."""
    events: EventsSample | None = None
    """None where nobody is told anything."""
    http: HttpSample | None = None
    """None where nobody is served."""
    gateway: GatewaySample | None = None
    """None for a node without a gateway."""
    workers: tuple[WorkerSample, ...] = ()
    """Of a miner."""
    farm: FarmSample | None = None
    """None for a node that mines without one."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a node may be used."""

    usefulness_per_mille: int
    """Paid over proven tokens of the last blocks."""
    reasons: tuple[str, ...] = field(default=())
    """Sentences on why it is not ready; empty if it is."""


class NodeGauge(Protocol):
    """The node, as metrics and health checks ask it."""

    async def sample(self) -> NodeSample:
        """Its numbers now."""
        ...

    def usefulness_per_mille(self) -> int:
        """Paid over proven tokens of the last blocks, from memory: it waits for nothing."""
        ...

    async def health(self) -> Health:
        """Whether it may be used now."""
        ...
