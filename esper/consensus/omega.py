"""What a model's work is worth: omega, its multiply-accumulates over the genesis model's, 16.16.

    W_ref = n [(Lin + g - 1) c_row + g c_head]             of the shape, every answer full
    omega = floor(W_ref(model) * 65536 / W_ref(genesis))   genesis' own is exactly 1

Both models do the ticket of one network: n, T, Lin and g are its puzzle's, only the shape differs.
A tier's registered omega may be moved from this value by a vote, within a quarter.
"""

from typing import Final

from esper.consensus.ticket import reference_work
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import PuzzleParameters
from esper.primitives.units import FIXED_POINT_ONE

VOTE_DIVISOR: Final = 4
"""A vote may move omega by 1 / VOTE_DIVISOR of its computed value, up or down."""


def computed_omega(puzzle: PuzzleParameters, model: ModelEntry, genesis: ModelEntry) -> int:
    """omega of a model as its shape gives it, 16.16, rounded down. 0 below 1/65536 of genesis'."""
    return reference_work(puzzle, model) * FIXED_POINT_ONE // reference_work(puzzle, genesis)


def omega_bounds(computed: int) -> tuple[int, int]:
    """Least and greatest omega that a vote may set, both allowed, 16.16.

    No vote asks yet: it is the DAO's half of the rule above. Rounded towards the computed value,
    so neither is further from it than a quarter.
    """
    least = -(-computed * (VOTE_DIVISOR - 1) // VOTE_DIVISOR)
    return least, computed * (VOTE_DIVISOR + 1) // VOTE_DIVISOR
