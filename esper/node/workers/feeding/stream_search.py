"""The search with an engine that is fed: attempts of many nonces run side by side, always full.

An attempt has a few sequences that end at different times. Instead of waiting for the last one, the
engine takes in the next nonce's, so that its batch is full whatever the chain's tickets look like.
What runs when a new job comes is dropped: its answers belong to the old block.
"""

from collections.abc import Sequence
from typing import Protocol

from esper.consensus.ports import Inference
from esper.node.workers.search import Attempt, PromptSource, Searched, SearchJob, TicketSearch
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.work_outputs import ProvenAnswer


class AnswerFeed(Protocol):
    """An engine whose sequences come and go."""

    @property
    def ahead(self) -> int:
        """Sequences that keep it full."""

    def __len__(self) -> int:
        """Sequences that have no answer yet."""

    def add(self, number: int, tokens: Sequence[int], max_answer: int) -> None:
        """Put a sequence in line."""

    def clear(self) -> None:
        """Forget all sequences."""

    def step(self) -> Sequence[tuple[int, ProvenAnswer]]:
        """Run a little; the answers that ended, with their numbers."""


class FedInference(Inference, Protocol):
    """An engine that answers at once, and can be fed."""

    @property
    def feed(self) -> AnswerFeed:
        """Its sequences."""


class StreamSearch(TicketSearch):
    """Tries nonces with one model, of whose answers some are always under way."""

    def __init__(
        self,
        puzzle: PuzzleParameters,
        model: ModelEntry,
        inference: FedInference,
        bank: PromptSource,
    ) -> None:
        """Raises WrongModelError if the engine runs another model."""
        super().__init__(puzzle, model, inference, bank)
        self._feed = inference.feed
        self._job: int | None = None
        self._next = 0
        self._attempts: dict[int, Attempt] = {}
        self._answers_of: dict[int, dict[int, ProvenAnswer]] = {}

    def step(self, job: SearchJob, now_ms: int, nonces: range) -> Searched:
        """Take in these nonces at the time ``now_ms``; answer until they keep the engine full.

        So what is returned is of nonces taken in before, and of the first call mostly nothing.
        """
        if job.number != self._job:
            self._begin(job.number)
        for nonce in nonces:
            self._take_in(self.attempt(job, now_ms, nonce))
        attempts = tokens = 0
        while len(self._feed) > self._feed.ahead:
            for number, answer in self._feed.step():
                place, index = divmod(number, self._puzzle.sequences)
                answered = self._answers_of[place]
                answered[index] = answer
                if len(answered) < self._puzzle.sequences:
                    continue
                searched = self.judged(self._attempts.pop(place), self._in_order(place))
                attempts += searched.attempts
                tokens += searched.tokens
                if searched.ticket is not None:
                    self._begin(None)
                    return Searched(attempts, tokens, searched.ticket)
        return Searched(attempts, tokens, None)

    def _begin(self, number: int | None) -> None:
        self._feed.clear()
        self._attempts.clear()
        self._answers_of.clear()
        self._job = number

    def _take_in(self, attempt: Attempt) -> None:
        place, self._next = self._next, self._next + 1
        self._attempts[place], self._answers_of[place] = attempt, {}
        for index, tokens in enumerate(attempt.inputs):
            self._feed.add(place * self._puzzle.sequences + index, tokens, self._puzzle.max_answer)

    def _in_order(self, place: int) -> tuple[ProvenAnswer, ...]:
        answered = self._answers_of.pop(place)
        return tuple(answered[index] for index in range(self._puzzle.sequences))
