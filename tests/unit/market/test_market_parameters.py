"""The numbers of each network, and which contradictions are refused."""

from dataclasses import replace
from typing import Any

import pytest

from esper.market.parameters import MARKETS, MarketParameters
from esper.primitives.networks import NETWORKS
from esper.primitives.units import UNITS_PER_ESP

MAIN = MARKETS["mainnet"]


def test_every_network_has_a_market() -> None:
    assert set(MARKETS) == set(NETWORKS)


@pytest.mark.parametrize(
    ("network", "slot", "draws", "bond", "unit", "limits", "longest"),
    [
        ("mainnet", (240, 12, 6, 12), (16, 16, 2), 100, 1 << 40, (256, 64), 64),
        ("testnet", (240, 12, 6, 12), (16, 16, 2), 10, 1 << 38, (256, 64), 64),
        ("devnet", (20, 6, 2, 3), (4, 8, 2), 1, 1 << 32, (64, 64), 64),
        ("regtest", (8, 3, 1, 1), (2, 4, 2), 1, 1 << 22, (8, 8), 16),
    ],
)
def test_numbers(
    network: str,
    slot: tuple[int, ...],
    draws: tuple[int, ...],
    bond: int,
    unit: int,
    limits: tuple[int, ...],
    longest: int,
) -> None:
    params = MARKETS[network]
    assert slot == (
        params.slot_blocks,
        params.answer_blocks,
        params.draw_blocks,
        params.data_blocks,
    )
    assert draws == (params.replies_a_draw, params.most_draws, params.openings)
    assert (params.bond, params.deposit) == (bond * UNITS_PER_ESP, UNITS_PER_ESP // 100)
    assert params.load_unit == unit
    assert limits == (params.beats_per_block, params.settles_per_block)
    assert params.unbonded_beats_per_block == params.beats_per_block // 4
    assert params.longest_session == longest
    assert (params.settle_from, params.settle_until, params.close_after) == (3, 8, 12)
    assert params.shares.burned == 50


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"slot_blocks": 409}, "slot_blocks 409: 10 slots and 16 blocks must not exceed"),
        ({"data_blocks": 228}, "answer_blocks 12 and data_blocks 228 together must be below"),
        ({"draw_blocks": 13}, "draw_blocks 13 must be 1 to data_blocks 12"),
        ({"draw_blocks": 0}, "draw_blocks 0 must be 1 to data_blocks 12"),
        ({"settle_from": 2}, "settle_from must exceed 2|settle_from 2 must exceed 2"),
        ({"settle_until": 9}, "settle_until 9 be from there to 8"),
        ({"leave_after": 7}, "leave_after 7 must not be below settle_until 8"),
        ({"close_after": 8}, "close_after 8 must exceed settle_until 8"),
        ({"openings": 17}, "openings 17 must not exceed most_draws 16"),
        ({"openings": 0}, "openings 0 must be 1 at least"),
        ({"answer_blocks": 0}, "answer_blocks 0 must be 1 at least"),
    ],
)
def test_contradictions(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(MAIN, **changed)


def test_what_is_just_allowed() -> None:
    allowed: tuple[dict[str, Any], ...] = (
        {"slot_blocks": 408},
        {"data_blocks": 227},
        {"draw_blocks": 12},
        {"close_after": 9},
        {"openings": 16},
    )
    for changed in allowed:
        assert isinstance(replace(MAIN, **changed), MarketParameters)
