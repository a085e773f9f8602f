"""Points, and the polynomials eq that are 1 at one corner of the hypercube.

The first coordinate of a point belongs to the most significant bit of an index.
"""

from __future__ import annotations

from collections.abc import Sequence

from tests.spec.proof.arithmetic.field import ONE, Ext, dot, ext_sum

Point = list[Ext]


def eq_points(x: Sequence[Ext], y: Sequence[Ext]) -> Ext:
    """eq(x, y): the product over coordinates of xy + (1 - x)(1 - y)."""
    result = ONE
    for a, b in zip(x, y, strict=True):
        product = a * b
        result = result * (product + product - a - b + 1)
    return result


def eq_index(x: Sequence[Ext], index: int) -> Ext:
    """eq(x, index): the product over coordinates of x or 1 - x."""
    assert 0 <= index < 1 << len(x), "an index that the point has no bits for"
    result = ONE
    for position, coordinate in enumerate(x):
        bit = index >> (len(x) - 1 - position) & 1
        result = result * (coordinate if bit else 1 - coordinate)
    return result


def eq_table(x: Sequence[Ext], count: int | None = None) -> list[Ext]:
    """eq(x, i) for every i, or the first `count`."""
    table = [ONE]
    for coordinate in x:
        table = [half for e in table for half in _halves(e, coordinate)]
    return table if count is None else table[:count]


def _halves(e: Ext, coordinate: Ext) -> tuple[Ext, Ext]:
    upper = e * coordinate
    return e - upper, upper


class EqRange:
    """eq(x, start + j) for any range, from two small tables instead of one as large as the cube."""

    def __init__(self, x: Sequence[Ext]) -> None:
        self._low_bits = len(x) // 2
        self._high = eq_table(x[: len(x) - self._low_bits])
        self._low = eq_table(x[len(x) - self._low_bits :])

    def at(self, index: int) -> Ext:
        mask = (1 << self._low_bits) - 1
        return self._high[index >> self._low_bits] * self._low[index & mask]

    def dot(self, start: int, weights: Sequence[Ext | int]) -> Ext:
        """The sum over j of eq(x, start + j) weights[j]."""
        total = Ext(0)
        size = 1 << self._low_bits
        index, end = start, start + len(weights)
        while index < end:
            block = index >> self._low_bits
            stop = min(end, (block + 1) * size)
            low = self._low[index - block * size : stop - block * size]
            part = weights[index - start : stop - start]
            total = total + self._high[block] * dot(low, part)
            index = stop
        return total

    def total(self, start: int, count: int) -> Ext:
        """The sum of eq(x, i) over start <= i < start + count."""
        return self._below(start + count) - self._below(start)

    def _below(self, count: int) -> Ext:
        """The sum of eq(x, i) over 0 <= i < count."""
        blocks, rest = divmod(count, 1 << self._low_bits)
        total = ext_sum(self._high[:blocks])
        if rest:
            total = total + self._high[blocks] * ext_sum(self._low[:rest])
        return total
