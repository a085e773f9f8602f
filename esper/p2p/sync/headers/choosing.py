"""Whom to ask for headers: who claims more than we have, outbound peers first."""

from typing import Final

from esper.p2p.sync.board import Board
from esper.p2p.sync.claims import HEADERS_COST, SyncPeer
from esper.p2p.sync.lead import STALLED_MS

RELAY_MS: Final = 2_000
"""So long a claim just above our tip is left to the relay of blocks."""
RELAY_BLOCKS: Final = 2
GROUPS_HEARD: Final = 4
"""Enough groups have said what they have."""


class Choosing:
    """Compares what peers say."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def heard_enough(self, listens_until: int, now: int) -> bool:
        """Whether enough peers have said what they have to follow the greatest claim."""
        board = self._board
        heard = [peer for peer in board.peers.values() if peer.claim is not None]
        groups = {peer.peer.group for peer in heard}
        configured = sum(peer.peer.static for peer in heard)
        named = board.settings.configured_peers
        return now >= listens_until or len(groups) >= GROUPS_HEARD or (0 < named <= configured)

    def may_probe(self, now: int) -> bool:
        """Whether another claim may be looked at: beside leads only when they take their time.

        So nobody can keep a node from looking at others by giving a long branch slowly.
        """
        return all(now - lead.began_ms > STALLED_MS for lead in self._board.leads)

    def best(self, now: int) -> SyncPeer | None:
        """Whom to ask next: none of the groups whose branches are followed already."""
        givers = {lead.giver for lead in self._board.leads}
        groups = {
            self._board.peers[giver].peer.group for giver in givers if giver in self._board.peers
        }
        best: SyncPeer | None = None
        for peer in self._board.peers.values():
            if peer.peer.group in groups:
                continue
            wakes = self.askable_at(peer, now)
            if wakes is None or wakes > now:
                continue
            if best is None or _rank(peer) > _rank(best):
                best = peer
        return best

    def askable_at(self, peer: SyncPeer, now: int) -> int | None:
        """When a peer may be asked what it has beyond our chain; None: it says nothing of it."""
        tip = self._board.chain.tip
        if peer.busy_headers:
            return None
        times = []
        if peer.claim is not None and peer.claim.weight > tip.weight:
            left_to_relay = peer.claim.height <= tip.height + RELAY_BLOCKS
            times.append(peer.claimed_ms + (RELAY_MS if left_to_relay and tip.height else 0))
        if peer.hint_ms is not None:
            times.append(max(peer.hint_ms, peer.hinted_until))
        if not times:
            return None
        return max(
            min(times),
            peer.void_until,
            peer.paused_until,
            peer.future_until,
            peer.waits_until,
            peer.affordable_at(HEADERS_COST, now),
        )


def _rank(peer: SyncPeer) -> tuple[bool, int, int, int]:
    """Outbound first, then who had fewer turns, then by weight, then the longest connected."""
    weight = peer.claim.weight if peer.claim is not None else 0
    return peer.peer.outbound, -peer.turns, weight, -peer.peer.number
