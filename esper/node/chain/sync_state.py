"""Whether a node's chain is current. It never follows from the silence of peers."""

from typing import Final, Protocol

from esper.consensus.context import ChainContext
from esper.node.chain.ahead_of_clock import tip_ahead
from esper.node.clock import duration_text

RECENT_SPACINGS: Final = 20
"""A tip may be so many mean spacings old: a longer gap comes about once in 10^8 blocks."""
LEAST_MS: Final = 300_000
"""On fast networks a restart takes longer than that."""


class NetworkState(Protocol):
    """What a node's network knows about its chain: the network page, section 8."""

    @property
    def near(self) -> bool:
        """Whether no branch that is fetched leads far beyond the tip."""

    @property
    def busy(self) -> bool:
        """Whether a proven better branch is being fetched: nobody mines or relays meanwhile."""

    @property
    def owed(self) -> int:
        """Branches that were told of and are still to be looked at, at least 0."""

    @property
    def outbound(self) -> int:
        """Peers that this node chose itself and is connected to, at least 0."""

    @property
    def alone(self) -> bool:
        """Whether the operator says that no peers are needed: a network's first node."""

    @property
    def halted(self) -> str:
        """Why it follows no branch any more and what helps, empty if it does."""

    @property
    def heavy_enough(self) -> bool:
        """Whether the chain weighs what this release knows the network's to weigh at least."""

    @property
    def words(self) -> str:
        """A phrase for people: what it is about, such as which block it fetches and from whom."""


def why_not_synced(chain: ChainContext, network: NetworkState | None, now_ms: int) -> str:
    """A sentence with the cause and what helps; empty if the chain is current.

    Without a network the age of the tip alone decides. Regtest's tip is never old.
    """
    if network is not None and network.halted:
        return network.halted
    ahead = tip_ahead(chain, now_ms)
    if ahead:
        return ahead
    if network is not None and (why := why_not_connected(network)):
        return why
    if chain.params.difficulty.retargets and chain.height == 0:
        return "no block but the genesis is here yet"
    if is_recent(chain, now_ms):
        return ""
    return f"the newest block here is {duration_text(now_ms - chain.times_ms[-1])} old"


def is_recent(chain: ChainContext, now_ms: int) -> bool:
    """Whether the tip's time is of now. Regtest's blocks come when they are asked for."""
    rules = chain.params.difficulty
    if not rules.retargets:
        return True
    age = now_ms - chain.times_ms[-1]
    return chain.height > 0 and age <= max(RECENT_SPACINGS * rules.spacing_ms, LEAST_MS)


def why_not_connected(network: NetworkState) -> str:
    """What the network has against calling the chain current, in a sentence; empty if nothing."""
    now = f" ({network.words})" if network.words else ""
    if network.busy:
        return f"a better chain is being fetched{now}: wait until it is here"
    if network.outbound == 0 and not network.alone:
        return (
            f"no peer that this node chose is connected{now}: check the connection, or name a node "
            "with `esperd connect` or the setting `connect`; a network's first node has `alone`"
        )
    if not network.near:
        return f"peers have more blocks than are here{now}: wait until they are fetched"
    if network.owed:
        count = f"{network.owed} branches" if network.owed > 1 else "a branch"
        return f"{count} that peers told of must be compared first{now}: wait until that is done"
    if not network.heavy_enough:
        return (
            f"the chain here weighs less than this release knows the network's to weigh{now}: wait "
            "for more peers, or connect to a node that you trust"
        )
    return ""
