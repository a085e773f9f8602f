"""What the simulated network is made of. Times are milliseconds, sizes bytes, rates bytes a ms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MEGABYTE: Final = 1e6
BYTES_OF_MBIT: Final = 125.0
"""A millisecond."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the world."""

    name: str
    share: float
    """Of all nodes."""
    latencies: tuple[float, ...]
    """To each region, one way."""


REGIONS: Final = (
    Region("North America", 0.3316, (32, 124, 184, 198, 151, 189)),
    Region("Europe", 0.4998, (124, 11, 227, 237, 252, 294)),
    Region("South America", 0.0090, (184, 227, 88, 325, 301, 322)),
    Region("Asia", 0.1177, (198, 237, 325, 85, 58, 198)),
    Region("Japan", 0.0224, (151, 252, 301, 58, 12, 126)),
    Region("Australia", 0.0195, (189, 294, 322, 198, 126, 16)),
)
"""SimBlock's tables of 2019 (dsg-titech/simblock, NetworkConfiguration): where Bitcoin's nodes
were, and its latencies, which it applies one way and so does this."""


@dataclass(frozen=True, slots=True)
class Line:
    """A kind of access to the network."""

    up_mbit: float
    down_mbit: float


DATACENTRE: Final = Line(1_000, 1_000)
FIBRE: Final = Line(100, 300)
CABLE: Final = Line(20, 50)
"""SimBlock's means of 2019 for North America and Europe."""
SLOW: Final = Line(5, 20)


@dataclass(frozen=True, slots=True)
class Costs:
    """What a node computes. From bench/RESULTS.md, import of a block with 200 transfers."""

    header_ms: float = 1.0
    """A short message or a header, read and judged."""
    proof_ms: float = 4.5
    """The work's proof and its other rules."""
    proven_ms_per_mb: float = 12.7
    """Of the body: rules in isolation 7.2, received and opened 5.5."""
    execute_ms: float = 10.0
    """Files and tip of any block."""
    execute_ms_per_mb: float = 31.0
    """Of the body: what is left of the 41 ms of a block with a body of 0.69 MB."""
    noisy: bool = False
    """Whether judging takes an exponential time of its mean, as on a shared processor."""


NO_COSTS: Final = Costs(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class BlockShape:
    """What a block weighs."""

    body: int = 200_000
    proof: int = 290_000
    header: int = 1_750
    fixed: int = 9_000
    """Outputs, results and coinbase of a compact block."""
    transaction: int = 3_400
    """A transfer of a known key."""
    known: float = 0.95
    """Part of the transactions that mempools hold."""
    overhead: float = 1.005
    """Bytes on a link over bytes of messages: frames of the multiplexer and of Noise."""

    @property
    def compact(self) -> int:
        """Compact block and proof."""
        return self.header + self.fixed + 16 * (self.body // self.transaction) + self.proof

    @property
    def lacking(self) -> int:
        """Bytes of transactions that a receiver has to be sent."""
        return round(self.body * (1 - self.known))

    @property
    def whole(self) -> int:
        """All parts, as sync fetches them."""
        return self.header + self.body + self.proof


@dataclass(frozen=True, slots=True)
class TierPlan:
    """A model that is mined."""

    share: float
    """Of the blocks, as voted."""
    power: float
    """Of all power that is spent on it."""
    call_ms: float
    """A call of the engine: a new job waits for its end (search_loop.py: 30 to 120 ms, or one
    attempt of a model that takes longer)."""
    prove_ms: float
    """From a ticket to its proof on a machine of the usual speed."""
    omega: float = 1.0


GENESIS_TIER: Final = TierPlan(1.0, 1.0, 75.0, 1_600.0)
"""The genesis model: two sequences of 64 rows, twice the 0.76 s of devnet's one."""
LARGE_TIER: Final = TierPlan(1.0, 1.0, 1_000.0, 5_500.0, 64.0)
"""At the limit of proving: a tenth of the spacing on eight cores."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole network."""

    nodes: int = 100
    seed: int = 1
    blocks: int = 100
    """Heights until the search ends."""
    spacing_ms: int = 55_000
    lines: tuple[tuple[Line, float], ...] = (
        (DATACENTRE, 0.2), (FIBRE, 0.4), (CABLE, 0.3), (SLOW, 0.1),
    )  # fmt: skip
    """Kinds of access and their shares; shares are made up."""
    listeners: float = 0.4
    """Part of the nodes that can be dialled; made up, at least 10/32 by the limits of peers."""
    dials: int = 10
    inbound: int = 32
    latency_ms: float | None = None
    """One for all links in place of the regions."""
    jitter: float = 0.2
    """Of a link's latency: sigma of its logarithm."""
    costs: Costs = Costs()
    block: BlockShape = BlockShape()
    tiers: tuple[TierPlan, ...] = (GENESIS_TIER,)
    miners: int = 50
    concentration: float = 1.0
    """Power of the k-th miner is k to the minus this."""
    provers: tuple[float, ...] = (0.5, 1.0, 1.0, 2.0)
    """Proving times over the tier's, in turn by miner."""
    floods: bool = False
    away_after_ms: float = 0.0
    """Mean time until a node goes away, if any does."""
    away_ms: float = 0.0
    """Mean time until it is back."""
    split_at: float = 0.0
    """Ms until the network falls into two, if it does."""
    split_ms: float = 0.0
    """For how long."""
    split_part: float = 0.5
    """Of the nodes on the first side."""
    overtaken_proofs: bool = True
    """Whether a proof is finished though the tip moved, as the product does."""
