"""Cells that a proof commits, of any shape: the layouts of witness and model, without a model.

The twin of ``layout.rs`` and ``model_layout.rs`` in the verifier, for a model as it is exported
today: silu times up of 16 bits, updates of 20. Modes say which columns a run needs beside those
that every run has; clamps are left out, which few layers need. A test compares it with the native
plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.model.config import Shape

GATE_BITS: Final = 12
"""Width of the gate that `esper model export` chooses where it may."""
_UPDATE_BITS: Final = 20
_EXP_ENTRIES: Final = (1 << 15) - 1
_RSQRT_ENTRIES: Final = 3072
_NORM_EXPONENTS: Final = 24
"""Entries of the table of norm exponents, about: they follow from eps and the largest residual."""
_SCORE_BITS: Final = 15
"""Width of a score's remainder, at most: below half of the largest score shift."""
_SLACK_TOP_BITS: Final = 1
"""Width of the top limb of the slack, about: it follows from the largest logit."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Consecutive layers that are proven as one."""

    first_layer: int
    """Counted through the model, from 0."""
    layers: int
    """How many it has."""
    has_embedding: bool
    """Whether it begins the model."""
    has_head: bool
    """Whether the final norm and the output matrix are behind its last layer."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Sizes of what is proven."""

    positions: int
    """Of each sequence, a power of two."""
    sequences: int
    """How many, before they are rounded up to a power of two."""
    answers: int
    """Answer tokens of all sequences."""

    @property
    def committed(self) -> int:
        """Rows of a column."""
        return self.positions * power_of_two(self.sequences)

    @property
    def answer_rows(self) -> int:
        """Rows of a column of the slack."""
        return power_of_two(self.answers)


@dataclass(frozen=True, slots=True)
class Modes:
    """Columns that a run needs beside those that every run has."""

    overflow_limbs: int
    """16-bit limbs by which scores exceed the softmax's table: 0 to 2."""
    wide_updates: bool
    """Whether updates of more than 16 bits are there at their full width, in every layer."""
    slack_limbs: int
    """16-bit limbs by which the best logit exceeds the others: 2 or 3."""


NARROW: Final = Modes(0, False, 2)
"""What random weights need, and the genesis model."""
USUAL: Final = Modes(1, True, 3)
"""What no run of most trained models exceeds, and what the prover plans for."""


@dataclass(frozen=True, slots=True)
class Cells:
    """What a proof of a segment commits and sums."""

    witness: int
    """Cells that are committed for this proof."""
    leaves: int
    """Of the lookup argument: looked-up cells and table entries."""
    model: int
    """Cells that are committed once for the model."""


def power_of_two(number: int) -> int:
    """The least that is not below."""
    return 1 << max(0, number - 1).bit_length()


def model_weights(shape: Shape, segment: Segment | None = None) -> int:
    """Weights of the matrices of a segment, or of the model: the embedding is not among them."""
    layers = shape.layers if segment is None else segment.layers
    head = shape.vocab * shape.dim if segment is None or segment.has_head else 0
    query, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    return layers * shape.dim * (2 * (query + keys) + 3 * shape.hidden) + head


def segments_of(shape: Shape, count: int) -> tuple[Segment, ...] | None:
    """Where a model is cut into ``count`` parts of about as many weights, as the prover cuts it.

    None if it has fewer layers than parts.
    """
    if not 1 <= count <= shape.layers:
        return None
    layer = model_weights(shape, Segment(0, 1, False, False))
    head = shape.vocab * shape.dim
    fitting = [shape.layers] if count == 1 else range(shape.layers + 1 - count, 0, -1)

    def largest(last: int) -> int:
        others = -(-(shape.layers - last) // max(1, count - 1))
        return max(others * layer, last * layer + head)

    before = shape.layers - min(fitting, key=largest)
    ends = [index * before // max(1, count - 1) for index in range(count)] + [shape.layers]
    return tuple(
        Segment(first, end - first, index == 0, index == count - 1)
        for index, (first, end) in enumerate(pairwise(ends))
    )


def cells_of(shape: Shape, segment: Segment, rows: Rows, modes: Modes = USUAL) -> Cells:
    """What a proof of a segment commits and sums."""
    witness, leaves = _witness_cells(shape, segment, rows, modes)
    return Cells(witness, leaves, _model_cells(shape, segment))


def _witness_cells(shape: Shape, segment: Segment, rows: Rows, modes: Modes) -> tuple[int, int]:
    query, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    pairs = shape.heads * rows.positions
    norm_looked, norm_plain = 2 + 8 + shape.dim * (1 + _limbs(40)), 3
    rotated = (query + keys) * (1 + _limbs(32))
    updates = 2 * shape.dim * ((2 if modes.wide_updates else 1) + _limbs(16))
    looked = (
        pairs * (2 + modes.overflow_limbs)  # differences, their remainders, limbs of overflow
        + 2 * norm_looked
        + rotated
        + keys * (1 + _limbs(16))
        + query * 5  # attention output, and two limbs of each division remainder
        + updates
        + shape.hidden * (1 + _limbs(16))  # gate
        + shape.hidden * (1 + _limbs(32))  # silu times up
    )
    plain = 2 * norm_plain + 2 * pairs + shape.heads + shape.hidden
    looked, plain = looked * segment.layers, plain * segment.layers
    if segment.has_head:
        looked, plain = looked + norm_looked, plain + norm_plain
    looked_cells, plain_cells = looked * rows.committed, plain * rows.committed
    if segment.has_head:
        looked_cells += modes.slack_limbs * shape.vocab * rows.answer_rows
    entries = _table_entries(segment, rows, modes)
    return looked_cells + plain_cells + entries, looked_cells + entries


def _limbs(shift: int) -> int:
    """Cells of a remainder below 2^shift."""
    return -(-shift // 16)


def _table_entries(segment: Segment, rows: Rows, modes: Modes) -> int:
    half = _UPDATE_BITS // 2
    division_top = max(1, (2 * rows.positions * 32767 - 1).bit_length() - 16)
    unsigned = {16, 8, 4, division_top, _SCORE_BITS}  # limbs, also of norms
    if segment.has_head and modes.slack_limbs > 2:
        unsigned.add(_SLACK_TOP_BITS)
    return (
        sum(1 << bits for bits in unsigned)
        + (1 << 16)
        - 1
        + ((2 << half) if modes.wide_updates else 0)
        + _NORM_EXPONENTS
        + _RSQRT_ENTRIES
        + _EXP_ENTRIES
        + 1
        + segment.layers * ((1 << GATE_BITS) - 1)
    )


def _model_cells(shape: Shape, segment: Segment) -> int:
    """Matrices in pieces of a power of two of inputs each; their alignment is left out."""
    gains = shape.dim * (2 * segment.layers + (1 if segment.has_head else 0))
    tables = shape.head_dim * shape.max_seq + _EXP_ENTRIES + _RSQRT_ENTRIES
    silu = segment.layers * ((1 << GATE_BITS) - 1)
    return model_weights(shape, segment) + gains + tables + silu
