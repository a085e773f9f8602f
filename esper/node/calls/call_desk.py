"""Calls on their way from the mempool to a block: answered, then proven in groups.

One thing at a time, in the prover's process, while the search for tickets goes on. What is ready
waits in ``ReadyCalls`` for the next template.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

import trio

from esper.node.calls.call_book import CallBook
from esper.node.calls.lanes import LaneAnswers, open_lanes, payable_results
from esper.node.calls.ready_calls import ReadyGroup, ReadyLane
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.clock import Clock
from esper.node.events import CallAnswered, CallReady, Events, Subscription, TransactionAdmitted
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.work_ports import ProverPort
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import Txid
from esper.primitives.params import NetworkParameters
from esper.saying import complain, say
from esper.vm.ledger import Ledger
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

LOG: Final = logging.getLogger("esper.calls")
BLOCKS_AHEAD: Final = 2
"""Proven groups are kept for so many blocks: more would only grow old."""
AFTER_FAILURE_S: Final = 5.0
TRIED_ALONE: Final = 2
"""Failures by itself after which a call is left to others until the chain changes."""


class CallQueue(Protocol):
    """Who says which calls come next."""

    async def next_calls(
        self, height: int, taken: frozenset[Txid], declined: frozenset[Txid]
    ) -> Sequence[Transaction]:
        """Calls worth answering for the block at ``height``, the best first.

        ``taken`` are answered already; ``declined`` are left to others and take nobody's place.
        """

    def observe_answer(self, tokens: int, ms: int) -> None:
        """So many tokens were answered in so much time."""

    def observe_proof(self, rows: int, ms: int) -> None:
        """So many rows were proven in so much time."""


class CallDesk:
    """Answers and proves calls for one payee."""

    def __init__(
        self,
        chain: ChainService,
        queue: CallQueue,
        prover: ProverPort,
        params: NetworkParameters,
        book: CallBook,
        events: Events,
        *,
        payee: bytes,
        lanes: LaneAnswers | None,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._queue = queue
        self._prover = prover
        self._params = params
        self._payee = payee
        self._lane_answers = lanes
        self._clock = clock
        self._model_id = params.model.model_id
        self._book = book
        self._events = events
        self.ready = book.ready
        """What the next template may take."""
        self._returnable = 0
        self._tried: list[Txid] = []
        self._one_by_one = False
        self._failures: Counter[Txid] = Counter()
        """Of each call that was tried alone since the last change of chain."""
        self._news = trio.Event()

    def pay(self, payee: bytes) -> None:
        """Prove for another payee. Groups are bound to theirs, so their calls are proven again."""
        self._payee = payee
        self._book.prove_again()
        self.wake()

    def wake(self) -> None:
        """There may be new calls."""
        self._news.set()

    def prepare(self, change: ChainChange) -> Commit:
        """Nothing in the chain's thread: what a desk keeps belongs to the event loop."""
        return partial(self._look_at_lanes, change.view)

    def _look_at_lanes(self, view: ChainView) -> None:
        """Forget the lanes that have their result, or lapsed."""
        # What failed may have been the machine's fault, which is mended by now.
        self._one_by_one = False
        self._failures.clear()
        self._book.forget_closed(Ledger(Overlay(view.state)))
        self.wake()

    async def run(self) -> None:
        """Work until cancelled."""
        with self._events.subscribe(TransactionAdmitted, room=1) as admitted:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_with, admitted)
                await self._work_on()

    async def _wake_with(self, admitted: Subscription[TransactionAdmitted]) -> None:
        # One that was missed is as good as one that was told: the queue is looked at anew.
        async for _ in admitted:
            self.wake()

    async def _work_on(self) -> None:
        while True:
            self._news = trio.Event()
            news = self._news
            try:
                worked = await self._work()
            except WorkerError as error:
                complain(
                    LOG,
                    "answering_failed",
                    "answering calls failed: {reason}; trying again",
                    reason=str(error),
                )
                self._note_failure()
                await trio.sleep(AFTER_FAILURE_S)
                continue
            finally:
                self._book.answering.clear()
            if not worked:
                await news.wait()

    async def _work(self) -> bool:
        """One thing, the most urgent; whether there was any."""
        view = self._chain.view
        lane = self._next_lane(view)
        calls = await self._next_calls(view)
        if lane is not None:
            await self._answer_lane(lane)
        elif self._book.unproven and not (calls and len(self._book.unproven) < self._group_limit):
            await self._prove_group()
        elif calls:
            await self._answer(calls)
        else:
            return False
        return True

    def _note_failure(self) -> None:
        """Find out which call it is, and then leave it alone: the others need not wait for it."""
        if len(self._tried) > 1:
            self._one_by_one = True
            return
        self._failures.update(self._tried)
        for call_id in self._failing:
            self._book.unproven.pop(call_id, None)

    @property
    def _failing(self) -> frozenset[Txid]:
        return frozenset(one for one, times in self._failures.items() if times >= TRIED_ALONE)

    @property
    def _group_limit(self) -> int:
        rules = self._params.calls
        return 1 if self._one_by_one else rules.rows_per_group // rules.rows_per_call

    def _next_lane(self, view: ChainView) -> OpenCall | None:
        self._returnable = self._payable(view)
        if not self._returnable:
            return None
        ledger = Ledger(Overlay(view.state))
        for call_id in open_lanes(view.context, view.state):
            lane = ledger.lane(call_id)
            if (
                lane is not None
                and call_id not in self.ready.lanes
                and call_id not in self._failing
                and lane.model_id == self._model_id
            ):
                return OpenCall(call_id, lane)
        return None

    def _payable(self, view: ChainView) -> int:
        """How many more long answers can be returned; without their fees they are never paid."""
        if self._lane_answers is None:
            return 0
        sender = self._lane_answers.sender
        payable = payable_results(view.context, view.state, sender)
        return max(payable - len(self.ready.lanes), 0)

    async def _next_calls(self, view: ChainView) -> list[OpenCall]:
        """What fits into the next groups, if there is still use for another one."""
        room = self._params.calls.groups_per_block * BLOCKS_AHEAD - len(self.ready.groups)
        if room <= 0:
            return []
        inline = self.ready.inline()
        taken = frozenset((*inline, *self.ready.long_answers, *self._book.unproven))
        declined, height = self._failing | self._book.declined, view.context.height + 1
        found = []
        for transaction in await self._queue.next_calls(height, taken, declined):
            payload = transaction.payload
            if isinstance(payload, LlmCall) and payload.model_id == self._model_id:
                found.append(OpenCall(transaction.txid, payload))
        return found[: max(self._group_limit - len(self._book.unproven), 0)]

    async def _answer(self, calls: Sequence[OpenCall]) -> None:
        self._tried = [call.call_id for call in calls]
        self._book.answering.update(self._tried)
        began = self._clock()
        answers = await self._prover.answer(calls)
        tokens = sum(len(said.answer) + len(said.call.prompt) for said in answers)
        self._queue.observe_answer(tokens, max(self._clock() - began, 1))
        # What was settled meanwhile is nobody's any more.
        for said in (said for said in answers if said.call_id in self._book.answering):
            kept = True
            if said.fits_inline(self._params.calls):
                self._book.unproven[said.call_id] = said
            elif self._returnable > len(self.ready.long_answers):
                # Left open, proven once the chain has its lane.
                self.ready.long_answers[said.call_id] = said
            else:
                # Opening its lane would freeze the caller's credits for nothing.
                kept = False
                self._book.declined.add(said.call_id)
                say(
                    LOG,
                    "call_left",
                    "llm-call {short} is left to other miners: its answer is long, and the key "
                    "that returns long answers (results.key) has no coins for the fee",
                    short=said.call_id.hex()[:16],
                    txid=said.call_id.hex(),
                )
            self._events.publish(CallAnswered(said.call_id, said.answer, kept))

    async def _prove_group(self) -> None:
        calls = list(self._book.unproven.values())[: self._group_limit]
        self._tried = [call.call_id for call in calls]
        began = self._clock()
        payee = self._payee
        group = await self._prover.prove_calls(calls, payee)
        self._observe_proof(len(calls), began)
        if payee != self._payee or any(call.call_id not in self._book.unproven for call in calls):
            # Of no use as a whole; those of its calls that still wait are proven anew.
            return
        self.ready.groups.append(ReadyGroup(tuple(calls), group))
        for call in calls:
            del self._book.unproven[call.call_id]
            self._events.publish(CallReady(call.call_id))

    async def _answer_lane(self, lane: OpenCall) -> None:
        assert self._lane_answers is not None
        self._tried = [lane.call_id]
        said = self._book.opened.get(lane.call_id)
        if said is None:
            [said] = await self._prover.answer([lane])
        # The lane of the chain, not the transaction that opened it, is what the result answers.
        said = AnsweredCall(lane.call_id, lane.call, said.answer, said.logits)
        began = self._clock()
        group = await self._prover.prove_lane(said, self._lane_answers.sender)
        self._observe_proof(1, began)
        self.ready.lanes[lane.call_id] = ReadyLane(said, group)
        self._book.opened.pop(lane.call_id, None)
        self._events.publish(CallReady(lane.call_id))

    def _observe_proof(self, calls: int, began_ms: int) -> None:
        rows = calls * self._params.calls.rows_per_call
        self._queue.observe_proof(rows, max(self._clock() - began_ms, 1))
