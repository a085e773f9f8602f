"""How mining goes, in numbers."""

import pytest

from esper.node.entries.speed import SpeedMeter
from esper.node.mining.mining_statistics import MiningStatistics, expected_block_ms


def test_rates_are_those_of_the_entry_that_is_mined() -> None:
    statistics, speed = MiningStatistics(), SpeedMeter()
    statistics.searched(7)
    speed.searched(10, 500, 1_000)
    speed.proved(30)
    rates = statistics.rates(speed)
    assert (rates.attempts_per_second, rates.tokens_per_second) == (10.0, 500.0)
    assert (rates.proof_ms, rates.attempts_ever) == (30, 7)


def test_nothing_yet_is_zero() -> None:
    rates = MiningStatistics().rates(SpeedMeter())
    assert (rates.attempts_per_second, rates.tokens_per_second) == (0.0, 0.0)
    assert (rates.proof_ms, rates.found, rates.stale, rates.stale_per_mille) == (0, 0, 0, 0)


def test_the_share_of_stale_ones() -> None:
    statistics = MiningStatistics()
    for _ in range(3):
        statistics.joined(calls=0)
    statistics.overtaken()
    rates = statistics.rates(SpeedMeter())
    assert (rates.found, rates.stale, rates.stale_per_mille) == (3, 1, 250)


def test_the_time_to_a_block() -> None:
    assert expected_block_ms(2.0, 1.0) == 500
    assert expected_block_ms(2.0, 0.001) == pytest.approx(500_000, rel=1e-9)
    assert expected_block_ms(0.0, 1.0) == 0
    assert expected_block_ms(2.0, 0.0) == 0
