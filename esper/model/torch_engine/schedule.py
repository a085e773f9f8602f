"""Which rows a step of the engine has: continuous batching, in plain Python.

Sequences wait in line, take a slot, run their prompt, then make token after token, and leave at
their end; another takes the slot at the next step. Every step offers the same number of rows. Those
that make tokens come first, one row each; what is left runs prompts, the oldest first.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final


def slots_for(rows: int, prompt: int, answer: int) -> int:
    """The fewest sequences at a time that keep steps of ``rows`` rows full, at most ``rows``.

    A sequence of ``prompt`` tokens brings so many rows at once, then one a step: the share of rows
    that make tokens, and room for those whose prompts fill what is left of a step. More would be
    slower: all that run are lost when the chain has a new block.
    """
    writing = -(-rows * answer // (prompt + answer - 1))
    return min(writing + -(-rows // prompt) + 1, rows)


@dataclass(frozen=True, slots=True)
class Row:
    """One token of one sequence."""

    token: int
    """Its id."""
    slot: int
    """Where the sequence keeps its keys."""
    position: int
    """From 0."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the engine does next."""

    rows: tuple[Row, ...]
    """At most as many as the schedule offers; none if nothing is left to do."""
    asked: tuple[int, ...]
    """Places among ``rows`` whose candidates are wanted, ascending."""


Candidates = tuple[tuple[int, int], ...]
"""(id, logit), the best first."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A whole answer."""

    number: int
    """What it was added as."""
    tokens: tuple[int, ...]
    """EOS, where it came, is the last."""
    top: tuple[Candidates, ...]
    """The candidates of each of ``tokens``."""


@dataclass(slots=True)
class _Running:
    """A sequence that waits or runs."""

    number: int
    prompt: tuple[int, ...]
    most: int
    slot: int = -1
    run: int = 0
    """Tokens of the prompt that have been given to the engine."""
    tokens: list[int] = field(default_factory=list)
    top: list[Candidates] = field(default_factory=list)


class Schedule:
    """Sequences on their way through an engine of fixed size."""

    def __init__(self, *, slots: int, rows: int, eos: int) -> None:
        """``slots`` sequences run at a time, at most ``rows``; ``eos`` ends an answer."""
        if not 1 <= slots <= rows:
            raise ValueError(f"slots: from 1 to rows, {rows}, not {slots}")
        self._rows: Final = rows
        self._eos = eos
        self._free = list(reversed(range(slots)))
        self._waiting: deque[_Running] = deque()
        self._reading: deque[_Running] = deque()
        self._writing: list[_Running] = []
        self._asked: list[_Running] = []

    def __len__(self) -> int:
        """Sequences that have no answer yet."""
        return len(self._waiting) + len(self._reading) + len(self._writing)

    def add(self, number: int, prompt: Sequence[int], most: int) -> None:
        """Put a sequence in line: at least one token, and at least one of an answer."""
        self._waiting.append(_Running(number, tuple(prompt), most))

    def clear(self) -> None:
        """Forget all sequences."""
        self._free += [one.slot for one in (*self._reading, *self._writing)]
        self._waiting.clear()
        self._reading.clear()
        self._writing.clear()
        self._asked.clear()

    def next_step(self) -> Step:
        """The rows to run now. ``take`` says what came of those that were asked for."""
        while self._free and self._waiting:
            one = self._waiting.popleft()
            one.slot = self._free.pop()
            self._reading.append(one)
        rows = [
            Row(one.tokens[-1], one.slot, len(one.prompt) + len(one.tokens) - 1)
            for one in self._writing
        ]
        self._asked = list(self._writing)
        asked = list(range(len(rows)))
        while self._reading and len(rows) < self._rows:
            one = self._reading[0]
            end = min(len(one.prompt), one.run + self._rows - len(rows))
            rows += [Row(one.prompt[place], one.slot, place) for place in range(one.run, end)]
            one.run = end
            if end == len(one.prompt):
                asked.append(len(rows) - 1)
                self._asked.append(one)
                self._writing.append(self._reading.popleft())
        return Step(tuple(rows), tuple(asked))

    def take(self, candidates: Sequence[Candidates]) -> list[Finished]:
        """Hear the candidates of each row that was asked for; the answers that ended with it."""
        for one, best in zip(self._asked, candidates, strict=True):
            one.tokens.append(best[0][0])
            one.top.append(best)
        self._asked = []
        over = [one for one in self._writing if self._ended(one)]
        if over:
            self._writing = [one for one in self._writing if not self._ended(one)]
            self._free += [one.slot for one in over]
        return [Finished(one.number, tuple(one.tokens), tuple(one.top)) for one in over]

    def _ended(self, one: _Running) -> bool:
        return len(one.tokens) == one.most or one.tokens[-1] == self._eos
