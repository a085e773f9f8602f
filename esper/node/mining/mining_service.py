"""Mining on the event loop: templates here, the search and the proofs in processes of their own.

    tip or content changes ─▶ entry ─▶ template ─▶ searcher ─ticket─▶ prover ─proof─▶ chain

Which entry is mined is asked for every template anew: at the height of an activation the new
model's search goes on where the old one's ended.

The search goes on while calls are answered and proven: what becomes ready is in the next template.
A ticket is proven beside the search as well. Its own search stops there, since a second ticket on
the same parent would be worth nothing, and begins again with the first tip that comes, be it this
block or somebody else's; a proof that is overtaken is finished all the same, for rivals at one
height draw lots.
"""

import logging
from dataclasses import dataclass
from math import inf
from typing import Final

import trio

from esper.consensus.call_groups import LANE_ANSWER
from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.template import Template
from esper.consensus.tiers import entry_of
from esper.node.calls.call_desk import CallDesk
from esper.node.calls.lanes import LaneAnswers
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.clock import Clock, steady_ms
from esper.node.entries.entry_workers import EntryWorkers
from esper.node.entries.room import EntryRoom
from esper.node.events import (
    CallAnswered,
    CallReady,
    Events,
    MiningHeld,
    MiningTold,
    Missed,
    NodeEvent,
    ProveHandedIn,
    Subscription,
    TipMoved,
    TransactionAdmitted,
)
from esper.node.mempool.mempool_service import MempoolService
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.block_times import BlockTimes
from esper.node.mining.mining_permit import LOOKS_FOR_PEERS
from esper.node.mining.mining_statistics import MiningStatistics
from esper.node.mining.proves.waiting import HandedIn
from esper.node.mining.ready_proofs import ReadyProofs
from esper.node.mining.templates import TemplateMaker, block_of, job_of
from esper.node.workers.search import Ticket
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import WorkerError
from esper.primitives.errors.audit_errors import AuditViolation
from esper.primitives.errors.header_errors import TimeFutureViolation
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import BlockId
from esper.saying import complain, say, warn

LOG: Final = logging.getLogger("esper.mining")
PAUSED: Final = "paused"
PAUSED_PROVING: Final = "paused, finishing the proof of a block"
REFRESH_S: Final = 1.0
"""Templates follow new content at most once in so long; a new tip they follow at once."""
FILES_S: Final = 10.0
"""Where nothing can be mined: between two looks whether a model has come."""
KEPT_JOBS: Final = 16
KEPT_OWN: Final = 256
"""Blocks of ours of which it is said if they leave the chain."""
SEARCHES: Final = "searching for block "
"""How the phrase about a search begins; a height follows."""
WAITS: Final = "waiting: "
"""How a phrase about a chain ahead of the clock begins."""


@dataclass(frozen=True, slots=True)
class MinedNews(NodeEvent):
    """A block of this miner on the chain."""

    height: int
    """The block's height."""
    block_id: BlockId
    """64 bytes."""
    ticket: Ticket
    """What won."""
    assembled: Assembled
    """Its transactions and answers."""
    proof_bytes: int
    """Length of the proof."""
    proof_ms: int
    """Time of the proof."""

    @property
    def calls_answered(self) -> int:
        """Calls whose answers it holds, long ones among them."""
        plan = self.assembled.plan
        long_answers = sum(group.kind == LANE_ANSWER for group in plan.groups)
        return sum(answer is not None for answer in plan.answers) + long_answers


@dataclass(frozen=True, slots=True)
class MinedStale(NodeEvent):
    """A block of this miner that lost against another, at once or after a change of chain."""

    height: int
    """The block's height."""
    block_id: BlockId
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class _Job:
    template: Template
    entry: EntryWorkers
    chain: ChainContext
    assembled: Assembled


class MiningService:
    """Mines for one payee."""

    def __init__(
        self,
        chain: ChainService,
        mempool: MempoolService,
        desk: CallDesk,
        room: EntryRoom,
        templates: TemplateMaker,
        clock: Clock,
        events: Events,
        *,
        lanes: LaneAnswers | None,
        proofs: ReadyProofs | None = None,
        handed: HandedIn | None = None,
        wanted: int | None,
        steady: Clock = steady_ms,
    ) -> None:
        """``wanted`` blocks are mined, more with ``want``; without end if it is None.

        ``steady`` counts how long proofs take.
        """
        self._chain = chain
        self._mempool = mempool
        self._desk = desk
        self.room = room
        """Who searches and proves."""
        room.changed = self._look_at_room
        self._nursery: trio.Nursery | None = None
        self.templates = templates
        """Makes templates, and knows the payee."""
        self._clock = clock
        self._steady = steady
        self._times = BlockTimes(chain, clock, steady)
        self._lanes = lanes
        self._proofs = proofs
        self._handed = handed
        self._events = events
        self._wanted = wanted
        self.statistics = MiningStatistics()
        """How it goes."""
        self.paused = False
        """Whether a person stopped it."""
        self._doing = "starting"
        self._jobs: dict[int, _Job] = {}
        self._number = 0
        self._proving: set[BlockId] = set()
        self._own: dict[BlockId, int] = {}
        self._refused_after: BlockId | None = None
        """The parent on which a block of what waits was refused: the next on it is empty, for the
        chain must go on whatever is wrong with what waits."""
        self._news = trio.Event()
        self._steered = trio.Event()

    def look_again(self) -> None:
        """Judge anew whether it may search: the network knows something else than before.

        A search that may not go on ends at once.
        """
        if self._times.why_wait():
            self._stop_search()
        self._steered.set()

    def _look_at_room(self) -> None:
        self._steered.set()

    def _stop_search(self) -> None:
        if self.room.mined is not None:
            self.room.mined.workers.searcher.search(None)

    @property
    def searching(self) -> bool:
        """Whether it may search now."""
        return not self.paused and (self._wanted is None or self._wanted > 0)

    @property
    def doing(self) -> str:
        """A phrase for people."""
        if self.paused:
            return PAUSED_PROVING if self._proving else PAUSED
        return self._doing

    @property
    def _outlook(self) -> str:
        """What comes next, for people."""
        if self.paused:
            return "mining is paused"
        if not self.searching:
            return "blocks are mined when they are asked for"
        return "how long a block takes is told once it is measured"

    def pause(self) -> None:
        """Stop searching; a proof that runs is finished."""
        if not self.paused:
            say(LOG, "mining_paused", "mining is paused; `esperd resume` goes on")
        self.paused = True
        self._stop_search()
        self._steered.set()

    def resume(self) -> None:
        """Go on."""
        if self.paused:
            say(LOG, "mining_resumed", "mining goes on")
        self.paused = False
        self._steered.set()

    def want(self, blocks: int) -> None:
        """Mine so many more blocks, where they are mined on demand."""
        if self._wanted is not None:
            self._wanted += blocks
            self._steered.set()

    def stop_wanting(self, blocks: int | None = None) -> None:
        """Take back so much of what was wanted, all if it is None, where it is mined on demand."""
        if self._wanted is not None:
            self._wanted = 0 if blocks is None else max(self._wanted - blocks, 0)
            if self._wanted == 0:
                self._stop_search()
            self._steered.set()

    def pay(self, payee: bytes) -> None:
        """Let the next templates pay another address."""
        if payee != self.templates.payee:
            self.templates.pay(payee)
            self._desk.pay(payee)
            # A ticket that is found now would still pay the other.
            self._jobs.clear()
            self._steered.set()

    async def run(self) -> None:
        """Mine until cancelled, or until every block that was wanted is there."""
        content = self._events.subscribe(
            TransactionAdmitted, CallAnswered, CallReady, ProveHandedIn, room=1
        )
        tips = self._events.subscribe(TipMoved)
        with content as changes, tips as moves:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._follow_content, changes)
                self._nursery.start_soon(self._follow_tip, moves)
                await self._nursery.start(self.room.run, self._heard, lambda: self._outlook)
                self._nursery.start_soon(self._desk.run)
                self._nursery.start_soon(self._make_templates)

    def _heard(self, entry: EntryWorkers, event: Found | Progress) -> None:
        """What a search says."""
        if isinstance(event, Progress):
            entry.speed.searched(event.attempts, event.tokens, event.ms)
            self.statistics.searched(event.attempts)
        elif self._nursery is not None and not self._nursery.cancel_scope.cancel_called:
            # Mining that has failed ends, and takes nothing in any more.
            self._take_ticket(event, self._nursery)

    async def _follow_content(self, changes: Subscription[NodeEvent]) -> None:
        # One that was missed is as good as one that was told: everything is looked at anew.
        async for _ in changes:
            self._news.set()

    async def _make_templates(self) -> None:
        while True:
            self._news, self._steered = trio.Event(), trio.Event()
            news, steered, moved = self._news, self._steered, self._chain.next_change
            tip, chain = self._chain.tip, self._chain.view.context
            self.room.look(chain)
            entry = self.room.choose(chain)
            if not self.searching:
                self._tell(PAUSED if self.paused else "waiting for blocks to be asked for")
            elif tip in self._proving:
                self._tell("proving a block")
            elif why := self._times.why_wait():
                self._wait_for_time(why)
            elif entry is None:
                self._wait_for_time(self.room.why_none(chain))
            else:
                self._tell(f"{SEARCHES}{await self._begin_search(entry)}")
            with trio.move_on_after(inf if entry is not None else FILES_S):
                await self._until(moved, steered, news)

    async def _until(self, moved: trio.Event, steered: trio.Event, news: trio.Event) -> None:
        """Until the tip moves or somebody steers, or there is news and some time has passed."""
        async with trio.open_nursery() as nursery:

            async def first(event: trio.Event, pause: float) -> None:
                await event.wait()
                await trio.sleep(pause)
                nursery.cancel_scope.cancel()

            nursery.start_soon(first, moved, 0.0)
            nursery.start_soon(first, steered, 0.0)
            nursery.start_soon(first, news, REFRESH_S)
            await self._times.changed()
            nursery.cancel_scope.cancel()

    def _wait_for_time(self, why: str) -> None:
        """Search nothing, and say why; whoever asked for a block hears of it at every look."""
        begins = not self.doing.startswith(WAITS)
        if begins:
            self._stop_search()
        if why == LOOKS_FOR_PEERS:
            if begins:
                say(LOG, "mining_held", "{why}", why=why)
        elif begins or self.doing == f"{WAITS}{LOOKS_FOR_PEERS}":
            warn(LOG, "mining_held", "{why}", why=why)
        self._tell(f"{WAITS}{why}")
        self._events.publish(MiningHeld(why))

    async def _begin_search(self, entry: EntryWorkers) -> int:
        """Put a template together and let it be searched; the height.

        ``entry`` was chosen for the present tip, which the template stands on.
        """
        # The desk goes on while a thread reads this.
        ready, payee = self._desk.ready.copy(), self.templates.payee
        tip, height = self._chain.tip, self._chain.view.context.height + 1

        def make(view: ChainView) -> _Job:
            chain, state = view.context, view.state
            assembled = Assembled()
            if chain.tip_id != self._refused_after:
                answered = {*ready.inline(), *ready.long_answers}
                waiting = self._mempool.selection(chain.height + 1, answered)
                model = entry.entry.model
                mined = entry_of(model.tier, model.model_id, model.bank_root, chain.registry)
                assembled = assemble(
                    chain,
                    state,
                    payee,
                    waiting,
                    ready,
                    self._lanes,
                    proofs=self._proofs,
                    handed=self._handed,
                    mined=mined,
                )
            template = self.templates.template(
                chain,
                state,
                assembled.plan,
                model=entry.entry.model,
                time_ms=self._clock(),
                execution=assembled.execution,
            )
            return _Job(template, entry, chain, assembled)

        try:
            job = await self._chain.in_thread(make)
        except RuleViolation as violation:
            if tip == self._refused_after:
                raise
            complain(
                LOG,
                "template_refused",
                "what waits makes no block: {reason} ({rule}); the next block is mined empty",
                rule=violation.rule,
                reason=str(violation),
            )
            self._refused_after = tip
            self._steered.set()
            return height
        if self.templates.payee != payee:
            # It may pay either of them. The next one comes at once.
            return height
        self._number += 1
        self._jobs[self._number] = job
        for old in [number for number in self._jobs if number <= self._number - KEPT_JOBS]:
            del self._jobs[old]
        may_search = self.searching and not self._times.why_wait()
        if job.chain.tip_id == self._chain.tip and may_search:
            entry.workers.searcher.search(job_of(self._number, job.template, job.chain))
        return height

    def _take_ticket(self, found: Found, nursery: trio.Nursery) -> None:
        job = self._jobs.get(found.number)
        if job is None or self._wanted == 0:
            # Found before the search heard that nobody wants it any more.
            return
        if job.chain.tip_id != self._chain.tip:
            self.statistics.overtaken()
            return
        if job.chain.tip_id in self._proving:
            # The ticket of an older template for the same parent.
            return
        if not self._times.may_come(found.ticket.pre.time_ms):
            self._drop_early(job)
            self._steered.set()
            return
        self._proving.add(job.chain.tip_id)
        self._steered.set()
        nursery.start_soon(self._prove, job, found.ticket)

    async def _prove(self, job: _Job, ticket: Ticket) -> None:
        parent = job.chain.tip_id
        began = self._steady()
        try:
            with job.entry.in_use() as workers:
                proof = await workers.work_prover.prove_work(ticket.claim)
            took = self._steady() - began
            block = block_of(job.template, ticket, proof)
            arrival = await self._chain.submit(BlockBytes.of(block))
        except WorkerError as error:
            complain(
                LOG,
                "ticket_lost",
                "block {height} was won and could not be proven: {reason}; the search goes on",
                height=job.chain.height + 1,
                reason=str(error),
            )
            return
        except TimeFutureViolation:
            # Nothing is wrong with what it holds.
            self._drop_early(job)
            return
        except RuleViolation as violation:
            height = job.chain.height + 1
            complain(
                LOG,
                "own_block_refused",
                "our own block {height} is refused: {reason} ({rule}); mining it empty",
                height=height,
                rule=violation.rule,
                reason=str(violation),
            )
            self._refused_after = parent
            if isinstance(violation, AuditViolation):
                self._forget_proofs(job)
            return
        finally:
            self._proving.discard(parent)
            self._steered.set()
        job.entry.speed.proved(took)
        if arrival.block_id not in arrival.applied:
            self.statistics.overtaken()
            self._stale(job.chain.height + 1, arrival.block_id)
            return
        self._own[arrival.block_id] = job.chain.height + 1
        if len(self._own) > KEPT_OWN:
            del self._own[next(iter(self._own))]
        news = MinedNews(
            job.chain.height + 1, arrival.block_id, ticket, job.assembled, len(proof), took
        )
        self.statistics.joined(news.calls_answered)
        if self._wanted is not None:
            # Two tickets of different parents may both have been under way for the last one.
            self._wanted = max(self._wanted - 1, 0)
        self._events.publish(news)

    def _forget_proofs(self, job: _Job) -> None:
        if self._proofs is not None:
            self._proofs.refused()
        if self._handed is not None:
            self._handed.refused(job.assembled.plan.transactions)

    async def _follow_tip(self, moves: Subscription[TipMoved]) -> None:
        """Say which blocks of ours lose after all."""
        async for moved in moves:
            if isinstance(moved, Missed):
                continue
            for block_id in moved.undone:
                height = self._own.pop(block_id, None)
                if height is not None:
                    self.statistics.left()
                    self._stale(height, block_id)

    def _stale(self, height: int, block_id: BlockId) -> None:
        """What it held waits again: the mempool and the desk see to that themselves."""
        say(
            LOG,
            "block_stale",
            "our block {height} {short} is stale: another branch won; what it held waits again",
            height=height,
            short=block_id.hex()[:16],
            block=block_id.hex(),
        )
        self._events.publish(MinedStale(height, block_id))

    def _drop_early(self, job: _Job) -> None:
        """A ticket of before the clock was set back: another is found as soon as one may come."""
        warn(
            LOG,
            "ticket_too_early",
            "this machine's clock was set back: what was found for block {height} is later than it "
            "allows; searching again",
            height=job.chain.height + 1,
        )

    def _tell(self, doing: str) -> None:
        if doing != self._doing:
            self._doing = doing
            self._events.publish(MiningTold(doing, self.searching, self.paused))
