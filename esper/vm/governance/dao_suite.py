"""The signature suite of those who vote."""

from typing import Final

from esper.primitives.errors.dao_errors import DaoSuiteViolation

DAO_SUITE: Final = 1
"""ML-DSA: the other suite's signatures of 8 kB and their price would let few votes into a block."""


def check_suite(sender: bytes) -> None:
    """Raises DaoSuiteViolation for an address of another suite."""
    if sender[0] != DAO_SUITE:
        raise DaoSuiteViolation(sender[0], DAO_SUITE)
