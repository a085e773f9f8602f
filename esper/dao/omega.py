"""What a model's work is worth: omega, its multiply-accumulates over the genesis model's, 16.16.

    w      = sum_j [(Lin + a_j - 1) c_row + a_j c_head]      a_j answer tokens of sequence j
    W_ref  = w with every a_j = g
    omega  = floor(W_ref(ticket, model) * 65536 / W_ref(genesis' ticket, genesis' model))

genesis' own is exactly 1. An entry's registered omega may be moved from this value by a vote,
within a quarter.
"""

from collections.abc import Sequence
from typing import Final

from esper.dao.registry import Puzzle
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.units import FIXED_POINT_ONE

VOTE_DIVISOR: Final = 4
"""A vote may move omega by 1 / VOTE_DIVISOR of its computed value, up or down."""

Ticket = Puzzle | PuzzleParameters
"""The shape of a ticket; what of it the network fixes costs nothing."""


def work_done(answer_lengths: Sequence[int], ticket: Ticket, model: ModelEntry) -> int:
    """w: multiply-accumulates of a batch whose answers have these lengths."""
    row, head = model.shape.row_cost(ticket.rows), model.shape.head_cost
    return sum((ticket.input_tokens + a - 1) * row + a * head for a in answer_lengths)


def reference_work(ticket: Ticket, model: ModelEntry) -> int:
    """W_ref: multiply-accumulates of a batch whose answers all have full length."""
    return work_done([ticket.max_answer] * ticket.sequences, ticket, model)


def computed_omega(
    ticket: Ticket, model: ModelEntry, genesis_ticket: Ticket, genesis: ModelEntry
) -> int:
    """omega of an entry as its shapes give it, 16.16, rounded down; 0 below 1/65536 of genesis'."""
    reference = reference_work(genesis_ticket, genesis)
    return reference_work(ticket, model) * FIXED_POINT_ONE // reference


def omega_bounds(computed: int) -> tuple[int, int]:
    """Least and greatest omega that a vote may set, both allowed, 16.16.

    Rounded towards the computed value, so neither is further from it than a quarter.
    """
    least = -(-computed * (VOTE_DIVISOR - 1) // VOTE_DIVISOR)
    return least, computed * (VOTE_DIVISOR + 1) // VOTE_DIVISOR
