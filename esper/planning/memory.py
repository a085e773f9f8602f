"""Memory at the peak of a proof, from its cells, as the prover's ``plan.rs`` has it.

A test compares the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from esper.model.config import Shape
from esper.planning.cells import USUAL, Modes, Rows, Segment, cells_of
from esper.planning.commitments import (
    BASE_BYTES,
    DIGEST_BYTES,
    EXTENSION_BYTES,
    FIRST_FOLD,
    committed,
)

LEAF_BYTES: Final = 88
"""Of a leaf of the lookup argument, with its share of all layers of the sum."""
FOLD_BYTES: Final = 400
"""Of an opening, for each row of a column: what the first fold keeps side by side."""
BESIDE: Final = 64 << 20
"""The program, and what does not grow with a proof."""
EMBEDDING_BYTES: Final = 4
"""Of a value as it is loaded."""
LOADED_WEIGHT_BYTES: Final = 3
"""Of a weight while the whole model answers: as it is read, as it is loaded and as it is packed."""
LOADED_EMBEDDING_BYTES: Final = 8


def memory_of(
    shape: Shape, segments: Sequence[Segment], rows: Rows, modes: Modes = USUAL
) -> tuple[int, ...]:
    """Bytes at the peak of each segment's proof, of one process that proves it alone."""
    whole = len(segments) == 1
    return tuple(_segment_bytes(shape, one, rows, modes, whole=whole) for one in segments)


def answering_bytes(shape: Shape) -> int:
    """Bytes while the whole model answers, before a part is proven."""
    weights = cells_of(shape, Segment(0, shape.layers, True, True), Rows(2, 1, 1)).model
    return LOADED_WEIGHT_BYTES * weights + LOADED_EMBEDDING_BYTES * shape.vocab * shape.dim


def _segment_bytes(shape: Shape, segment: Segment, rows: Rows, modes: Modes, *, whole: bool) -> int:
    cells = cells_of(shape, segment, rows, modes)
    embedding = EMBEDDING_BYTES * shape.vocab * shape.dim if segment.has_embedding else 0
    # A whole model's integers are there as they are loaded and as the engine packs them.
    integers = (2 if whole else 1) * cells.model
    return (
        BESIDE
        + embedding
        + integers
        + _committed_bytes(cells.model)
        + _committed_bytes(cells.witness)
        + LEAF_BYTES * cells.leaves
    )


def _committed_bytes(cells: int) -> int:
    """Cells, codeword, the first codeword of the opening, both trees, and the first fold."""
    of = committed(cells)
    column = 1 << (of.variables - FIRST_FOLD)
    tree = 2 * DIGEST_BYTES
    later = column << (of.log_inverse_rate + (2 if of.log_inverse_rate == 1 else 1))
    return (
        BASE_BYTES * of.cells
        + ((BASE_BYTES * of.width + tree) << of.log_inverse_rate) * column
        + (EXTENSION_BYTES + tree // 16) * later
        + FOLD_BYTES * column
    )
