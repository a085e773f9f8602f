"""Whether a node's chain is current. It never follows from the silence of peers."""

from typing import Final

from esper.consensus.context import ChainContext
from esper.node.chain.ahead_of_clock import tip_ahead
from esper.node.clock import duration_text

RECENT_SPACINGS: Final = 20
"""A tip may be so many mean spacings old: a longer gap comes about once in 10^8 blocks."""
LEAST_MS: Final = 300_000
"""On fast networks a restart takes longer than that."""


def why_not_synced(chain: ChainContext, now_ms: int) -> str:
    """A sentence; empty if the tip is recent. Regtest's blocks come when they are asked for."""
    ahead = tip_ahead(chain, now_ms)
    if ahead:
        return ahead
    rules = chain.params.difficulty
    if not rules.retargets:
        return ""
    if chain.height == 0:
        return "no block but the genesis is here yet"
    age = now_ms - chain.times_ms[-1]
    if age <= max(RECENT_SPACINGS * rules.spacing_ms, LEAST_MS):
        return ""
    return f"the newest block here is {duration_text(age)} old"
