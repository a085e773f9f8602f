"""What rules exist for and the chain does not take yet: hidden sets, and what is opened of them.

Formats and rules stand, with vectors that two languages read, and so does the way into a miner's
block. There are no commands, and an attacker's reading has not reached all of it. Until then a
block with one of them breaks DaoEncoding.
"""

from esper.primitives.errors.dao_errors import DaoEncodingViolation

HIDDEN_SETS_TAKEN: bool = False
"""Hidden sets of items, and what is opened of them."""


def check_hidden_sets_taken() -> None:
    """Raises DaoEncodingViolation."""
    if not HIDDEN_SETS_TAKEN:
        raise DaoEncodingViolation("hidden sets are not taken yet")
