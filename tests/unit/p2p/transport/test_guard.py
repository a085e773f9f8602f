"""Frames of a peer: how many may come at once, how many a second, and who waits how long."""

from __future__ import annotations

from esper.p2p.transport.guard import (
    FRAMES_BURST,
    FRAMES_BURST_IN_ALL,
    FRAMES_PER_S,
    FRAMES_PER_S_IN_ALL,
    INBOUND_FLOOR,
    LONGEST_PAUSE_MS,
    FrameBudget,
    SharedFrameBudget,
)


def alone(outbound: bool = True) -> FrameBudget:
    return FrameBudget(SharedFrameBudget(), outbound)


def test_the_numbers_are_those_of_the_page() -> None:
    assert (FRAMES_PER_S, FRAMES_BURST, FRAMES_PER_S_IN_ALL) == (200, 2_000, 4_000)
    assert LONGEST_PAUSE_MS == 5_000


def test_two_thousand_frames_may_come_at_once_and_each_further_one_costs_five_ms() -> None:
    budget = alone()
    budget.add(2_000, 0, 0)
    assert budget.pause_ms(0) == 0
    budget.add(1, 0, 0)
    assert budget.pause_ms(0) == 5
    assert budget.pause_ms(4) == 1
    assert budget.pause_ms(5) == 0


def test_four_kib_of_data_earn_a_frame() -> None:
    budget = alone()
    budget.add(2_000, 0, 0)
    for _ in range(10_000):
        budget.add(1, 4096, 0)
    assert budget.pause_ms(0) == 0
    budget.add(1, 4095, 0)
    assert budget.pause_ms(0) == 1


def test_nothing_is_saved_beyond_the_burst() -> None:
    budget = alone()
    budget.add(1, 1 << 30, 0)
    budget.add(2_001, 0, 1_000_000)
    assert budget.pause_ms(1_000_000) == 5


def test_a_pause_is_at_most_five_seconds_and_the_debt_stays() -> None:
    budget = alone()
    budget.add(4_000, 0, 0)
    assert budget.pause_ms(0) == 5_000
    assert budget.pause_ms(5_000) == 5_000
    assert budget.pause_ms(10_000) == 0


def test_a_clock_that_stands_or_goes_back_gives_nothing() -> None:
    budget = alone()
    budget.add(2_100, 0, 1_000)
    assert budget.pause_ms(1_000) == 500
    assert budget.pause_ms(0) == 500
    assert budget.pause_ms(1_000) == 500


def test_all_connections_share_four_thousand_a_second() -> None:
    shared = SharedFrameBudget()
    budgets = [FrameBudget(shared, True) for _ in range(4)]
    for budget in budgets:
        budget.add(FRAMES_BURST_IN_ALL // 4, 0, 0)
    assert budgets[0].pause_ms(0) == 0
    budgets[0].add(400, 0, 0)
    assert [budget.pause_ms(0) for budget in budgets] == [100] * 4
    assert [budget.pause_ms(100) for budget in budgets] == [0] * 4


def test_inbound_peers_leave_a_third_to_outbound_ones() -> None:
    shared = SharedFrameBudget()
    inbound, outbound = FrameBudget(shared, False), FrameBudget(shared, True)
    for _ in range(3):
        FrameBudget(shared, False).add(900, 0, 0)
    assert FRAMES_BURST_IN_ALL - 3 * 900 == INBOUND_FLOOR - 33
    assert inbound.pause_ms(0) == 9
    assert outbound.pause_ms(0) == 0
    assert inbound.pause_ms(9) == 0
