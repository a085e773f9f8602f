"""Committed polynomials: their sizes, codewords and openings, as ``docs/proof.md`` has them.

Section 13 there says how often a polynomial folds and how many rows are asked for; what a
commitment and its opening take in work, memory and bytes follows from these numbers alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

FIRST_FOLD: Final = 5
LATER_FOLD: Final = 4
MOST_LEFT: Final = 6
"""Folds go on while more variables are left."""
MIN_VARS: Final = 10
MAX_VARS: Final = 30
WORK_BITS: Final = 20
SINGLE_LEVEL: Final = 131
BASE_BYTES: Final = 8
EXTENSION_BYTES: Final = 24
DIGEST_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Codeword:
    """One that queries go to."""

    row_bits: int
    """Logarithm of its rows."""
    row_values: int
    """Values in a row."""
    value_bytes: int
    """8 in the committed one, 24 in later ones."""
    queries: int
    """Rows that are asked for."""
    work_bits: int
    """Bits of work before they are drawn: what the queries lack of the level."""

    @property
    def bytes(self) -> int:
        """Of all rows."""
        return (self.row_values << self.row_bits) * self.value_bytes

    @property
    def tree_bytes(self) -> int:
        """A digest for each row, and as many of nodes."""
        return 2 * DIGEST_BYTES << self.row_bits

    @property
    def butterflies(self) -> int:
        """Of the transform that makes it, in the base field."""
        base_values = (self.row_values << self.row_bits) * self.value_bytes // BASE_BYTES
        return base_values * self.row_bits // 2

    @property
    def opened_bytes(self) -> int:
        """Rows that are asked for, and the siblings that their paths lack, in the mean."""
        siblings = expected_siblings(self.row_bits, self.queries)
        return self.queries * self.row_values * self.value_bytes + round(siblings * DIGEST_BYTES)


def expected_siblings(depth: int, drawn: int) -> float:
    """Siblings of the paths of leaves drawn at random, with repetition, in a tree of 2^depth.

    In each level those nodes are sent that no leaf was drawn below, though one was below the other
    half of the pair: a node is missed by all draws with the chance (1 - 1/nodes)^drawn.
    """
    found = 0.0
    for level in range(1, depth + 1):
        nodes = 1 << level
        missed = (1 - 1 / nodes) ** drawn
        both_missed = (1 - 2 / nodes) ** drawn
        found += nodes * (missed - both_missed)
    return found


@dataclass(frozen=True, slots=True)
class Committed:
    """A polynomial that is committed and opened."""

    variables: int
    """The polynomial has 2 to their power values, most of which may be 0 by definition."""
    width: int
    """Columns of 2^(variables - 5) values that are committed."""
    level: int
    """Bits that each error term reaches."""

    @property
    def cells(self) -> int:
        """Values that are committed."""
        return self.width << (self.variables - FIRST_FOLD)

    @property
    def log_inverse_rate(self) -> int:
        """Logarithm of the code's inverse rate."""
        return 3 if self.variables <= 20 else 2 if self.variables <= 26 else 1

    def codewords(self) -> Iterator[Codeword]:
        """The committed one, then the later ones."""
        left, rate, fold = self.variables, self.log_inverse_rate, FIRST_FOLD
        step = 2 if rate == 1 else 1
        width, value_bytes = self.width, BASE_BYTES
        while left > MOST_LEFT:
            bits = rate / 2 - math.log2(21 / 20)
            queries = math.ceil((self.level - WORK_BITS) / bits)
            work_bits = max(0, math.ceil(self.level - queries * bits))
            yield Codeword(left + rate - fold, width, value_bytes, queries, work_bits)
            left, rate, step = left - fold, rate + step, 3
            fold, width, value_bytes = LATER_FOLD, 1 << LATER_FOLD, EXTENSION_BYTES

    @property
    def opening_bytes(self) -> int:
        """Of its opening, in the mean: siblings that two paths share are not sent twice."""
        words = list(self.codewords())
        left = self.variables - FIRST_FOLD - LATER_FOLD * (len(words) - 1)
        rounds = 2 * (self.variables) * EXTENSION_BYTES
        between = (len(words) - 1) * (DIGEST_BYTES + EXTENSION_BYTES) + EXTENSION_BYTES
        queries = sum(word.opened_bytes + BASE_BYTES + 4 for word in words)
        return rounds + between + (EXTENSION_BYTES << left) + queries


def committed(cells: int, parts: int = 1) -> Committed:
    """The polynomial of so many cells, in a proof of so many parts (two openings each).

    It may have more variables than can be committed: see :data:`MAX_VARS`.
    """
    variables = max(MIN_VARS, max(0, cells - 1).bit_length())
    level = SINGLE_LEVEL + max(0, 2 * parts - 1).bit_length()
    return Committed(variables, max(1, -(-cells >> (variables - FIRST_FOLD))), level)
