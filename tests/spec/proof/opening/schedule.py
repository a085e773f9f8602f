"""Folds, queries and proof of work of an opening, all from its variables and level (section 13)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tests.spec.proof import parameters as p

_LOG_DISTANCE = math.log2(21 / 20)
"""One twentieth of the square root of the rate is kept from the Johnson bound."""
_LOG_10 = math.log2(10)


@dataclass(frozen=True)
class Phase:
    """A codeword that is queried, and what is sent before and after its queries."""

    domain_bits: int
    """Logarithm of the length of the codeword."""
    fold: int
    """Variables that a row of it holds."""
    rate: int
    """Logarithm of its inverse rate."""
    queries: int
    work: int

    @property
    def index_bits(self) -> int:
        return self.domain_bits - self.fold


@dataclass(frozen=True)
class Schedule:
    """An opening of a polynomial of `num_vars` variables."""

    num_vars: int
    level: int
    phases: tuple[Phase, ...]
    last_vars: int
    """Variables of the polynomial that is sent in the clear."""

    @property
    def folds(self) -> list[int]:
        return [phase.fold for phase in self.phases]


def fold_sizes(num_vars: int) -> list[int]:
    """How many variables each fold takes."""
    folds = [p.FIRST_FOLD]
    while (left := num_vars - sum(folds)) > p.SEND_AT:
        folds.append(min(p.LATER_FOLD, left))
    return folds


def schedule(num_vars: int, level: int) -> Schedule:
    """The whole schedule."""
    folds, rate = fold_sizes(num_vars), p.first_rate(num_vars)
    domain, left = num_vars + rate, num_vars
    phases = []
    for index, fold in enumerate(folds):
        left -= fold
        queries = math.ceil((level - p.POW_BITS) / _bits_of_a_query(rate))
        reached = queries * _bits_of_a_query(rate)
        step = p.LATER_RATES[min(index, len(p.LATER_RATES) - 1)]
        if index + 1 < len(folds):
            reached = min(reached, _bits_of_a_combination(left, rate + step, queries))
        phases.append(Phase(domain, fold, rate, queries, max(0, math.ceil(level - reached))))
        rate += step
        domain -= fold - step
    return Schedule(num_vars, level, tuple(phases), left)


def _bits_of_a_query(rate: int) -> float:
    return rate / 2 - _LOG_DISTANCE


def _bits_of_a_combination(num_vars: int, rate: int, queries: int) -> float:
    """Of the challenge that combines a round's queries and its point out of the domain."""
    list_size = _bits_of_the_list(num_vars, rate)
    return p.FOLD_FIELD_BITS - (math.log2(1 + queries) + list_size + 1)


def _bits_of_the_list(num_vars: int, rate: int) -> float:
    """(2 eta sqrt(rate))^-1, with eta = sqrt(rate) / 20."""
    del num_vars
    log_eta = -(rate / 2 + _LOG_10 + 1)
    return rate / 2 - (1 + log_eta)
