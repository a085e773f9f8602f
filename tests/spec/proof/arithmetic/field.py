"""The cubic extension F[x] / (x^3 - x - 1) of the field of 2^64 - 2^32 + 1 elements."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from tests.spec.proof.parameters import MODULUS


class Ext:
    """An element: its coefficients of 1, x and x^2."""

    __slots__ = ("a", "b", "c")

    def __init__(self, a: int, b: int = 0, c: int = 0) -> None:
        self.a = a % MODULUS
        self.b = b % MODULUS
        self.c = c % MODULUS

    @property
    def coefficients(self) -> tuple[int, int, int]:
        return self.a, self.b, self.c

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ext) and self.coefficients == other.coefficients

    def __hash__(self) -> int:
        return hash(self.coefficients)

    def __repr__(self) -> str:
        return f"Ext{self.coefficients}"

    def __bool__(self) -> bool:
        return bool(self.a or self.b or self.c)

    def __add__(self, other: Ext | int) -> Ext:
        if isinstance(other, int):
            return Ext(self.a + other, self.b, self.c)
        return Ext(self.a + other.a, self.b + other.b, self.c + other.c)

    __radd__ = __add__

    def __neg__(self) -> Ext:
        return Ext(-self.a, -self.b, -self.c)

    def __sub__(self, other: Ext | int) -> Ext:
        if isinstance(other, int):
            return Ext(self.a - other, self.b, self.c)
        return Ext(self.a - other.a, self.b - other.b, self.c - other.c)

    def __rsub__(self, other: int) -> Ext:
        return Ext(other - self.a, -self.b, -self.c)

    def __mul__(self, other: Ext | int) -> Ext:
        if isinstance(other, int):
            return Ext(self.a * other, self.b * other, self.c * other)
        a, b, c = self.a, self.b, self.c
        d, e, f = other.a, other.b, other.c
        # x^3 = x + 1 and x^4 = x^2 + x.
        cube, fourth = b * f + c * e, c * f
        return Ext(a * d + cube, a * e + b * d + cube + fourth, a * f + b * e + c * d + fourth)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Ext:
        result, square = ONE, self
        while exponent:
            if exponent & 1:
                result = result * square
            square = square * square
            exponent >>= 1
        return result


ZERO = Ext(0)
ONE = Ext(1)


def ext_sum(terms: Iterable[Ext]) -> Ext:
    """The sum; zero of nothing."""
    a = b = c = 0
    for term in terms:
        a += term.a
        b += term.b
        c += term.c
    return Ext(a, b, c)


def dot(left: Iterable[Ext], right: Iterable[Ext | int]) -> Ext:
    """The sum of the products; both must be equally long."""
    # As `x * y`, but reduced once: a proof has a million of these.
    a = b = c = 0
    for x, y in zip(left, right, strict=True):
        p, q, r = x.a, x.b, x.c
        if isinstance(y, int):
            a += p * y
            b += q * y
            c += r * y
        else:
            d, e, f = y.a, y.b, y.c
            cube, fourth = q * f + r * e, r * f
            a += p * d + cube
            b += p * e + q * d + cube + fourth
            c += p * f + q * e + r * d + fourth
    return Ext(a, b, c)


def powers(base: Ext, count: int) -> list[Ext]:
    """1, base, base^2, ..."""
    result = [ONE]
    while len(result) < count:
        result.append(result[-1] * base)
    return result[:count]


_INVERSE_OF_2 = pow(2, -1, MODULUS)
_INVERSE_OF_6 = pow(6, -1, MODULUS)
_INVERSE_OF_24 = pow(24, -1, MODULUS)


def value_at(values: list[Ext], x: Ext) -> Ext:
    """The polynomial with these values at 0, 1, 2, ... (three to five of them), at x."""
    # Newton's forward differences.
    differences, total, binomial = list(values), values[0], ONE
    for i, inverse in enumerate(
        (1, _INVERSE_OF_2, _INVERSE_OF_6, _INVERSE_OF_24)[: len(values) - 1]
    ):
        differences = [b - a for a, b in itertools.pairwise(differences)]
        binomial = binomial * (x - i)
        total = total + binomial * inverse * differences[0]
    return total
