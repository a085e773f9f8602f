"""Blocks of the leads: asked of many peers, judged beside each other, adopted in order."""

from collections.abc import Hashable, Iterator
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.p2p.peer import PeerNumber
from esper.p2p.ports import Adopt, Adopted, JudgeBlock, Proven
from esper.p2p.sync.board import BlocksAsked, Board, OpenJob
from esper.p2p.sync.busy import has_half_weight
from esper.p2p.sync.claims import PAUSE_MS, SyncPeer, blocks_cost
from esper.p2p.sync.following import Following
from esper.p2p.sync.header_run import blamed_for_state
from esper.p2p.sync.lead import STALLED_MS, Lead
from esper.p2p.sync.words import RESYNC
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import BodyOf, Proof
from esper.p2p.wire.talk_messages import (
    REFUSED_BUSY,
    REFUSED_PRUNED,
    REFUSED_TOO_MUCH,
    REFUSED_UNKNOWN,
    Refuse,
)
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.ids import BlockId

LONG_BLOCKS: Final = 256
"""A long branch has so many proven blocks to show that it weighs half of ours."""
JOBS_PER_THREAD: Final = 2
AGAIN_MS: Final = 1_000
"""After trouble of this machine."""


class Fetching:
    """Asks for blocks and gives them to the node."""

    def __init__(self, board: Board, following: Following) -> None:
        self._board = board
        self._following = following

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        times: list[int] = []
        for lead in self._board.leads:
            if lead.window.waits_for_peers:
                times.append(lead.progress_ms + lead.patience_ms)
            slow = lead.window.slow_at()
            if slow is not None:
                times.append(slow)
            if lead.retry_ms > now:
                times.append(lead.retry_ms)
            if lead.window.next_missing() is not None:
                cost = blocks_cost(1)
                for peer in self._board.peers.values():
                    times.append(max(peer.paused_until, peer.affordable_at(cost, now)))
        return [time for time in times if time > now or time == now]

    def work(self, now: int) -> None:
        """Ask, judge and adopt what can be; leave what stands still."""
        for lead in tuple(self._board.leads):
            self._catch_up(lead, now)
        for lead in tuple(self._board.leads):
            if not lead.fetching:
                continue
            self._ask(lead, now)
            self._ask_second(lead, now)
            self._judge(lead, now)
            self._adopt(lead, now)

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
            _note_refusal(peer, answer.code, height, now)
            lead.window.failed(height, asked.peer)
            if answer.code == REFUSED_UNKNOWN and asked.peer == lead.giver:
                self._following.left_branch(lead, now)
            return
        peer.on_time()
        proof = answer.proof if isinstance(answer, Proof) else b""
        for other in lead.window.whole(height, asked.peer, proof, now):
            self._take_back(lead, other, height)

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

    def done(self, key: Hashable, value: object, now: int) -> None:
        """A job came back."""
        board = self._board
        job = board.jobs.pop(key, None)
        if job is None:
            return
        lead = board.lead(job.lead)
        if lead is None:
            board.buffer.used -= sum(size for _, size in job.sizes)
            return
        for height, size in job.sizes:
            lead.window.take_back(height, size)
        if isinstance(value, Adopted):
            self._adopted(lead, value.failure, now)
        elif lead.adopting and isinstance(key, tuple) and key[0] == "adopt":
            self._adopted(lead, value, now)
        elif isinstance(value, Failure):
            self._not_proven(lead, job.sizes[0][0], value, now)
        else:
            proven: Proven = value  # type: ignore[assignment]
            lead.window.judged(job.sizes[0][0], proven)

    # Asking.

    def _ask(self, lead: Lead, now: int) -> None:
        board = self._board
        share = len([one for one in board.leads if one.fetching])
        while (height := lead.window.next_missing()) is not None:
            peer = self._least_busy(height, now)
            if peer is None or not lead.window.has_room(1, share):
                return
            free = min(peer.allowed - peer.in_flight, 8)
            heights: dict[BlockId, int] = {}
            assumed = self._is_assumed(lead, height)
            while height is not None and len(heights) < free:
                if not lead.window.has_room(1, share) or not peer.can_give(height, now):
                    break
                if self._is_assumed(lead, height) != assumed:
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
        peer = self._least_busy(height, now, second=True, but=asked, first=lead.giver)
        if peer is None:
            return
        lead.window.ask(height, peer.peer.number, now)
        heights = {lead.branch.link(height).block_id: height}
        proofs = not self._is_assumed(lead, height)
        self._board.ask_blocks(BlocksAsked(peer.peer.number, lead.serial, heights, proofs), now)

    def _least_busy(
        self,
        height: int,
        now: int,
        *,
        second: bool = False,
        but: tuple[PeerNumber, ...] = (),
        first: PeerNumber | None = None,
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
            if number in but or free <= 0 or not enough or not peer.can_give(height, now):
                continue
            if not peer.may_spend(blocks_cost(free), now):
                continue
            rank = (number == first, free / peer.allowed, peer.peer.outbound)
            if best is None or rank > best_rank:
                best, best_rank = peer, rank
        return best

    def _take_back(self, lead: Lead, peer: PeerNumber, height: int) -> None:
        """A block is here: a peer that is asked for nothing else need not send it."""
        board = self._board
        for key, asked in board.open_of(lead):
            if asked.peer != peer or not isinstance(asked, BlocksAsked):
                continue
            for block_id, other in tuple(asked.heights.items()):
                if other == height:
                    del asked.heights[block_id]
                    board.peers[peer].in_flight -= 1
            if not asked.heights:
                board.cancel(key)

    def _is_assumed(self, lead: Lead, height: int) -> bool:
        assumed = self._board.settings.assume_valid
        if assumed is None or height > assumed[0]:
            return False
        link = lead.branch.get(assumed[0])
        return link is not None and link.block_id == assumed[1]

    # Judging and adopting.

    def _judge(self, lead: Lead, now: int) -> None:
        board = self._board
        if now < lead.retry_ms:
            return
        most = JOBS_PER_THREAD * board.settings.threads
        while sum(1 for _ in self._open_judgements()) < most:
            height = lead.window.next_here()
            if height is None:
                return
            wanted = lead.window.judge(height)
            link = lead.branch.link(height)
            key = ("judge", board.serial())
            data = BlockBytes(link.header.to_bytes(), wanted.body, wanted.proof)
            assumed = not wanted.proof and self._is_assumed(lead, height)
            board.jobs[key] = OpenJob(lead.serial, ((height, lead.window.lend(height)),))
            job = JudgeBlock(key, data, link.parent, wanted.arrived_ms, assumed)
            board.actions.append(job)

    def _open_judgements(self) -> Iterator[Hashable]:
        return (key for key in self._board.jobs if isinstance(key, tuple) and key[0] == "judge")

    def _adopt(self, lead: Lead, now: int) -> None:
        board = self._board
        if lead.adopting or board.rerooting is not None or now < lead.retry_ms:
            return
        base = lead.branch.base.height
        blocks = self._may_come(lead, lead.window.proven_from(base + 1))
        if not blocks:
            return
        lead.adopting = True
        key = ("adopt", board.serial())
        heights = range(base + 1, base + 1 + len(blocks))
        sizes = tuple((height, lead.window.lend(height)) for height in heights)
        board.jobs[key] = OpenJob(lead.serial, sizes)
        board.actions.append(Adopt(key, blocks))

    def _may_come(self, lead: Lead, blocks: tuple[Proven, ...]) -> tuple[Proven, ...]:
        """Blocks that the chain may be given now, from the first on."""
        tip = self._board.chain.tip
        highest = self._following.check.highest
        if lead.owed and self._board.is_deep(lead):
            # With more weight than ours it is stood on by a job of its own.
            return tuple(one for one in blocks if one.headers.weight <= tip.weight)
        if highest is None or lead.branch.base.tip_id != tip.tip_id:
            return blocks
        return tuple(one for one in blocks if one.headers.height <= highest)

    def _adopted(self, lead: Lead, failure: object, now: int) -> None:
        board = self._board
        lead.adopting = False
        self._catch_up(lead, now)
        if not isinstance(failure, Failure) or lead not in board.leads:
            return
        if failure.consequence is None:
            lead.retry_ms = now + AGAIN_MS
        elif failure.consequence is Consequence.HALT:
            board.halted = failure.reason
            board.tell(f"halted: {failure.reason}; {RESYNC}", alarming=True)
        else:
            self._failed(lead, failure, now)

    def _not_proven(self, lead: Lead, height: int, failure: Failure, now: int) -> None:
        board = self._board
        if failure.consequence is None:
            lead.window.unjudged(height, keep=True)
            lead.retry_ms = now + AGAIN_MS
        elif failure.consequence is Consequence.WRONG_BYTES:
            sender = lead.window.unjudged(height, keep=False)
            if sender is not None and failure.offence is not None:
                board.blame(sender, failure.offence, failure.reason)
                if sender in board.peers:
                    board.peers[sender].paused_until = now + STALLED_MS
        else:
            lead.window.unjudged(height, keep=False)
            self._failed(lead, failure, now)

    def _failed(self, lead: Lead, failure: Failure, now: int) -> None:
        """A block of the branch is not valid: who gave the header answers for it."""
        failure = blamed_for_state(failure)
        if failure.offence is not None:
            self._board.blame(lead.giver, failure.offence, failure.reason)
        self._following.give_up(lead, now)

    def _is_worth_it(self, lead: Lead) -> bool:
        """Whether a branch beside our chain may still become it."""
        board = self._board
        branch, limits = lead.branch, board.limits
        if lead.owed:
            return True
        if board.is_deep(lead):
            return False
        if branch.base.height - branch.fork.height >= limits.horizon:
            return False
        least = min(LONG_BLOCKS, limits.horizon)
        proven = branch.base.height - branch.fork.height
        return not lead.long or proven < least or has_half_weight(lead, board.chain)

    def _catch_up(self, lead: Lead, now: int) -> None:
        board = self._board
        if board.chain.height_on_chain(lead.branch.fork.tip_id) is None:
            # Our chain left the block that it grows on: what its giver has is asked for anew.
            self._following.left_branch(lead, now)
            return
        for peer, height in lead.catch_up(board.chain, now):
            self._take_back(lead, peer, height)
        if lead.done:
            self._following.ended_lead(lead, now)
        elif not self._is_worth_it(lead):
            self._following.give_up(lead, now)
        elif len(lead.branch) and not lead.window.waits_for_peers:
            lead.progress_ms = now
        elif now - lead.progress_ms >= lead.patience_ms:
            board.tell(_stalled(lead))
            self._following.give_up(lead, now)


def _note_refusal(peer: SyncPeer, code: int, height: int, now: int) -> None:
    if code == REFUSED_PRUNED:
        peer.proofs_from = max(peer.proofs_from, height + 1)
    elif code == REFUSED_UNKNOWN:
        lacks = peer.lacks_from
        peer.lacks_from = height if lacks is None else min(lacks, height)
    elif code in (REFUSED_BUSY, REFUSED_TOO_MUCH):
        peer.paused_until = max(peer.paused_until, now + PAUSE_MS)


def _stalled(lead: Lead) -> str:
    height = lead.branch.base.height + 1
    return (
        f"no peer gave block {height} in {lead.patience_ms // 1000} seconds: "
        "its branch is set aside, and the next claim is tried"
    )
