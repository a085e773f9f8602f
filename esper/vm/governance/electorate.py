"""How much stake decides: T, the bonds' unit B, the quorums Q."""

from typing import Final

from esper.primitives.params import GovernanceParameters

BOND_DIVISOR: Final = 1_000
"""B is this part of all stake."""
ISSUED_DIVISOR: Final = 8
"""A quorum is at least this part of all coins."""
REVERT_DIVISOR: Final = 20
"""The quorum of taking back a confirmed model, alike: it needs two thirds of it in yes alone."""
ELECTORATE_DIVISOR: Final = 20
"""Least part of all coins that must be staked for models and changes to be proposed."""


def bond_unit(stake: int, rules: GovernanceParameters) -> int:
    """B, units: ``stake`` is T."""
    return max(stake // BOND_DIVISOR, rules.least_bond)


def quorum_of(stake: int, issued: int, rules: GovernanceParameters) -> int:
    """Q, units."""
    return max(stake, issued // ISSUED_DIVISOR) if rules.counts_issue else stake


def revert_quorum(stake: int, issued: int, rules: GovernanceParameters) -> int:
    """The quorum of taking back a model that is confirmed, units."""
    return max(stake, issued // REVERT_DIVISOR) if rules.counts_issue else stake


def least_electorate(issued: int, rules: GovernanceParameters) -> int:
    """T for models and changes to be proposed at all, units."""
    return max(1, -(-issued // ELECTORATE_DIVISOR)) if rules.counts_issue else 1
