"""Budgets: what a second and a moment hold, and the third that outbound peers have."""

from esper.p2p.flow.budgets import SharedBucket, SharedRoom, TokenBucket


def test_a_bucket_gives_its_burst_then_its_rate() -> None:
    bucket = TokenBucket(20, 60, 0)
    assert all(bucket.take(1, 0) for _ in range(60))
    assert not bucket.take(1, 0)
    assert bucket.wait_ms(1, 0) == 50
    assert not bucket.take(1, 49)
    assert bucket.take(1, 50)
    assert not bucket.take(1, 50)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(20, 60, 0)
    assert bucket.level(10**12) == 60
    assert bucket.take(60, 10**12)
    assert not bucket.take(1, 10**12)


def test_slow_rates_lose_nothing_to_rounding() -> None:
    bucket = TokenBucket(1, 1, 0)
    assert bucket.take(1, 0)
    taken = sum(bucket.take(1, now) for now in range(1, 10_001))
    assert taken == 10


def test_time_that_goes_back_fills_nothing() -> None:
    bucket = TokenBucket(1_000, 1, 5_000)
    assert bucket.take(1, 5_000)
    assert not bucket.take(1, 4_000)
    assert not bucket.take(1, 5_000)
    assert bucket.take(1, 5_001)


def test_charges_go_below_zero_and_must_be_earned_back() -> None:
    bucket = TokenBucket(1_000, 1_000, 0)
    bucket.charge(3_000, 0)
    assert bucket.level(0) == -2_000
    assert bucket.wait_ms(1, 0) == 2_001
    assert not bucket.take(1, 2_000)
    assert bucket.take(1, 2_001)


def test_what_is_given_back_can_be_taken_again_but_not_beyond_the_burst() -> None:
    bucket = TokenBucket(1, 10, 0)
    assert bucket.take(10, 0)
    bucket.give_back(4)
    assert bucket.take(4, 0)
    bucket.give_back(100)
    assert bucket.level(0) == 10


def test_a_cost_beyond_the_burst_is_never_taken() -> None:
    bucket = TokenBucket(10, 10, 0)
    assert not bucket.take(11, 10**9)
    assert bucket.wait_ms(11, 10**9) == 1


def test_the_last_third_of_a_shared_bucket_is_for_outbound_peers() -> None:
    bucket = SharedBucket(200, 90, 0)
    assert sum(bucket.take(1, False, 0) for _ in range(100)) == 60
    assert bucket.wait_ms(1, False, 0) == 5
    assert bucket.wait_ms(1, True, 0) == 0
    assert sum(bucket.take(1, True, 0) for _ in range(100)) == 30
    assert not bucket.take(1, True, 0)


def test_all_of_a_shared_bucket_is_for_outbound_peers_if_they_ask_first() -> None:
    bucket = SharedBucket(200, 90, 0)
    assert sum(bucket.take(1, True, 0) for _ in range(100)) == 90
    bucket.give_back(31)
    assert bucket.take(1, False, 0)
    assert not bucket.take(1, False, 0)
    bucket.charge(30, 0)
    assert not bucket.take(1, True, 0)


def test_a_third_of_the_room_is_for_outbound_peers() -> None:
    room = SharedRoom(6)
    assert [room.take(1, False) for _ in range(5)] == [True] * 4 + [False]
    assert [room.take(1, True) for _ in range(3)] == [True, True, False]
    assert room.held == 6
    room.free(1, True)
    assert not room.take(1, False)
    room.free(1, False)
    assert room.take(1, False)
    assert room.take(1, True)


def test_outbound_peers_may_fill_the_whole_room() -> None:
    room = SharedRoom(6)
    assert all(room.take(1, True) for _ in range(6))
    assert not room.take(1, False)
    assert not room.has(1, True)
