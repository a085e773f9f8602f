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
FIRST_DIALS_MS: Final = 12_000
"""So long a node that has just begun may need for its first peer: a dial has 10 s, then hellos."""
LOOKS_FOR_PEERS: Final = "the newest block here is old: this node looks for peers first"
"""Meanwhile: nothing that anybody has to see to."""


class MiningPermit:
    """Judges the moment; asked again and again."""

    def __init__(self, chain: ChainService, clock: Clock, steady: Clock) -> None:
        """``clock`` tells how old the tip is, ``steady`` how long it has been quiet."""
        self._chain = chain
        self._clock = clock
        self._steady = steady
        self._quiet_since: int | None = None
        self._began: int | None = None
        """When it was asked first: dials have begun then."""

    def why_wait(self) -> str:
        """A sentence if nothing may be searched now, empty otherwise."""
        now_ms, network = self._steady(), self._chain.network
        if self._began is None:
            self._began = now_ms
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
            self._quiet_since = now_ms
        if network.busy:
            now = f" ({network.words})" if network.words else ""
            return f"a better chain is being fetched{now}; mining goes on when it is here"
        if network.alone or is_recent(self._chain.view.context, self._clock()):
            return ""
        if self._quiet_since is None:
            if now_ms - self._began < FIRST_DIALS_MS:
                return LOOKS_FOR_PEERS
            return (
                "the newest block here is old and no peer that this node chose is connected: "
                "check the connection, or name a node with `esperd connect`; a network's first "
                "node has `alone`"
            )
        if now_ms - self._quiet_since < QUIET_MS:
            return (
                "the newest block here is old: mining begins unless peers bring newer ones within "
                f"{QUIET_MS // 1000} s"
            )
        return ""
