"""Blocks of the leads that are here: judged beside each other, given to the chain in order."""

from collections.abc import Hashable
from typing import Final

from esper.consensus.chain import BlockBytes
from esper.p2p.ports import Adopt, Adopted, JudgeBlock, Proven
from esper.p2p.sync.board import Board, OpenJob
from esper.p2p.sync.busy import has_half_weight
from esper.p2p.sync.headers.following import Following
from esper.p2p.sync.headers.header_run import blamed_for_state
from esper.p2p.sync.lead import STALLED_MS, Lead
from esper.p2p.sync.words import RESYNC
from esper.p2p.verdicts import NO_ROOM, Failure
from esper.primitives.errors.rule_violation import Consequence

LONG_BLOCKS: Final = 256
"""A long branch has so many proven blocks to show that it weighs half of ours."""
JOBS_PER_THREAD: Final = 2
AGAIN_MS: Final = 1_000
"""After trouble of this machine."""


class Adopting:
    """Gives blocks to the node, and leaves leads that stand still or are not worth their cost."""

    def __init__(self, board: Board, following: Following) -> None:
        self._board = board
        self._following = following

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        times: list[int] = []
        for lead in self._board.leads:
            times.append(lead.progress_ms + lead.patience_ms)
            times.append(lead.retry_ms)
        return times

    def catch_up(self, now: int) -> None:
        """Look what the tree has by now, and leave what is done or stands still."""
        for lead in tuple(self._board.leads):
            if self._board.rerooting is not None:
                # The chain is somewhere on its way, and nobody is to blame for the time.
                lead.progress_ms = now
            else:
                self._catch_up(lead, now)

    def work(self, now: int) -> None:
        """Judge and adopt what can be."""
        for lead in self._board.leads:
            if lead.fetching:
                self._judge(lead, now)
                self._adopt(lead, now)

    def done(self, key: Hashable, value: object, now: int) -> None:
        """A job came back."""
        board = self._board
        job = board.jobs.pop(key, None)
        if job is None:
            return
        failure = value.failure if isinstance(value, Adopted) else value
        if isinstance(failure, Failure) and failure.consequence is Consequence.HALT:
            board.halt(f"{failure.reason}; {RESYNC}")
        lead = board.lead(job.lead)
        if lead is None:
            board.buffer.used -= sum(size for _, size in job.sizes)
            return
        for height, size in job.sizes:
            lead.window.take_back(height, size)
        if job.adopts:
            self._adopted(lead, failure, now)
        elif isinstance(value, Failure):
            self._not_proven(lead, job.sizes[0][0], value, now)
        else:
            proven: Proven = value  # type: ignore[assignment]
            lead.window.judged(job.sizes[0][0], proven)

    def _judge(self, lead: Lead, now: int) -> None:
        board = self._board
        if now < lead.retry_ms:
            return
        most = JOBS_PER_THREAD * board.settings.threads
        while sum(not job.adopts for job in board.jobs.values()) < most:
            height = lead.window.next_here()
            if height is None:
                return
            wanted = lead.window.judge(height)
            link = lead.branch.link(height)
            key = ("judge", board.serial())
            data = BlockBytes(link.header.to_bytes(), wanted.body, wanted.proof)
            assumed = not wanted.proof and board.is_assumed(lead, height)
            board.jobs[key] = OpenJob(lead.serial, ((height, lead.window.lend(height)),))
            job = JudgeBlock(key, data, link.parent, wanted.arrived_ms, assumed)
            board.actions.append(job)

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
        board.jobs[key] = OpenJob(lead.serial, sizes, adopts=True)
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
        elif failure.rule == NO_ROOM:
            # All that is kept beside the chain weighs more, and will in a second, too.
            self._following.give_up(lead, now)
        elif failure.consequence is Consequence.RETRY:
            # The tree does not have its parent any more.
            self._following.left_branch(lead, now)
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

    def _waits(self, lead: Lead) -> bool:
        """Whether it is for peers to bring what comes next; a visit may take minutes."""
        if not len(lead.branch):
            return not lead.adopting
        return lead.window.waits_for_peers

    def _is_worth_it(self, lead: Lead) -> bool:
        """Whether a branch beside our chain may still become it."""
        board = self._board
        branch, limits = lead.branch, board.limits
        if lead.owed:
            return True
        if board.is_deep(lead):
            return False
        if not lead.adopting and branch.base.height >= branch.base.horizon:
            # Lighter up to there, and the node could not execute it to look further.
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
            board.take_back(lead, peer, height)
        if lead.done:
            self._following.ended_lead(lead, now)
        elif not self._is_worth_it(lead):
            self._following.give_up(lead, now)
        elif lead.giver == board.walker or not self._waits(lead):
            lead.progress_ms = now
        elif now - lead.progress_ms >= lead.patience_ms:
            board.tell(_stalled(lead))
            self._following.give_up(lead, now)


def _stalled(lead: Lead) -> str:
    height = lead.branch.base.height + 1
    return (
        f"no peer gave block {height} in {lead.patience_ms // 1000} seconds: "
        "its branch is set aside, and the next claim is tried"
    )
