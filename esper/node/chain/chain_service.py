"""The chain on the event loop: judged by many threads, changed by one, read by anybody at once.

    bytes --judge, in threads--> JudgedBlock --adopt, one thread, under the lock--> new ChainView
                                                  |
    followers prepare in that thread, with what was read on the way; then, on the loop and in one
    step, the view and what they prepared take the place of the old: nobody sees half of a change.

Readers take ``view`` and keep it as long as they like. The lock is for what must not meet a change:
adopting, and admission to the mempool.
"""

import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

import trio

from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.header_chain import HeaderChain
from esper.consensus.header_isolation import read_header
from esper.node.chain.block_judge import JudgedBlock, JudgementError, at_stage
from esper.node.chain.chain_counts import ChainCounts
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.arrival import GROUP_BLOCKS, Adopted, Arrival, ReadBlock
from esper.node.chain.changes.followers import ChainChange, ChainFollower, Commit
from esper.node.chain.judging import Judging
from esper.node.chain.milestones import MilestoneFile, Reached
from esper.node.chain.sync_state import NetworkState, why_not_synced
from esper.node.chain.visits_beside import VisitFailedError, VisitsBeside
from esper.node.clock import Clock, steady_ms
from esper.node.events import TipMoved
from esper.primitives.errors.chain_errors import TooDeepReorganisation
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import RewindLimitError

T = TypeVar("T")
READING_THREADS: Final = 16
"""Well below the threads that trio gives out in all: whoever reads, blocks find one."""


LOG: Final = logging.getLogger("esper.chain")


class FinalChainError(Exception):
    """A chain that was current once is not taken back further than the undo depth."""

    def __init__(self) -> None:
        super().__init__("this chain was current once: nothing below the undo depth is given up")


class StartAgainError(Exception):
    """Blocks must be executed again from the genesis on, which the next start does."""

    def __init__(self) -> None:
        super().__init__(
            "going back to an older branch needs blocks to be executed again: stop this node and "
            "start it again"
        )


class ChainService:
    """Access to a chain manager for many tasks."""

    def __init__(
        self,
        manager: ChainManager,
        clock: Clock,
        steady: Clock = steady_ms,
        milestones: MilestoneFile | None = None,
    ) -> None:
        """``clock`` judges the times of blocks, ``steady`` which of them came together.

        ``milestones`` keeps what must outlive a restart; None: nothing does.
        """
        self._manager = manager
        self._clock = clock
        self._steady = steady
        self._lock = trio.Lock()
        self.counts = ChainCounts()
        """What has happened since the start."""
        self._visits = VisitsBeside(manager, self._lock, self._change)
        self._reading = trio.Semaphore(READING_THREADS)
        self._unprepared: frozenset[bytes] | None = None
        self._followers: list[ChainFollower] = []
        self._told: Callable[[TipMoved], None] = _tell_nobody
        self._changed = trio.Event()
        self._undo_wishes: deque[int | None] = deque()
        self._view = manager.view()
        self.judging = Judging(manager, clock, steady)
        """Judges blocks, whole or in parts."""
        self._reached = Reached(milestones)
        self.network: NetworkState | None = None
        """What the network knows of this chain; None in a node without one."""
        self.blocks = manager.store.blocks()
        """Blocks by id, from any thread and without waiting for a change."""
        if self.was_synced:
            # It may have ended right after it was.
            manager.known.far.clear()
            self._undo_wishes.append(None)
        if manager.halted is not None:
            self._reached.halt(manager.halted)

    @property
    def halted(self) -> str:
        """Why this node neither follows the best branch nor mines, and what helps; else empty."""
        return self._reached.milestones.halted

    def why_not_synced(self, now_ms: int, chain: ChainContext | None = None) -> str:
        """A sentence; empty if the chain, by default the present one, is current."""
        return self.halted or why_not_synced(chain or self._view.context, self.network, now_ms)

    @property
    def was_synced(self) -> bool:
        """Whether this chain was current once: from then on the undo depth binds."""
        return self._reached.milestones.synced

    async def note_synced(self) -> None:
        """The chain is current now. From the first time on it is final below the undo depth."""
        if not self.was_synced:
            synced = replace(self._reached.milestones, synced=True)
            await trio.to_thread.run_sync(self._reached.reach, synced)
            self._manager.known.keeps_far = False
            async with self._lock:
                await trio.to_thread.run_sync(self._manager.known.far.clear)
            # Whatever an earlier run of this node wanted to keep.
            await self.keep_undo_from(None)

    def headers_at(self, height: int) -> HeaderChain | None:
        """The headers up to a block of the chain, None where they are not kept."""
        return self._manager.known.headers_at(height)

    def want_undo_from(self, height: int | None) -> None:
        """As ``keep_undo_from``, before anything else changes the chain, and without waiting."""
        self._undo_wishes.append(height)

    async def keep_undo_from(self, *heights: int | None) -> None:
        """Let all blocks above a height be taken off, however deep it lies; None: no more.

        Without a height what was wanted is seen to now.
        """
        self._undo_wishes.extend(heights)
        async with self._lock:
            await trio.to_thread.run_sync(self._keep_undo)

    def _keep_undo(self) -> None:
        while self._undo_wishes:
            self._manager.keep_undo_from(self._undo_wishes.popleft())

    def keep_far(self) -> None:
        """Keep branches that leave the chain deep, if it never was current: see ``stand_on``."""
        self._manager.known.keeps_far = not self.was_synced

    async def stand_on(self, block_id: BlockId) -> None:
        """Go to any block that is kept, however deep its branch leaves the chain.

        After an error the chain is where it was, unless the way back failed too; a crash in the
        middle leaves it on the way. Blocks are executed again and their proofs are not looked at.
        Raises FinalChainError in a node that was synced once, UnknownBlockError for a block that
        is not kept, StartAgainError where undo records are missing, the rule that a block breaks,
        and what the store raises.
        """
        if self.was_synced:
            raise FinalChainError
        before = self.tip
        try:
            await self._go_to(block_id)
        except Exception:
            with trio.CancelScope(shield=True):
                if self.tip != before:
                    await self._go_to(before)
            raise

    async def _go_to(self, block_id: BlockId) -> None:
        async with self._lock:
            way = await trio.to_thread.run_sync(self._manager.known.way_to, block_id)
        await self.reroot(way.fork, frozenset(way.above))
        # Of a longer part the last headers are beyond what its first parent says.
        size = min(GROUP_BLOCKS, self._manager.params.governance.horizon)
        for start in range(0, len(way.above), size):
            part = way.above[start : start + size]
            await self._change_and_visit(
                lambda part=part: self._manager.lead_up(  # type: ignore[misc]
                    part, now_ms=self._clock(), received_ms=self._steady()
                )
            )

    async def reroot(self, block_id: BlockId, spared: Collection[BlockId] | None = None) -> Arrival:
        """Take off all above a block of the chain, however deep, to follow another branch there.

        Blocks beside the chain that are not ``spared`` are forgotten, if that is given. What the
        blocks that leave held does not wait again. Raises FinalChainError in a node that
        was synced once, StartAgainError where undo records are missing, and what
        ``ChainManager.reroot`` raises.
        """
        if self.was_synced:
            raise FinalChainError
        try:
            return await self._change(
                lambda: self._manager.reroot(block_id, now_ms=self._clock(), spared=spared)
            )
        except RewindLimitError as error:
            back = replace(self._reached.milestones, back_to=block_id)
            await trio.to_thread.run_sync(self._reached.reach, back)
            raise StartAgainError from error

    def follow(self, follower: ChainFollower) -> None:
        """Let a follower prepare every change from now on."""
        self._followers.append(follower)

    def tell(self, told: Callable[[TipMoved], None]) -> None:
        """Call this on the event loop after every change, when all followers agree with it."""
        self._told = told

    @property
    def view(self) -> ChainView:
        """The chain after the last whole change; the same object until the next one."""
        return self._view

    @property
    def tip(self) -> BlockId:
        """64 bytes: the tip after the last whole change."""
        return self._view.context.tip_id

    @property
    def next_change(self) -> trio.Event:
        """Set when the tip changes next."""
        return self._changed

    def headers_of(self, block_id: BlockId) -> HeaderChain | None:
        """The headers up to a recent block of any branch, None if it is not kept."""
        return self._manager.headers_of(block_id)

    @asynccontextmanager
    async def standing_still(self) -> AsyncIterator[ChainView]:
        """The chain, which does not change meanwhile. Keep it short: blocks wait for it."""
        async with self._lock:
            yield self._view

    async def in_thread(self, work: Callable[[ChainView], T]) -> T:
        """Run something slow that only reads, in a thread, on the view of now."""
        # Of this moment, as whatever the caller took beside it.
        view = self._view
        async with self._reading:
            return await trio.to_thread.run_sync(work, view)

    async def submit(self, block: BlockBytes, *, received_ms: int | None = None) -> Arrival:
        """Judge a block in a thread, keep it, and move to the best tip.

        ``received_ms``: when it came, by the steady clock; now if not given. Raises what
        ``ChainManager.submit`` raises. Not cancelled half way: a step of the chain is
        finished once it has begun.
        """
        header = read_header(block.header, self._manager.params.limits)
        parent = self._manager.check_may_come(header)
        if self._manager.knows(header.block_id):
            return await self.look_again(header.block_id)
        try:
            judged = await self.judging.judge(block, parent, received_ms=received_ms)
        except JudgementError as refused:
            raise refused.violation from None
        return await self.adopt(judged)

    async def submit_checked(self, judged: JudgedBlock, received_ms: int | None = None) -> Arrival:
        """Adopt a judged block; ``received_ms`` takes the place of when it was said to have come.

        Raises JudgementError at the stage of the state for a rule that is broken there, and what
        else ``ChainManager.adopt`` raises.
        """
        if received_ms is not None:
            judged = replace(judged, received_ms=received_ms)
        with at_stage(Stage.STATE, judged.block_id):
            return await self.adopt(judged)

    async def adopt(self, judged: JudgedBlock) -> Arrival:
        """Keep a judged block and move to the best tip; visit its branch if that waits for it.

        Raises what ``ChainManager.adopt`` does, the rule that the block breaks in a visit, and what
        the machine refuses then.
        """
        return await self._change_and_visit(partial(self._manager.adopt, judged))

    async def look_again(self, block_id: BlockId) -> Arrival:
        """Make up for what the machine refused when a known block came: see ``catch_up``."""
        return await self._change_and_visit(partial(self._manager.catch_up, block_id))

    async def _change_and_visit(self, work: Callable[[], Arrival]) -> Arrival:
        arrival = await self._change(work)
        try:
            return await self._visits.make(arrival)
        except VisitFailedError as failed:
            raise failed.reason from None

    async def adopt_many(self, judged: Sequence[JudgedBlock]) -> Adopted:
        """Keep judged blocks in order, up to the first that fails, in one turn.

        Nobody is told of any of them before all that were kept are on disk. A rule that the state
        breaks is a JudgementError in ``failure``.
        """
        found: list[Adopted] = []

        def work() -> Arrival:
            found.append(self._manager.adopt_many(judged))
            return found[0].arrival

        await self._change(work)
        adopted = await self._visited(found[0], judged)
        if isinstance(adopted.failure, TooDeepReorganisation):
            await trio.to_thread.run_sync(self._reached.halt, adopted.failure)
        if isinstance(adopted.failure, RuleViolation):
            block_id = judged[adopted.done].block_id
            failure = JudgementError(Stage.STATE, adopted.failure, block_id)
            return replace(adopted, failure=failure)
        return adopted

    async def _visited(self, adopted: Adopted, judged: Sequence[JudgedBlock]) -> Adopted:
        """After the visits of these blocks' branches; the first that fails is the failure."""
        try:
            return replace(adopted, arrival=await self._visits.make(adopted.arrival))
        except VisitFailedError as failed:
            ids = [one.block_id for one in judged[: adopted.done]]
            done = ids.index(failed.block_id) if failed.block_id in ids else 0
            return Adopted(failed.arrival, done, failed.reason)

    async def _change(self, work: Callable[[], Arrival]) -> Arrival:
        async with self._lock:
            began = self._steady()
            outcome = await trio.to_thread.run_sync(self._changed_by, work)
            if outcome.view is not None:
                moved = outcome.arrival
                took = self._steady() - began
                self.counts.moved(len(moved.applied), len(moved.undone), took)
                self._put_in_place(outcome.view, outcome.arrival, outcome.commits)
            if outcome.error is not None:
                raise outcome.error
            return outcome.arrival

    def _changed_by(self, work: Callable[[], Arrival]) -> "_Outcome":
        """In the chain's thread: the change, then what followers prepare for it."""
        before = self._view.context.tip_id
        error: BaseException | None = None
        try:
            self._keep_undo()
            arrival = work()
        except BaseException as raised:
            # What was refused may still have moved the tip: a branch that fails half way.
            arrival, error = self._manager.moved_from(before), raised
        if self._unprepared is not None:
            # Followers that could not prepare an earlier change are told of it with this one.
            whole = self._manager.moved_from(before)
            touched = self._unprepared | arrival.touched
            arrival = replace(arrival, undone=whole.undone, applied=whole.applied, touched=touched)
        if isinstance(error, TooDeepReorganisation):
            self._reached.halt(error)
        if self._manager.context.tip_id == before:
            return _Outcome(arrival, error)
        self._unprepared = arrival.touched
        view = self._manager.view()
        change = ChainChange(view, arrival, partial(_content, self._manager, arrival))
        commits = tuple(follower.prepare(change) for follower in self._followers)
        self._unprepared = None
        return _Outcome(arrival, error, view, commits)

    def _put_in_place(self, view: ChainView, arrival: Arrival, commits: tuple[Commit, ...]) -> None:
        self._view = view
        for commit in commits:
            commit()
        tip = view.context
        self._told(TipMoved(tip.tip_id, tip.height, arrival.undone, arrival.applied))
        self._changed.set()
        self._changed = trio.Event()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a thread brings back."""

    arrival: Arrival
    error: BaseException | None
    view: ChainView | None = None
    commits: tuple[Commit, ...] = ()


def _content(manager: ChainManager, arrival: Arrival, block_id: BlockId) -> ReadBlock:
    return arrival.read.get(block_id) or manager.known.content(block_id)


def _tell_nobody(moved: TipMoved) -> None:
    """Nobody asked to be told."""
