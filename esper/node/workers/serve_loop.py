"""The loop of a serving process: answers come and go, their tokens leave in frames.

A frame costs the event loop of the node more than the engine takes for a token, so what came in
some milliseconds leaves together, the tokens of an answer side by side. The first token of an
answer does not wait for that, and takes nobody else's along.
"""

import queue
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from esper.node.workers.serve_messages import Answer, Forget, Refused, Run, Tokens

FRAME_MS: Final = 20
"""Time between frames, and the longest call of the engine: what is asked meanwhile waits for it."""
MOST_STEPS: Final = 256
"""Of a call of the engine; an answer is no longer, so a frame is bounded by the slots."""

NativeTold = tuple[int, int, int, Sequence[tuple[int, int]], float, bool]


class Batch(Protocol):
    """The part of ``esper._native.ServingBatch`` that runs."""

    def __len__(self) -> int:
        """Answers that are being made."""

    def add(
        self,
        number: int,
        prompt: Sequence[int],
        max_new: int,
        top_k: int,
        group: str,
        public: int,
        /,
    ) -> int:
        """Take one in. Raises ValueError for what does not fit."""

    def remove(self, number: int, /) -> bool:
        """Give one up; whether it was here."""

    def run(self, max_steps: int, deadline_ms: int, /) -> Sequence[NativeTold]:
        """Tokens; back early with the first or the last of an answer."""


class ServeLoop:
    """Makes the answers that it is asked for."""

    def __init__(
        self,
        batch: Batch,
        requests: "queue.SimpleQueue[Any]",
        tell: Callable[[Tokens | Refused], object],
        *,
        steady_ms: Callable[[], int],
    ) -> None:
        self._batch = batch
        self._requests = requests
        self._tell = tell
        self._steady_ms = steady_ms
        self._begun: set[int] = set()
        self._runs: dict[int, Run] = {}
        """What has not left yet, by answer."""
        self._since_ms = 0
        """When the first of it was begun."""

    def run(self) -> None:
        """Go on for ever."""
        while True:
            self.turn()

    def turn(self) -> None:
        """Take in what was said, waiting for it if nothing runs; then one call of the engine."""
        self._take_in()
        if not len(self._batch):
            return
        now_ms = self._steady_ms()
        if not self._runs:
            self._since_ms = now_ms
        left_ms = max(self._since_ms + FRAME_MS - now_ms, 1)
        first = self._take(self._batch.run(MOST_STEPS, left_ms))
        if self._steady_ms() >= self._since_ms + FRAME_MS or not len(self._batch):
            self._flush(tuple(self._runs))
        else:
            self._flush(first)

    def _take(self, told: Sequence[NativeTold]) -> list[int]:
        """Put tokens with those of the same answers; the numbers of those that begin."""
        runs, first = self._runs, []
        for number, token, logit, top, logsumexp, ended in told:
            if (run := runs.get(number)) is None:
                run = runs[number] = number, [], [], [], False
                if number not in self._begun:
                    self._begun.add(number)
                    first.append(number)
            run[1].append(token)
            run[2].append(logit)
            if top:
                run[3].append((tuple(top), logsumexp))
            if ended:
                runs[number] = *run[:4], True
                self._begun.discard(number)
        return first

    def _flush(self, numbers: Sequence[int]) -> None:
        runs = tuple(map(self._runs.pop, numbers))
        if runs:
            self._tell(Tokens(runs))

    def _take_in(self) -> None:
        while not len(self._batch) or not self._requests.empty():
            match self._requests.get():
                case Answer(number, prompt, max_tokens, top, group, public):
                    try:
                        self._batch.add(number, prompt, max_tokens, top, group, public)
                    except (ValueError, OverflowError) as error:
                        self._tell(Refused(number, str(error)))
                case Forget(number):
                    self._batch.remove(number)
                    self._begun.discard(number)
                    self._runs.pop(number, None)
                    if not len(self._batch):
                        self._flush(tuple(self._runs))
                case other:
                    raise TypeError(f"nobody serves {type(other).__name__}")
