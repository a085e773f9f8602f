"""How mining goes, in numbers."""

import pytest

from esper.node.mining.mining_statistics import WINDOW_MS, MiningStatistics, expected_block_ms

EVERYTHING = 1 << 512


def test_rates_are_of_the_time_spent_searching() -> None:
    statistics = MiningStatistics()
    statistics.searched(10, 500, 1_000)
    statistics.searched(20, 700, 2_000)
    rates = statistics.rates()
    assert (rates.attempts_per_second, rates.tokens_per_second) == (10.0, 400.0)


def test_nothing_yet_is_zero() -> None:
    rates = MiningStatistics().rates()
    assert (rates.attempts_per_second, rates.tokens_per_second) == (0.0, 0.0)
    assert (rates.proof_ms, rates.found, rates.stale, rates.stale_per_mille) == (0, 0, 0, 0)


def test_what_is_long_ago_no_longer_counts() -> None:
    statistics = MiningStatistics()
    statistics.searched(1_000_000, 1_000_000, 1_000)
    for _ in range(WINDOW_MS // 1_000):
        statistics.searched(1, 2, 1_000)
    rates = statistics.rates()
    assert (rates.attempts_per_second, rates.tokens_per_second) == (1.0, 2.0)


def test_one_step_longer_than_the_window_is_kept() -> None:
    statistics = MiningStatistics()
    statistics.searched(1, 1, 1_000)
    statistics.searched(100, 100, 2 * WINDOW_MS)
    assert statistics.rates().attempts_per_second == pytest.approx(100_000 / (2 * WINDOW_MS))


def test_the_median_of_the_last_proofs() -> None:
    statistics = MiningStatistics()
    for ms in (9_000, 10, 11):
        statistics.proved(ms)
    assert statistics.rates().proof_ms == 11
    for _ in range(64):
        statistics.proved(5)
    assert statistics.rates().proof_ms == 5


def test_the_share_of_stale_ones() -> None:
    statistics = MiningStatistics()
    for _ in range(3):
        statistics.joined(calls=0)
    statistics.overtaken()
    rates = statistics.rates()
    assert (rates.found, rates.stale, rates.stale_per_mille) == (3, 1, 250)


def test_the_time_to_a_block() -> None:
    assert expected_block_ms(2.0, EVERYTHING, 1, 1) == 500
    assert expected_block_ms(2.0, EVERYTHING // 1_000, 1, 1) == pytest.approx(500_000, rel=1e-9)
    # Half the work an attempt, twice the time.
    assert expected_block_ms(2.0, EVERYTHING, 1, 2) == 1_000
    assert expected_block_ms(0.0, EVERYTHING, 1, 1) == 0
    assert expected_block_ms(2.0, 0, 1, 1) == 0
