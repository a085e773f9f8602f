"""Blocks of the leads: asked of many peers at a time, the lowest first."""

from collections.abc import Hashable

from esper.p2p.peer import PeerNumber
from esper.p2p.sync.board import BlocksAsked, Board
from esper.p2p.sync.claims import MOST_IN_FLIGHT, PAUSE_MS, SyncPeer, blocks_cost
from esper.p2p.sync.headers.following import Following
from esper.p2p.sync.lead import Lead
from esper.p2p.wire.bulk_messages import BodyOf, Proof
from esper.p2p.wire.talk_messages import (
    REFUSED_BUSY,
    REFUSED_PRUNED,
    REFUSED_TOO_MUCH,
    REFUSED_UNKNOWN,
    Refuse,
)
from esper.primitives.ids import BlockId


class Fetching:
    """Asks for blocks."""

    def __init__(self, board: Board, following: Following) -> None:
        self._board = board
        self._following = following

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        times: list[int] = []
        for lead in self._board.leads:
            slow = lead.window.slow_at()
            if slow is not None:
                times.append(slow)
            if lead.window.next_missing() is not None:
                cost = blocks_cost(MOST_IN_FLIGHT)
                for peer in self._board.peers.values():
                    times.append(max(peer.paused_until, peer.affordable_at(cost, now)))
        return times

    def work(self, now: int) -> None:
        """Ask for what is missing."""
        for lead in self._board.leads:
            if lead.fetching and lead.giver != self._board.walker:
                self._ask(lead, now)
                self._ask_second(lead, now)

    def answered(
        self, key: Hashable, asked: BlocksAsked, answer: BodyOf | Proof | Refuse, now: int
    ) -> None:
        """A part of a block came, or a block is skipped."""
        board = self._board
        block_id = BlockId(answer.block_id)
        height = asked.heights.get(block_id)
        lead = board.lead(asked.lead)
        if height is None or lead is None:
            return
        peer = board.peers[asked.peer]
        if isinstance(answer, BodyOf):
            lead.window.body(height, asked.peer, answer.body)
            if asked.proofs:
                return
        del asked.heights[block_id]
        peer.in_flight -= 1
        if isinstance(answer, Refuse):
            # A body is never pruned: who says so has none.
            bare = answer.code == REFUSED_PRUNED and not asked.proofs
            _note_refusal(peer, REFUSED_UNKNOWN if bare else answer.code, height, now)
            lead.window.failed(height, asked.peer)
            if answer.code == REFUSED_UNKNOWN and asked.peer == lead.giver:
                self._following.left_branch(lead, now)
            return
        peer.on_time()
        proof = answer.proof if isinstance(answer, Proof) else b""
        for other in lead.window.whole(height, asked.peer, proof, now):
            board.take_back(lead, other, height)

    def ended(self, key: Hashable, asked: BlocksAsked, *, late: bool, now: int) -> None:
        """A request for blocks is over; what did not come of it is missing."""
        lead = self._board.lead(asked.lead)
        peer = self._board.peers.get(asked.peer)
        if lead is not None:
            for height in asked.heights.values():
                lead.window.failed(height, asked.peer)
        if peer is None:
            return
        if late:
            peer.late(now)
        elif asked.heights:
            peer.paused_until = max(peer.paused_until, now + PAUSE_MS)

    # Asking.

    def _ask(self, lead: Lead, now: int) -> None:
        board = self._board
        share = len([one for one in board.leads if one.fetching])
        while (height := lead.window.next_missing()) is not None:
            assumed = board.is_assumed(lead, height)
            peer = self._least_busy(height, now, proof=not assumed)
            if peer is None or not lead.window.has_room(1, share):
                return
            free = min(peer.allowed - peer.in_flight, MOST_IN_FLIGHT)
            heights: dict[BlockId, int] = {}
            while height is not None and len(heights) < free:
                if not lead.window.has_room(1, share) or not peer.can_give(
                    height, now, proof=not assumed
                ):
                    break
                if self._board.is_assumed(lead, height) != assumed:
                    break
                lead.window.ask(height, peer.peer.number, now)
                heights[lead.branch.link(height).block_id] = height
                height = lead.window.next_missing()
            board.ask_blocks(BlocksAsked(peer.peer.number, lead.serial, heights, not assumed), now)

    def _ask_second(self, lead: Lead, now: int) -> None:
        height = lead.window.slow(now)
        if height is None or not lead.window.has_room(0, 1):
            return
        wanted = lead.window.get(height)
        asked = tuple(wanted.askers) if wanted is not None else ()
        proofs = not self._board.is_assumed(lead, height)
        peer = self._least_busy(height, now, second=True, but=asked, first=lead.giver, proof=proofs)
        if peer is None:
            return
        lead.window.ask(height, peer.peer.number, now)
        heights = {lead.branch.link(height).block_id: height}
        self._board.ask_blocks(BlocksAsked(peer.peer.number, lead.serial, heights, proofs), now)

    def _least_busy(
        self,
        height: int,
        now: int,
        *,
        second: bool = False,
        but: tuple[PeerNumber, ...] = (),
        first: PeerNumber | None = None,
        proof: bool = True,
    ) -> SyncPeer | None:
        """Who may be asked for a block: who has the largest part of its places free.

        A second asker gets one beyond its places.
        """
        best: SyncPeer | None = None
        best_rank: tuple[bool, float, bool] = (False, 0.0, False)
        for peer in self._board.peers.values():
            number = peer.peer.number
            free = peer.allowed - peer.in_flight + second
            # Few places at a time would make many requests, and requests are counted.
            enough = second or peer.in_flight == 0 or 2 * free >= peer.allowed
            if number in but or free <= 0 or not enough:
                continue
            if not peer.can_give(height, now, proof=proof):
                continue
            if not peer.may_spend(blocks_cost(free), now):
                continue
            rank = (number == first, free / peer.allowed, peer.peer.outbound)
            if best is None or rank > best_rank:
                best, best_rank = peer, rank
        return best


def _note_refusal(peer: SyncPeer, code: int, height: int, now: int) -> None:
    if code == REFUSED_PRUNED:
        peer.proofs_from = max(peer.proofs_from, height + 1)
    elif code == REFUSED_UNKNOWN:
        lacks = peer.lacks_from
        peer.lacks_from = height if lacks is None else min(lacks, height)
    elif code in (REFUSED_BUSY, REFUSED_TOO_MUCH):
        peer.paused_until = max(peer.paused_until, now + PAUSE_MS)
