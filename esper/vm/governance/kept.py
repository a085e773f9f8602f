"""What rules exist for and the chain does not take yet: claims, and proofs about them.

Formats and rules stand, with vectors that two languages read, and so do the commands and the way
into a miner's block. An attacker's reading has not reached all of them. Until then a block with one of them breaks
DaoEncoding.
"""

from esper.primitives.errors.dao_errors import DaoEncodingViolation

REPORTS_TAKEN: bool = False
"""Claims about models, and proofs of their items."""


def check_reports_taken() -> None:
    """Raises DaoEncodingViolation."""
    if not REPORTS_TAKEN:
        raise DaoEncodingViolation("reports on models are not taken yet")
