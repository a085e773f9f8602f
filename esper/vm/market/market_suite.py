"""Checks that all kinds of the market begin with."""

from typing import Final

from esper.market.parameters import MarketParameters
from esper.market.taken import taken_market
from esper.primitives.errors.market_errors import MarketNotTakenViolation, MarketSuiteViolation
from esper.primitives.params import NetworkParameters

MARKET_SUITE: Final = 1
"""ML-DSA: a block has room for few signatures of the other suite."""


def check_market_suite(what: str, address: bytes) -> None:
    """Raises MarketSuiteViolation for an address of another suite."""
    if address[0] != MARKET_SUITE:
        raise MarketSuiteViolation(what, address[0], MARKET_SUITE)


def market_in_force(params: NetworkParameters) -> MarketParameters:
    """The network's market. Raises MarketNotTakenViolation where there is none."""
    found = taken_market(params.name)
    if found is None:
        raise MarketNotTakenViolation(params.name)
    return found
