"""How often a block comes too late, from the time of its proof: as the simulated network has it.

A miner that finds a ticket proves it, and the block then travels. Whoever finds another ticket
meanwhile makes one of the two stale; finds are a Poisson process of one in a spacing.
"""

from __future__ import annotations

import math
from typing import Final

TRAVEL_S: Final = 0.6
"""Until half of a network's nodes have proven a block without bytes: latencies and hops."""
TRAVEL_S_PER_MB: Final = 0.25
"""Beside it. Both are read off ``docs/network-simulation.md``: half of 10 to 10,000 nodes have
proven a block of 0.5 MB after 0.72 to 1.08 s, and of 100 nodes one of 2.7 MB after 1.24."""
BODY_MB: Final = 0.2
"""Of a block beside its proof, as simulated there."""
TENTH: Final = 0.1
"""Of blocks: what the parameters of mainnet leave room for."""


def exposed_s(proof_s: float, proof_bytes: int, upload_s: float = 0.0) -> float:
    """Seconds from the find until half of the network has proven the block."""
    megabytes = proof_bytes / 1e6 + BODY_MB
    return proof_s + upload_s + TRAVEL_S + TRAVEL_S_PER_MB * megabytes


def stale_rate(exposed: float, spacing_s: float) -> float:
    """Part of the blocks, 0 to 1."""
    return -math.expm1(-exposed / spacing_s)


def spacing_for(rate: float, exposed: float) -> float:
    """Seconds between blocks at which that part of them is stale."""
    return exposed / -math.log1p(-rate)
