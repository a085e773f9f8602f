"""Bytes of a proof, counted item by item: section 15 of ``docs/proof.md``, 6 of ``docs/parts.md``.

Lengths follow from the shape, but for two things that a proof draws: the rows that openings ask
for, of which paths meet by chance, and the tokens, of which some repeat. There it is the mean that
is taken.
"""

from __future__ import annotations

from typing import Final

from esper.model.config import Shape
from esper.planning.cells import USUAL, Cells, Modes, Rows, Segment, cells_of, power_of_two
from esper.planning.commitments import (
    BASE_BYTES,
    DIGEST_BYTES,
    EXTENSION_BYTES,
    committed,
    expected_siblings,
)

EMBED_BITS: Final = 14
"""Width of an embedding value, about: 11 to 14 in the models that were looked at."""
RESIDUAL_BITS: Final = 32
"""Width of a value between two segments, at most: emax + 2."""
_LENGTH: Final = 4
_DESCRIPTOR_INTEGERS: Final = 2 + 15 + 7
_LAYER_INTEGERS: Final = 14
_PART_INTEGERS: Final = 4
_DESCRIPTOR_ROOTS: Final = 32 + 32 + 32
_LAYER_FINALS: Final = 4 + 6 + 12
_OVERFLOW_FINALS: Final = 2
_HEAD_FINALS: Final = 6


def part_bytes(
    shape: Shape, segment: Segment, rows: Rows, modes: Modes = USUAL, *, parts: int = 1
) -> int:
    """Bytes of one segment's proof, its descriptor included, of ``parts`` in all."""
    cells = cells_of(shape, segment, rows, modes)
    descriptor = BASE_BYTES * (
        _DESCRIPTOR_INTEGERS
        + (_PART_INTEGERS if parts > 1 else 0)
        + _LAYER_INTEGERS * segment.layers
    )
    modes_bytes = 2 + segment.layers
    embedding = embedding_bytes(shape, rows) if segment.has_embedding else 0
    return (
        2 * _LENGTH
        + descriptor
        + _DESCRIPTOR_ROOTS
        + modes_bytes
        + embedding
        + DIGEST_BYTES
        + EXTENSION_BYTES
        + _argument_bytes(shape, segment, rows, cells, modes)
        + 2 * _LENGTH
        + committed(cells.witness, parts).opening_bytes
        + committed(cells.model, parts).opening_bytes
    )


def residual_bytes(shape: Shape, rows: Rows) -> int:
    """Bytes of the residual stream between two segments, in the clear."""
    return rows.committed * -(-shape.dim * RESIDUAL_BITS // 8)


def embedding_bytes(shape: Shape, rows: Rows) -> int:
    """Rows of the distinct tokens of random text, and what their paths lack, in the mean."""
    tokens = rows.positions * rows.sequences
    distinct = shape.vocab * (1 - (1 - 1 / shape.vocab) ** tokens)
    depth = max(0, shape.vocab - 1).bit_length()
    siblings = expected_siblings(depth, tokens)
    return round(distinct * -(-shape.dim * EMBED_BITS // 8) + siblings * DIGEST_BYTES)


def _argument_bytes(shape: Shape, segment: Segment, rows: Rows, cells: Cells, modes: Modes) -> int:
    """Items 4 to 9: sums, sumchecks, and what they end in."""
    leaf_bits = _bits(cells.leaves)
    fractions = 1 + sum(2 * layer + 4 for layer in range(leaf_bits))
    between = 3
    layer_finals = _LAYER_FINALS + (_OVERFLOW_FINALS if modes.overflow_limbs else 0)
    finals = layer_finals * segment.layers + (_HEAD_FINALS if segment.has_head else 0) + 2
    products = 4 * products_variables(shape, rows) + finals
    contraction = 3 * contraction_variables(shape, segment, rows) + 3
    claims = sum(2 * committed(of).variables + 1 for of in (cells.witness, cells.model))
    return EXTENSION_BYTES * (fractions + between + products + contraction + claims)


def products_variables(shape: Shape, rows: Rows) -> int:
    """Rounds of the sumcheck over products: section 11 there."""
    grouped = _bits(shape.kv_heads) + _bits(shape.heads // shape.kv_heads)
    columns = max(shape.dim, shape.hidden, shape.heads * shape.head_dim)
    above = max(
        grouped + _bits(rows.positions), _bits(columns), 1 + _bits(max(1, shape.head_dim // 2))
    )
    return _bits(rows.committed) + above


def contraction_variables(shape: Shape, segment: Segment, rows: Rows) -> int:
    """Rounds of the sumcheck over contractions: its slots lie side by side."""
    width, sequences = power_of_two(shape.dim), power_of_two(rows.sequences)
    keys = power_of_two(shape.kv_heads) * sequences
    layer = (
        6 * width  # queries and keys, value, gate, up, two gains
        + power_of_two(shape.heads * shape.head_dim)
        + power_of_two(shape.hidden)
        + keys * (power_of_two(shape.head_dim) + power_of_two(rows.positions))
    )
    return _bits(layer * segment.layers + (2 * width if segment.has_head else 0))


def _bits(number: int) -> int:
    return max(0, number - 1).bit_length()
