"""Calls on their way from the mempool to a block: answered, then proven in groups.

One thing at a time, in the prover's process, while the search for tickets goes on. What is ready
waits in ``ReadyCalls`` for the next template.
"""

import logging
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Final, Protocol

import trio

from esper.consensus.context import ChainContext
from esper.consensus.header_chain import HeaderChain
from esper.node.calls.call_book import CallBook
from esper.node.calls.lanes import LaneAnswers, open_lanes, payable_results
from esper.node.calls.ready_calls import ReadyGroup, ReadyLane
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.clock import Clock
from esper.node.events import CallAnswered, CallReady, Events, Subscription, TransactionAdmitted
from esper.node.in_force import parameters_of
from esper.node.workers.call_answerer import AnsweredCall, OpenCall
from esper.node.workers.work_ports import ProverPort
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import ModelId, Txid
from esper.primitives.params import CallParameters
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
        self,
        chain: ChainContext,
        taken: frozenset[Txid],
        declined: frozenset[Txid],
        models: Collection[ModelId],
    ) -> Sequence[Transaction]:
        """Calls to these models worth answering for the block after ``chain``, the best first.

        ``taken`` are answered already; ``declined`` are left to others and take nobody's place.
        """

    def observe_answer(self, tokens: int, ms: int) -> None:
        """So many tokens were answered in so much time."""

    def observe_proof(self, rows: int, ms: int) -> None:
        """So many rows were proven in so much time."""


class CallProvers(Protocol):
    """Who answers and proves, by model."""

    @property
    def models(self) -> frozenset[ModelId]:
        """Ids of the models that are here."""

    def answering(self, model_id: ModelId) -> AbstractContextManager[ProverPort]:
        """Who answers for a model; there for as long as the context. Raises WorkerError."""


class CallDesk:
    """Answers and proves calls for one payee."""

    def __init__(
        self,
        chain: ChainService,
        queue: CallQueue,
        provers: CallProvers,
        book: CallBook,
        events: Events,
        *,
        payee: bytes,
        lanes: LaneAnswers | None,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._queue = queue
        self._provers = provers
        self._payee = payee
        self._lane_answers = lanes
        self._clock = clock
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
        self._book.forget_models(_callable(view.context))
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
        rules = parameters_of(view.context, view.state).calls
        lane = self._next_lane(view)
        calls = await self._next_calls(view, rules)
        group = self._next_group(rules)
        if lane is not None:
            await self._answer_lane(lane, rules)
        elif group and not (calls and self._has_room(group, calls, rules)):
            await self._prove_group(group, rules)
        elif calls:
            await self._answer(calls, rules)
        else:
            return False
        return True

    def _next_group(self, rules: CallParameters) -> list[AnsweredCall]:
        """Answers to be proven next: of one model, that of the one that waits longest."""
        found = list(self._book.unproven.values())
        same = [one for one in found if one.call.model_id == found[0].call.model_id]
        return same[: self._group_limit(rules)]

    def _has_room(
        self, group: Sequence[AnsweredCall], calls: Sequence[OpenCall], rules: CallParameters
    ) -> bool:
        """Whether the group waits for the calls' answers: one proof covers calls to one model."""
        same = group[0].call.model_id == calls[0].call.model_id
        return same and len(group) < self._group_limit(rules)

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

    def _group_limit(self, rules: CallParameters) -> int:
        return 1 if self._one_by_one else rules.rows_per_group // rules.rows_per_call

    def _next_lane(self, view: ChainView) -> OpenCall | None:
        self._returnable = self._payable(view)
        if not self._returnable:
            return None
        ledger = Ledger(Overlay(view.state))
        # A lane is answered by every model that may be mined, not by own ones alone.
        models = self._provers.models & _minable(view.context)
        for call_id in open_lanes(view.context, view.state):
            lane = ledger.lane(call_id)
            if (
                lane is not None
                and call_id not in self.ready.lanes
                and call_id not in self._failing
                and lane.model_id in models
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

    async def _next_calls(self, view: ChainView, rules: CallParameters) -> list[OpenCall]:
        """What fits into the next groups, if there is still use for another one: of one model."""
        room = rules.groups_per_block * BLOCKS_AHEAD - len(self.ready.groups)
        models = self._provers.models & _callable(view.context)
        if room <= 0 or not models:
            return []
        inline = self.ready.inline()
        taken = frozenset((*inline, *self.ready.long_answers, *self._book.unproven))
        declined = self._failing | self._book.declined
        found: list[OpenCall] = []
        for transaction in await self._queue.next_calls(view.context, taken, declined, models):
            payload = transaction.payload
            first = found[0].call.model_id if found else None
            if isinstance(payload, LlmCall) and first in (None, payload.model_id):
                found.append(OpenCall(transaction.txid, payload))
        if not found:
            return []
        unproven = [
            one
            for one in self._book.unproven.values()
            if one.call.model_id == found[0].call.model_id
        ]
        return found[: max(self._group_limit(rules) - len(unproven), 0)]

    async def _answer(self, calls: Sequence[OpenCall], rules: CallParameters) -> None:
        self._tried = [call.call_id for call in calls]
        self._book.answering.update(self._tried)
        began = self._clock()
        with self._provers.answering(calls[0].call.model_id) as prover:
            answers = await prover.answer(calls)
        still = _callable(self._chain.view.context)
        tokens = sum(len(said.answer) + len(said.call.prompt) for said in answers)
        self._queue.observe_answer(tokens, max(self._clock() - began, 1))
        # What was settled meanwhile is nobody's any more.
        for said in (said for said in answers if said.call_id in self._book.answering):
            if said.call.model_id not in still:
                continue
            kept = True
            if said.fits_inline(rules):
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

    async def _prove_group(self, calls: Sequence[AnsweredCall], rules: CallParameters) -> None:
        self._tried = [call.call_id for call in calls]
        began = self._clock()
        payee = self._payee
        with self._provers.answering(calls[0].call.model_id) as prover:
            group = await prover.prove_calls(calls, payee, rules)
        self._observe_proof(len(calls), began, rules)
        if payee != self._payee or any(call.call_id not in self._book.unproven for call in calls):
            # Of no use as a whole; those of its calls that still wait are proven anew.
            return
        self.ready.groups.append(ReadyGroup(tuple(calls), group))
        for call in calls:
            del self._book.unproven[call.call_id]
            self._events.publish(CallReady(call.call_id))

    async def _answer_lane(self, lane: OpenCall, rules: CallParameters) -> None:
        assert self._lane_answers is not None
        self._tried = [lane.call_id]
        said = self._book.opened.get(lane.call_id)
        with self._provers.answering(lane.call.model_id) as prover:
            if said is None:
                [said] = await prover.answer([lane])
            # The lane of the chain, not the transaction that opened it, is what is answered.
            said = AnsweredCall(lane.call_id, lane.call, said.answer, said.logits)
            began = self._clock()
            group = await prover.prove_lane(said, self._lane_answers.sender, rules)
        self._observe_proof(1, began, rules)
        self.ready.lanes[lane.call_id] = ReadyLane(said, group)
        self._book.opened.pop(lane.call_id, None)
        self._events.publish(CallReady(lane.call_id))

    def _observe_proof(self, calls: int, began_ms: int, rules: CallParameters) -> None:
        rows = calls * rules.rows_per_call
        self._queue.observe_proof(rows, max(self._clock() - began_ms, 1))


def _callable(chain: HeaderChain) -> frozenset[ModelId]:
    """Models that a call in the next block may name: those that tiers have as their own."""
    return frozenset(tier.model.model_id for tier in chain.registry.tiers)


def _minable(chain: HeaderChain) -> frozenset[ModelId]:
    """Models that the next block may be mined with, the replaced ones among them."""
    return frozenset(
        entry.model.model_id for tier in chain.registry.tiers for entry in tier.entries
    )
