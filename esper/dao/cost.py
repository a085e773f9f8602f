"""What proving a ticket costs, from shapes alone, in units of 10 ns of two cores.

    cells   = layers n rows (18 dim + 5 kv_heads head_dim + 6 hidden + 4 heads rows)
              + 2 vocab n g + 2^18
    weights = vocab dim + layers (2 dim head_dim (heads + kv_heads) + 3 dim hidden)
    cost    = 32 cells + 8 weights

n sequences of so many rows, g answer tokens each. Fitted to proofs of version 2 on two cores with
AVX2: five models from 0.3 to 135 million weights at 64 and 256 rows lie within 30 %. It is a bound
on what may be voted in, no measure of work: that is omega.
"""

from typing import Final

from esper.dao.registry import Puzzle
from esper.primitives.model_entry import ModelShape

CELL: Final = 32
WEIGHT: Final = 8
FIXED_CELLS: Final = 1 << 18


def witness_cells(ticket: Puzzle, shape: ModelShape) -> int:
    """Cells that a proof of a ticket commits to, about."""
    row = 18 * shape.dim + 5 * shape.kv_heads * shape.head_dim + 6 * shape.hidden
    rows = shape.layers * ticket.sequences * ticket.rows * (row + 4 * shape.heads * ticket.rows)
    return rows + 2 * shape.vocab * ticket.sequences * ticket.max_answer + FIXED_CELLS


def weights_of(shape: ModelShape) -> int:
    """Weights of a model, its output matrix counted and its embedding not."""
    attention = 2 * shape.dim * shape.head_dim * (shape.heads + shape.kv_heads)
    return shape.vocab * shape.dim + shape.layers * (attention + 3 * shape.dim * shape.hidden)


def proving_cost(ticket: Puzzle, shape: ModelShape) -> int:
    """Units of 10 ns of two cores."""
    return CELL * witness_cells(ticket, shape) + WEIGHT * weights_of(shape)
