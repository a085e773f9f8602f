"""The root of a committed polynomial, in plain Python: the slow twin of the native commitment.

A polynomial is given by its ``2^n`` values on the hypercube. They are laid out as a matrix of
``2^(n - 5)`` rows and 32 columns, row by row. Each column is read as the coefficients of a
univariate polynomial, lowest first, and evaluated at all powers of a root of unity of order
``2^(n - 5 + log_inv_rate)``: a Reed-Solomon code of rate ``2^-log_inv_rate``. The 32 evaluations
at one power make a leaf; a binary Merkle tree over the leaves, in the order of the powers, gives
the root.

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

LOG_WIDTH = 5
"""Logarithm of the number of columns, which is the number of variables of the first fold."""

CONTEXT_LEAF = "esper/merkle/leaf/v2"
"""Of the elements of a leaf, 8 bytes each, little-endian, zeros up to the end of a block."""

CONTEXT_NODE = "esper/merkle/node/v2"
"""Of the two digests of a node's children."""

BLOCK_BYTES = 64
"""A block of BLAKE3."""


def commitment_root(values: Sequence[int], log_inv_rate: int) -> bytes:
    """Return the 32-byte root of the polynomial with these values on the hypercube.

    Args:
        values: ``2^n`` integers from 0 to ``MODULUS - 1``, n at least 5; the most significant bit
            of an index is the first variable.
        log_inv_rate: logarithm of the inverse rate, at least 1.

    Raises:
        ValueError: if the number of values is no power of two or below 32, a value is out of
            range, or the rate is not below 1.
    """
    variables = len(values).bit_length() - 1
    if len(values) != 1 << max(variables, 0) or variables < LOG_WIDTH:
        raise ValueError(f"values: {len(values)} of them; pad to a power of two, at least 32")
    for index, value in enumerate(values):
        if not 0 <= value < MODULUS:
            raise ValueError(f"values[{index}]: {value} is no residue; reduce it modulo {MODULUS}")
    log_points = variables - LOG_WIDTH + log_inv_rate
    if log_inv_rate < 1 or log_points > TWO_ADICITY:
        raise ValueError(f"log_inv_rate: {log_inv_rate}; give at least 1, and a code of the field")
    width = 1 << LOG_WIDTH
    columns = [evaluations(values[column::width], log_points) for column in range(width)]
    return merkle_root([leaf_digest(row) for row in zip(*columns, strict=True)])


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
