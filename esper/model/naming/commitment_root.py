"""The root of a committed polynomial, in plain Python: the slow twin of the native commitment.

A polynomial is given by its cells: its values on the hypercube from index 0 on, the others being 0.
It has ``2^n`` values for the least n that holds the cells, at least 10, and is seen as 32 columns
of ``2^(n - 5)`` values each, one after the other; columns without cells are left out. Each column
is read as the coefficients of a univariate polynomial, lowest first, and evaluated at all powers of
a root of unity of order ``2^(n - 5 + log_inv_rate)``: a Reed-Solomon code of rate
``2^-log_inv_rate``. The evaluations of all columns at one power make a leaf; a binary Merkle tree
over the leaves, in the order of the powers, gives the root.

Hashes are BLAKE3-256 in key-derivation mode, under one context for leaves and one for nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

MODULUS = 2**64 - 2**32 + 1
"""The Goldilocks prime."""

TWO_ADICITY = 32
"""``2^32`` is the largest power of two that divides ``MODULUS - 1``."""

TWO_ADIC_ROOT = 1753635133440165772
"""A root of unity of order ``2^32``: ``7^((MODULUS - 1) / 2^32)``, 7 being a generator."""

LOG_COLUMNS = 5
"""Logarithm of the number of columns, which is the number of variables of the first fold."""

MIN_VARIABLES = 10
"""A polynomial has at least so many."""

CONTEXT_LEAF = "esper/merkle/leaf/v2"
"""Of the elements of a leaf, 8 bytes each, little-endian, zeros up to the end of a block."""

CONTEXT_NODE = "esper/merkle/node/v2"
"""Of the two digests of a node's children."""

BLOCK_BYTES = 64
"""A block of BLAKE3."""


def variables_of(cells: int) -> int:
    """Variables of the polynomial of so many cells, at least one."""
    return max((cells - 1).bit_length(), MIN_VARIABLES)


def commitment_root(cells: Sequence[int], log_inv_rate: int) -> bytes:
    """Return the 32-byte root of the polynomial with these cells.

    Args:
        cells: integers from 0 to ``MODULUS - 1``, at least one; the most significant bit of an
            index is the first variable.
        log_inv_rate: logarithm of the inverse rate, at least 1.

    Raises:
        ValueError: if there are no cells, one is out of range, or the rate is not below 1.
    """
    if not cells:
        raise ValueError("cells: none of them; give at least one")
    for index, value in enumerate(cells):
        if not 0 <= value < MODULUS:
            raise ValueError(f"cells[{index}]: {value} is no residue; reduce it modulo {MODULUS}")
    log_length = variables_of(len(cells)) - LOG_COLUMNS
    log_points = log_length + log_inv_rate
    if log_inv_rate < 1 or log_points > TWO_ADICITY:
        raise ValueError(f"log_inv_rate: {log_inv_rate}; give at least 1, and a code of the field")
    length = 1 << log_length
    columns = [cells[start : start + length] for start in range(0, len(cells), length)]
    codewords = [
        evaluations([*column, *[0] * (length - len(column))], log_points) for column in columns
    ]
    return merkle_root([leaf_digest(row) for row in zip(*codewords, strict=True)])


def evaluations(coefficients: Sequence[int], log_points: int) -> list[int]:
    """Evaluate a polynomial at ``w^0, w^1, ...`` for the root w of order ``2^log_points``.

    Args:
        coefficients: residues, lowest degree first; at most ``2^log_points``, their number a power
            of two.
        log_points: logarithm of the number of points.
    """
    root = pow(TWO_ADIC_ROOT, 1 << (TWO_ADICITY - log_points), MODULUS)
    return _evaluate(list(coefficients), 1 << log_points, root)


def _evaluate(coefficients: list[int], points: int, root: int) -> list[int]:
    """Split into even and odd coefficients: ``f(x) = e(x^2) + x o(x^2)``."""
    if len(coefficients) == 1:
        return coefficients * points
    half = points // 2
    square = root * root % MODULUS
    even = _evaluate(coefficients[::2], half, square)
    odd = _evaluate(coefficients[1::2], half, square)
    low, high = [0] * half, [0] * half
    power = 1
    for i in range(half):
        term = power * odd[i] % MODULUS
        low[i] = (even[i] + term) % MODULUS
        high[i] = (even[i] - term) % MODULUS
        power = power * root % MODULUS
    return low + high


def leaf_digest(row: Sequence[int]) -> bytes:
    """Hash the elements of a leaf, residues below ``MODULUS``, to 32 bytes."""
    data = b"".join(value.to_bytes(8, "little") for value in row)
    data += bytes(-len(data) % BLOCK_BYTES)
    return blake3(data, derive_key_context=CONTEXT_LEAF).digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Hash the digests of a node's two children to 32 bytes."""
    return blake3(left + right, derive_key_context=CONTEXT_NODE).digest()


def merkle_root(level: list[bytes]) -> bytes:
    """Return the root over these leaf digests, whose number is a power of two."""
    while len(level) > 1:
        level = [node_digest(level[i], level[i + 1]) for i in range(0, len(level), 2)]
    return level[0]
