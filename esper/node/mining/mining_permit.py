"""Whether a miner may search on the present tip, as far as its network has a say in it.

A claim stops nobody: only a branch whose proofs were seen does, which the network calls busy. On an
old tip nobody begins at once: better blocks may be a moment away. But a network that slept must
wake, so whoever has a peer of its own choice and hears of nothing better for a while begins.
"""

from typing import Final

from esper.node.chain.chain_service import ChainService
from esper.node.chain.sync_state import is_recent
from esper.node.clock import Clock

QUIET_MS: Final = 60_000
"""So long a network with a peer must have known nothing better before an old tip is mined on."""


class MiningPermit:
    """Judges the moment; asked again and again."""

    def __init__(self, chain: ChainService, clock: Clock, steady: Clock) -> None:
        """``clock`` tells how old the tip is, ``steady`` how long it has been quiet."""
        self._chain = chain
        self._clock = clock
        self._steady = steady
        self._quiet_since: int | None = None

    def why_wait(self) -> str:
        """A sentence if nothing may be searched now, empty otherwise."""
        network = self._chain.network
        if self._chain.halted:
            return self._chain.halted
        if network is None:
            return ""
        if network.halted:
            return network.halted
        connected = network.outbound > 0 and not network.busy
        if not connected:
            self._quiet_since = None
        elif self._quiet_since is None:
            self._quiet_since = self._steady()
        if network.busy:
            now = f" ({network.words})" if network.words else ""
            return f"a better chain is being fetched{now}; mining goes on when it is here"
        if network.alone or is_recent(self._chain.view.context, self._clock()):
            return ""
        if self._quiet_since is None:
            return (
                "the newest block here is old and no peer that this node chose is connected: "
                "check the connection, or name a node with `esperd connect`"
            )
        if self._steady() - self._quiet_since < QUIET_MS:
            return (
                "the newest block here is old: mining begins unless peers bring newer ones within "
                f"{QUIET_MS // 1000} s"
            )
        return ""
