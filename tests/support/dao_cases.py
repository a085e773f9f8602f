"""Models, tiers and schedules for tests of the DAO."""

from dataclasses import replace

from esper.dao.registry import Entry, Tier
from esper.dao.schedule import (
    Activation,
    Reshaping,
    Reversal,
    Scheduled,
    Settlement,
)
from esper.primitives.ids import model_id_of
from esper.primitives.networks import MAINNET
from tests.support.tier_cases import ONE, PUZZLE


def entry(tier: int, name: int, omega: int = ONE) -> Entry:
    """A model of another name, and a bank of its own."""
    model = replace(
        MAINNET.model,
        model_id=model_id_of(name.to_bytes(64, "big").hex()),
        tier=tier,
        bank_root=(1000 + name).to_bytes(64, "big"),
    )
    return Entry(model, omega, PUZZLE)


def placed(tier: int, name: int, share: int, omega: int = ONE) -> Tier:
    one = entry(tier, name, omega)
    return Tier(one.model, one.omega, share, one.puzzle)


def activation(height: int, tier: int, name: int, share: int = 0, omega: int = ONE) -> Scheduled:
    return Scheduled(height, Activation(entry(tier, name, omega), share))


def settlement(height: int, tier: int, name: int) -> Scheduled:
    return Scheduled(height, Settlement(entry(tier, name).model))


def reversal(height: int, tier: int, name: int, *, new_tier: bool = False) -> Scheduled:
    return Scheduled(height, Reversal(entry(tier, name).model, new_tier))


def reshaping(
    height: int,
    *,
    retire: tuple[int, ...] = (),
    shares: tuple[tuple[int, int], ...] = (),
    omegas: tuple[tuple[int, int], ...] = (),
) -> Scheduled:
    return Scheduled(height, Reshaping(retire, shares, omegas))
