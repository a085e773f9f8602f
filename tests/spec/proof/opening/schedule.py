"""Folds, queries and proof of work of an opening, all from its variables and level (section 13)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.spec.proof import parameters as p

_LOG_DISTANCE = math.log2(21 / 20)
"""One twentieth of the square root of the rate is kept from the Johnson bound."""


@dataclass(frozen=True)
class Size:
    """Of a committed polynomial: 32 columns, of which the first `width` are more than zeros."""

    num_vars: int
    width: int

    @classmethod
    def of(cls, cells: int) -> Size:
        """The least that holds so many cells."""
        num_vars = max(p.NUM_VARS.least, p.bits(cells))
        return cls(num_vars, -(-cells >> (num_vars - p.FIRST_FOLD)))


@dataclass(frozen=True)
class Phase:
    """A codeword and the queries to it."""

    variables: int
    """Of the polynomial that it encodes."""
    fold: int
    """Variables that a row of it holds."""
    rate: int
    """Logarithm of its inverse rate."""
    queries: int
    work: int
    """Bits of proof of work before them."""

    @property
    def index_bits(self) -> int:
        """Logarithm of the number of its rows."""
        return self.variables + self.rate - self.fold


@dataclass(frozen=True)
class Schedule:
    """An opening of a polynomial."""

    size: Size
    level: int
    phases: tuple[Phase, ...]
    last_vars: int
    """Variables of the polynomial that is sent in the clear."""

    @property
    def num_vars(self) -> int:
        return self.size.num_vars

    def row_length(self, index: int) -> int:
        """Values in a row of a codeword; of the first one, of the columns that are sent."""
        return 1 << self.phases[index].fold if index else self.size.width

    @property
    def folds(self) -> list[int]:
        return [phase.fold for phase in self.phases]


def schedule(size: Size, level: int) -> Schedule:
    """The whole schedule."""
    left, rate = size.num_vars, p.first_rate(size.num_vars)
    phases: list[Phase] = []
    while not phases or left > p.SEND_AT:
        fold = p.LATER_FOLD if phases else p.FIRST_FOLD
        bits_of_a_query = rate / 2 - _LOG_DISTANCE
        queries = math.ceil((level - p.POW_BITS) / bits_of_a_query)
        work = math.ceil(level - queries * bits_of_a_query)
        phase = Phase(left, fold, rate, queries, work)
        assert queries < 1 << phase.index_bits, "more queries than rows"
        assert work > 0, "queries without work"
        phases.append(phase)
        rate = p.second_rate(rate) if len(phases) == 1 else rate + p.LATER_RATE
        left -= fold
    return Schedule(size, level, tuple(phases), left)
