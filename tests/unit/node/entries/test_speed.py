"""What is measured of one entry."""

import pytest

from esper.node.entries.speed import KEPT_PROOFS, WINDOW_MS, SpeedMeter


def test_rates_are_of_the_time_spent_searching() -> None:
    speed = SpeedMeter()
    assert (speed.attempts_per_second, speed.tokens_per_second) == (0.0, 0.0)
    speed.searched(10, 500, 1_000)
    speed.searched(20, 700, 2_000)
    assert (speed.attempts_per_second, speed.tokens_per_second) == (10.0, 400.0)


def test_what_is_long_ago_no_longer_counts() -> None:
    speed = SpeedMeter()
    speed.searched(1_000_000, 1_000_000, 1_000)
    for _ in range(WINDOW_MS // 1_000):
        speed.searched(1, 2, 1_000)
    assert (speed.attempts_per_second, speed.tokens_per_second) == (1.0, 2.0)


def test_one_step_longer_than_the_window_is_kept() -> None:
    speed = SpeedMeter()
    speed.searched(1, 1, 1_000)
    speed.searched(100, 100, 2 * WINDOW_MS)
    assert speed.attempts_per_second == pytest.approx(100_000 / (2 * WINDOW_MS))


def test_the_median_of_the_last_proofs() -> None:
    speed = SpeedMeter()
    assert speed.proof_ms == 0
    for ms in (9_000, 10, 11):
        speed.proved(ms)
    assert speed.proof_ms == 11
    for _ in range(2 * KEPT_PROOFS):
        speed.proved(5)
    assert speed.proof_ms == 5


def test_what_was_measured_can_be_forgotten() -> None:
    speed = SpeedMeter()
    speed.searched(10, 500, 1_000)
    speed.proved(30)
    speed.forget()
    assert (speed.attempts_per_second, speed.tokens_per_second, speed.proof_ms) == (0.0, 0.0, 0)
