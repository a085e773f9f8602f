"""Slots and the heights of the worked example."""

from collections import Counter

import pytest

from esper.market.parameters import MARKETS, MarketParameters
from esper.market.slots import first_height, is_beat_height, is_drawn, is_settle_height, slot_of
from esper.primitives.hashing import make_tag, tagged_hash, u32

MAIN, REG = MARKETS["mainnet"], MARKETS["regtest"]


def beacon(height: int) -> bytes:
    return tagged_hash(make_tag("esper/test/v1"), u32(height))


def drawn_at(slot: int, params: MarketParameters) -> int:
    first = first_height(slot, params)
    return next(
        height
        for height in range(first, first + params.slot_blocks)
        if is_drawn(beacon(height), height, params)
    )


def test_heights_of_the_worked_example() -> None:
    assert (first_height(900, MAIN), slot_of(216_000, MAIN)) == (216_000, 900)
    assert is_beat_height(216_150, 216_141, MAIN)
    assert [
        height for height in range(216_000, 216_300) if is_beat_height(height, 216_141, MAIN)
    ] == [*range(216_142, 216_154)]
    assert is_settle_height(first_height(903, MAIN), 900, MAIN)
    assert not is_settle_height(first_height(903, MAIN) - 1, 900, MAIN)
    assert is_settle_height(first_height(909, MAIN) - 1, 900, MAIN)
    assert not is_settle_height(first_height(909, MAIN), 900, MAIN)


@pytest.mark.parametrize("network", MARKETS)
def test_every_slot_has_a_drawn_height_and_its_beats_stay_within(network: str) -> None:
    params = MARKETS[network]
    for slot in range(200):
        at = drawn_at(slot, params)
        assert first_height(slot, params) <= at < first_height(slot, params) + params.first_blocks
        assert slot_of(at + params.answer_blocks, params) == slot


def test_the_last_of_the_first_blocks_is_drawn_for_certain_and_none_behind_it() -> None:
    for number in range(300):
        assert is_drawn(beacon(number), 227, MAIN)
        assert not any(is_drawn(beacon(number), height, MAIN) for height in (228, 239))


def test_each_of_the_first_blocks_is_as_likely() -> None:
    counted = Counter(drawn_at(slot, REG) % REG.slot_blocks for slot in range(5000))
    assert sorted(counted) == [0, 1, 2, 3, 4]
    # Six standard deviations of 1,000.
    assert all(abs(count - 1000) < 170 for count in counted.values())
