"""What rules exist for and the chain does not take yet: claims, and proofs about them.

Formats and rules stand, with vectors that two languages read. What people need to use them is
missing: commands, a way into a miner's block, and an attacker's reading. Until then a block with
one of them breaks DaoEncoding, and nobody's bond waits for what no program makes.
"""

from esper.primitives.errors.dao_errors import DaoEncodingViolation

REPORTS_TAKEN: bool = False
"""Claims about models, and proofs of their items."""
EVIDENCE_TAKEN: bool = False
"""Proofs that a gateway signed what its model does not say."""
HIDDEN_SETS_TAKEN: bool = False
"""Hidden sets of items, and what is opened of them."""


def check_reports_taken() -> None:
    """Raises DaoEncodingViolation."""
    if not REPORTS_TAKEN:
        raise DaoEncodingViolation("reports on models are not taken yet")


def check_evidence_taken() -> None:
    """Raises DaoEncodingViolation."""
    if not EVIDENCE_TAKEN:
        raise DaoEncodingViolation("evidence against gateways is not taken yet")


def check_hidden_sets_taken() -> None:
    """Raises DaoEncodingViolation."""
    if not HIDDEN_SETS_TAKEN:
        raise DaoEncodingViolation("hidden sets are not taken yet")
