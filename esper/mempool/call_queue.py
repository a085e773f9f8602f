"""Which calls a miner answers next: what they offer, how long they waited, what they cost it."""

import heapq
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from esper.mempool.call_score import call_tokens, score
from esper.mempool.waiting import Waiting
from esper.primitives.ids import ModelId, Txid
from esper.primitives.units import MS_PER_SECOND
from esper.vm.llm_call import LlmCall

AGED_SHARE: Final = 4
"""One of so many calls is the oldest, whatever it offers."""
NEWEST_WEIGHT: Final = 0.2
"""Of the last observation in a mean."""


@dataclass(slots=True)
class MeasuredSpeed:
    """How fast this machine is: exponential means of what it did lately."""

    answer_tokens_per_second: float = 100.0
    """Prompt and answer tokens."""
    prove_rows_per_second: float = 100.0
    """Rows of proofs, padding included."""

    def observe_answer(self, tokens: int, ms: int) -> None:
        """A call of so many tokens was answered in ``ms``. Nothing in no time says nothing."""
        if tokens > 0 and ms > 0:
            self.answer_tokens_per_second = _mean(self.answer_tokens_per_second, tokens, ms)

    def observe_proof(self, rows: int, ms: int) -> None:
        """A proof of so many rows took ``ms``. Nothing in no time says nothing."""
        if rows > 0 and ms > 0:
            self.prove_rows_per_second = _mean(self.prove_rows_per_second, rows, ms)

    def estimated_ms(self, call: LlmCall, rows: int) -> float:
        """Answering with the longest answer, and proving it in ``rows``."""
        answering = call_tokens(call) / self.answer_tokens_per_second
        proving = rows / self.prove_rows_per_second
        return (answering + proving) * MS_PER_SECOND


def _mean(before: float, amount: int, ms: int) -> float:
    return before + NEWEST_WEIGHT * (amount * MS_PER_SECOND / ms - before)


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """What a miner is willing to do for callers."""

    time_budget_ms: float = float("inf")
    """Time for one block's calls. One call always fits: a slow machine answers one by one."""
    minimum_microcredits_per_second: int = 0
    """Calls that offer less for this machine's time are left to others."""
    least_window: int = 0
    """Blocks after the next one in which a call must still be valid: work for one that lapses
    before this miner finds a block is never paid."""


@dataclass(frozen=True, slots=True)
class CallBudget:
    """What one block has room for."""

    rows: int
    """Rows of the groups that are free for calls; 0: no calls."""
    rows_per_call: int
    """Rows that each call takes up, whatever its length."""
    policy: CallPolicy = field(default_factory=CallPolicy)
    """The miner's wishes."""
    speed: MeasuredSpeed = field(default_factory=MeasuredSpeed)
    """The miner's machine."""
    models: Collection[ModelId] | None = None
    """64 bytes each: models that the miner answers with; None: all."""
    declined: Collection[Txid] = ()
    """Txids of calls that the miner leaves to others."""
    answered: Collection[Txid] | None = None
    """Txids of the only calls that may be chosen: those whose answer is there; None: all."""

    @property
    def calls(self) -> int:
        """How many calls fit by their rows."""
        return self.rows // self.rows_per_call


class CallChooser:
    """Chooses among the calls that are offered, which may become more between two choices.

    The oldest get their quarter of the block first, with the whole time still ahead: so a long call
    that others outbid comes through as well.
    """

    def __init__(self, height: int, budget: CallBudget) -> None:
        self._height = height
        self._budget = budget
        aged, rest = divmod(budget.calls, AGED_SHARE)
        # A quarter over the heights, for blocks whose calls do not divide by four.
        self._aged = aged + (height % AGED_SHARE < rest)
        self._scored = budget.calls - self._aged
        self._by_age: list[tuple[int, Txid]] = []
        self._by_score: list[tuple[int, int, Txid]] = []
        self._open: dict[Txid, Waiting] = {}
        self._time_left = budget.policy.time_budget_ms
        self._chosen = 0

    def offer(self, waiting: Waiting) -> None:
        """A call that may be chosen from now on."""
        call = waiting.transaction.payload
        if isinstance(call, LlmCall) and self._allowed(waiting) and self._wanted(call):
            points = score(call.reserve, call_tokens(call), self._height - waiting.arrival_height)
            self._open[waiting.txid] = waiting
            heapq.heappush(self._by_age, (waiting.order, waiting.txid))
            heapq.heappush(self._by_score, (-points, waiting.order, waiting.txid))

    def choose(self) -> Waiting | None:
        """The next call, None if no more of those offered fit."""
        while self._aged and self._by_age:
            found = self._fitting(heapq.heappop(self._by_age)[1])
            if found is not None:
                self._aged -= 1
                return found
        while self._scored and self._by_score:
            found = self._fitting(heapq.heappop(self._by_score)[2])
            if found is not None:
                self._scored -= 1
                return found
        return None

    def _allowed(self, waiting: Waiting) -> bool:
        txid, answered = waiting.txid, self._budget.answered
        if txid in self._budget.declined or (answered is not None and txid not in answered):
            return False
        return waiting.transaction.expiry >= self._height + self._budget.policy.least_window

    def _wanted(self, call: LlmCall) -> bool:
        models = self._budget.models
        seconds = self._estimated_ms(call) / MS_PER_SECOND
        offered = call.reserve >= self._budget.policy.minimum_microcredits_per_second * seconds
        return offered and (models is None or call.model_id in models)

    def _estimated_ms(self, call: LlmCall) -> float:
        return self._budget.speed.estimated_ms(call, self._budget.rows_per_call)

    def _fitting(self, txid: Txid) -> Waiting | None:
        waiting = self._open.pop(txid, None)
        if waiting is None or not isinstance(waiting.transaction.payload, LlmCall):
            return None
        needed = self._estimated_ms(waiting.transaction.payload)
        if self._chosen and needed > self._time_left:
            return None
        self._time_left -= needed
        self._chosen += 1
        return waiting


def position(waiting: Waiting, others: Collection[Waiting], height: int) -> int:
    """How many of ``others`` offer more, or the same and came before."""

    def place(one: Waiting) -> tuple[int, int]:
        call = one.transaction.payload
        if not isinstance(call, LlmCall):
            raise TypeError(f"{type(call).__name__} stands in no queue of calls")
        return -score(call.reserve, call_tokens(call), height - one.arrival_height), one.order

    own = place(waiting)
    return sum(place(one) < own for one in others)
