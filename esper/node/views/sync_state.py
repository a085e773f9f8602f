"""Whether what the node answers is current, as every answer says it: by its chain and its network.

The chain alone sees an old tip, the network what peers have and this node lacks. A node is synced
only if neither objects: silent peers make no tip recent, and a recent tip is not the best one.
"""

from collections.abc import Callable
from typing import Final

from esper.consensus.context import ChainContext
from esper.node.chain.sync_state import why_not_synced
from esper.node.clock import Clock
from esper.node.peers.port import PeersPort
from esper.rpc.schema import AsOf

NOBODY_HAS_NEWER: Final = (
    "no peer has a newer one: `esperd peers` shows who they are, `esperd connect` adds others"
)
"""Where the network has no objection to an old tip."""


class SyncState:
    """Asked by all views."""

    def __init__(
        self,
        clock: Clock,
        peers: PeersPort | None = None,
        halted: Callable[[], str] = str,
    ) -> None:
        """Without ``peers`` the node is alone, and its chain decides.

        ``halted`` says why the chain follows no branch any more, empty if it does.
        """
        self._clock = clock
        self._peers = peers
        self._halted = halted

    def why_not(self, chain: ChainContext) -> str:
        """Cause and remedy in a sentence; empty if the node is synced."""
        halted = self._halted()
        if halted:
            return halted
        old = why_not_synced(chain, None, self._clock())
        if self._peers is None:
            return old
        network = self._peers.network()
        objection = "" if network.synced else network.why_not or "the node catches up"
        if old and not objection:
            objection = NOBODY_HAS_NEWER
        return "; ".join(part for part in (old, objection) if part)

    def as_of(self, chain: ChainContext) -> AsOf:
        """How current an answer from this chain is."""
        return AsOf(height=chain.height, synced=not self.why_not(chain))
