"""Networks that take the market: its kinds of transaction are unknown to the others."""

from typing import Final

from esper.market.parameters import MARKETS, MarketParameters

TAKEN_BY: Final[frozenset[str]] = frozenset()
"""Names of networks: none yet. Its kinds are in no registry either, see ``vm.kinds``."""


def taken_market(network: str) -> MarketParameters | None:
    """The market of a network by its name, None where there is none yet."""
    return MARKETS[network] if network in TAKEN_BY else None
