"""How a node stands to its network: for the chain, its miner, and in words for people.

The network page, section 8: a node is synced if it knows of nothing better, owes no branch a try,
and stands with at least one peer that it chose itself. Silence proves nothing.
"""

from statistics import median
from typing import Final

from esper.node.chain.sync_state import NetworkState
from esper.node.clock import duration_s
from esper.node.peers.network_service import NetworkService
from esper.p2p.peers.multiaddr import endpoint_text
from esper.p2p.sync.sync_state import Phase
from esper.p2p.sync.words import PARTED

SKEW_MS: Final = 30_000
"""A clock that is further off than that is told."""
SKEWS: Final = 3
"""Peers of our own choice whose clocks are compared, at least."""


class NetworkStanding(NetworkState):
    """Asked at any moment, on the event loop."""

    def __init__(self, service: NetworkService) -> None:
        self._service = service

    @property
    def near(self) -> bool:
        """See ``NetworkState``."""
        return self._service.following.state.near

    @property
    def busy(self) -> bool:
        """See ``NetworkState``."""
        return self._service.following.state.busy

    @property
    def owed(self) -> int:
        """See ``NetworkState``."""
        return self._service.following.state.owed

    @property
    def outbound(self) -> int:
        """See ``NetworkState``."""
        table = self._service.table.settled()
        return sum(one.connection.link.outbound for one in table)

    @property
    def alone(self) -> bool:
        """See ``NetworkState``."""
        return self._service.settings.alone

    @property
    def halted(self) -> str:
        """See ``NetworkState``."""
        state = self._service.following.state
        return state.words if state.phase is Phase.HALTED else ""

    @property
    def heavy_enough(self) -> bool:
        """See ``NetworkState``."""
        return self._service.chain_port.tip.weight >= self._service.settings.minimum_weight

    @property
    def words(self) -> str:
        """See ``NetworkState``."""
        service = self._service
        if not self.outbound:
            return self._without_peers()
        state = service.following.state
        if state.phase in (Phase.HEADERS, Phase.BLOCKS):
            speed = f", {state.blocks_per_s:.1f} blocks a second" if state.blocks_per_s else ""
            left = "" if state.seconds_left is None else f", {duration_s(state.seconds_left)} to go"
            target = max(state.target_height, state.height)
            return f"block {state.height} of {target}{speed}{left}"
        return "" if state.phase is Phase.NEAR else state.words

    def _without_peers(self) -> str:
        service = self._service
        inbound = len(service.table.settled())
        told = [f"{inbound} dialled this node, which does not count"] if inbound else []
        # Who dialled this node says nothing of why it reaches nobody itself.
        left = next((one for one in service.table.left if one.outbound), None)
        if left is not None:
            ago = duration_s((service.steady() - left.at_ms) // 1000)
            who = endpoint_text(left.address.ip, left.address.port)
            told.append(f"{ago} ago {who}: {left.why}")
        if told:
            return "; ".join(told)
        if not len(service.parts.book) and not service.settings.static:
            return "it knows no other node"
        return "nobody has answered yet"

    def warnings(self) -> tuple[str, ...]:
        """Sentences on what the operator has to see to."""
        service = self._service
        found = [PARTED] if service.following.state.parted else []
        found += service.gate.named.mistakes(service.parts.plan.static)
        table = self._service.table.settled()
        skews = [one.skew_ms for one in table if one.connection.link.outbound]
        if len(skews) >= SKEWS and abs(median(skews)) > SKEW_MS:
            seconds = round(abs(median(skews)) / 1000)
            side = "behind" if median(skews) > 0 else "ahead of"
            found.append(f"this machine's clock is {seconds} s {side} its peers': set it (NTP)")
        penalties, now = self._service.parts.penalties, self._service.steady()
        if penalties.release_may_be_old(now):
            found.append("peers follow other rules: this release may be old, look for a newer one")
        if penalties.is_own_fault(now):
            found.append("this machine was too slow to hear its peers in time: nobody is blamed")
        if self._service.trouble:
            found.append(f"blocks cannot be taken here: {self._service.trouble}")
        return tuple(found)
