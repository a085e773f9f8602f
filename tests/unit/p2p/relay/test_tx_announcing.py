"""Who is told of which transactions, when and in which order."""

from itertools import pairwise
from random import Random

import pytest

from esper.p2p.actions import Send
from esper.p2p.limits import AGAIN_EVERY_MS, KNOWN_PREFIXES, TX_BURST
from esper.p2p.relay.known import prefix_of
from esper.p2p.relay.tx_announcing import MOST_DELAY, TOLD_AT_ONCE, lower_nonces_first
from esper.p2p.relay.tx_jobs import Pooled
from esper.p2p.relay.tx_relay import TxRelay
from tests.support.net.tx_relay_world import TxWorld, transactions


def _heard(world: TxWorld, number: int) -> list[bytes]:
    return [prefix for _, to, prefixes in world.told if to == number for prefix in prefixes]


def test_everyone_is_told_but_who_said_it_and_who_hears_no_transactions() -> None:
    world = TxWorld()
    (data,) = transactions(1)
    one, two = world.join(1), world.join(2, outbound=True)
    world.join(3, relays=False)
    sayer = world.join(4)
    world.have(sayer, [data])
    prefix = world.admit(data)
    world.run(60_000)
    assert _heard(world, one) == [prefix]
    assert _heard(world, two) == [prefix]
    assert _heard(world, 3) == []
    assert _heard(world, sayer) == []


def test_who_says_it_while_it_waits_is_not_told() -> None:
    world = TxWorld()
    (data,) = transactions(1)
    number = world.join(1)
    prefix = world.admit(data)
    world.have(number, [data])
    world.run(60_000)
    assert _heard(world, number) == []
    assert world.relay.told(number, prefix)
    assert not world.relay.may_serve(number, prefix)


@pytest.mark.parametrize(("outbound", "mean"), [(True, 2_000), (False, 5_000)])
def test_delays_are_random_with_a_mean(outbound: bool, mean: int) -> None:
    world = TxWorld()
    number = world.join(1, outbound)
    delays = []
    for data in transactions(400):
        began = world.now
        world.admit(data)
        world.run(world.now + MOST_DELAY * mean + 1)
        delays.append(world.told[-1][0] - began)
    assert len(_heard(world, number)) == 400
    assert 0.85 * mean < sum(delays) / len(delays) < 1.15 * mean
    assert min(delays) < mean // 10
    assert 2 * mean < max(delays) <= MOST_DELAY * mean + 1


def test_nobody_is_told_faster_than_it_takes() -> None:
    world = TxWorld()
    number = world.join(1)
    many = [world.admit(data) for data in transactions(600)]
    world.run(60_000)
    assert [len(prefixes) for _, _, prefixes in world.told] == [TOLD_AT_ONCE, *[64] * 7, 24]
    times = [at for at, _, _ in world.told]
    # 64 at 20 a second.
    assert [later - at for at, later in pairwise(times)] == [3_200] * 7 + [1_200]
    assert _heard(world, number) == many
    # A peer that takes 20 a second never has more of ours to fetch than it keeps.
    assert TOLD_AT_ONCE + 64 <= TX_BURST


def test_what_is_gone_before_its_turn_is_not_told() -> None:
    world = TxWorld()
    number = world.join(1)
    many = [world.admit(data) for data in transactions(TOLD_AT_ONCE + 1)]
    while not world.told:
        world.run(world.now + 1)
    world.relay.gone(many[-1])
    world.run(world.now + 60_000)
    assert _heard(world, number) == many[:-1]


def test_of_each_sender_lower_nonces_come_first() -> None:
    def pooled(sender: bytes, nonce: int) -> Pooled:
        return Pooled(sender + bytes([nonce]), 1, sender, nonce)

    given = [pooled(b"a", 2), pooled(b"b", 1), pooled(b"a", 0), pooled(b"b", 0), pooled(b"a", 1)]
    assert [(one.sender, one.nonce) for one in lower_nonces_first(given)] == [
        (b"a", 0),
        (b"b", 0),
        (b"a", 1),
        (b"b", 1),
        (b"a", 2),
    ]
    world = TxWorld()
    world.join(1)
    many = transactions(5)
    expected = [prefix_of(data) for data in reversed(many)]
    for data, nonce in zip(many, (4, 3, 2, 1, 0), strict=True):
        world.admit(data, nonce=nonce)
    world.run(60_000)
    assert _heard(world, 1) == expected


def test_what_is_gone_is_not_announced_and_was_never_told() -> None:
    world = TxWorld()
    number = world.join(1)
    gone, stays = (world.admit(data) for data in transactions(2))
    world.relay.gone(gone)
    world.run(60_000)
    assert _heard(world, number) == [stays]
    assert not world.relay.may_serve(number, gone)


def test_what_a_block_that_was_undone_gives_back_is_announced() -> None:
    world = TxWorld()
    (data,) = transactions(1)
    world.relay.admitted(prefix_of(data), len(data), b"s", 0, False, 0)
    world.relay.gone(prefix_of(data))
    number = world.join(1)
    prefix = world.admit(data)
    world.run(60_000)
    assert _heard(world, number) == [prefix]


def test_who_was_told_before_is_not_told_again_when_it_comes_back() -> None:
    world = TxWorld()
    number = world.join(1)
    (data,) = transactions(1)
    prefix = world.admit(data)
    world.run(60_000)
    world.relay.gone(prefix)
    world.admit(data)
    world.run(120_000)
    assert _heard(world, number) == [prefix]


def test_served_is_only_what_was_announced() -> None:
    world = TxWorld()
    number, other = world.join(1), world.join(2)
    (data,) = transactions(1)
    world.have(other, [data])
    prefix = world.admit(data)
    assert not world.relay.may_serve(number, prefix)
    world.run(60_000)
    assert world.relay.may_serve(number, prefix)
    assert not world.relay.may_serve(other, prefix)
    assert world.relay.told(number, prefix)
    assert world.relay.told(other, prefix)
    world.leave(number)
    assert not world.relay.may_serve(number, prefix)
    assert not world.relay.told(number, prefix)


def test_nothing_is_announced_while_busy_and_all_of_it_after() -> None:
    world = TxWorld()
    number = world.join(1)
    world.relay.busy = True
    prefix = world.admit(transactions(1)[0])
    world.selected = (Pooled(prefix, 200, b"s", 0),) * 100
    world.run(3 * AGAIN_EVERY_MS)
    assert world.told == []
    world.relay.busy = False
    world.run(world.now + 60_000)
    assert _heard(world, number) == [prefix]


def test_whoever_comes_first_is_told_of_what_nobody_heard() -> None:
    world = TxWorld()
    prefix = world.admit(transactions(1)[0])
    number = world.join(1)
    world.run(60_000)
    assert _heard(world, number) == [prefix]
    world.join(2)
    world.run(120_000)
    assert _heard(world, 2) == []


def test_a_random_tenth_of_the_next_block_is_announced_again() -> None:
    world = TxWorld()
    world.join(1)
    prefixes = [world.admit(data) for data in transactions(1_000)]
    world.run(AGAIN_EVERY_MS - 1)
    assert len(_heard(world, 1)) == 1_000
    world.told.clear()
    world.selected = tuple(Pooled(prefix, 200, b"s", 0) for prefix in prefixes[:500])
    world.run(AGAIN_EVERY_MS + 60_000)
    first = set(_heard(world, 1))
    assert 25 < len(first) < 80
    assert first < set(prefixes[:500])
    world.told.clear()
    world.run(2 * AGAIN_EVERY_MS + 60_000)
    second = set(_heard(world, 1))
    assert 25 < len(second) < 80
    assert second != first


def test_what_was_selected_and_is_gone_is_not_announced_again() -> None:
    world = TxWorld()
    world.join(1)
    world.selected = tuple(Pooled(prefix_of(data), 200, b"s", 0) for data in transactions(100))
    world.run(AGAIN_EVERY_MS)
    assert world.relay.statistics().pending == 0
    world.run(2 * AGAIN_EVERY_MS)
    assert world.told == []


def test_what_waits_for_a_peer_and_what_it_was_told_is_bounded() -> None:
    world = TxWorld()
    number = world.join(1)
    prefixes = [world.admit(data) for data in transactions(KNOWN_PREFIXES + 5)]
    assert world.relay.statistics().pending == KNOWN_PREFIXES
    world.run(60_000)
    assert not world.relay.may_serve(number, prefixes[4])
    assert world.relay.may_serve(number, prefixes[5])
    for data in transactions(KNOWN_PREFIXES, salt=1):
        world.admit(data)
    world.run(120_000)
    assert not world.relay.may_serve(number, prefixes[-1])
    assert world.relay.statistics().known == KNOWN_PREFIXES


def test_equal_randomness_gives_equal_times() -> None:
    def speak() -> list[tuple[int, int, tuple[bytes, ...]]]:
        world = TxWorld(relay=TxRelay(Random(5), 0))
        world.join(1)
        for data in transactions(20):
            world.admit(data)
            world.run(world.now + 700)
        return world.told

    assert speak() == speak()


def test_on_time_does_nothing_before_it_is_due() -> None:
    world = TxWorld()
    world.join(1)
    world.admit(transactions(1)[0])
    due = world.relay.due()
    assert due is not None
    assert world.relay.on_time(due - 1) == []
    assert isinstance(world.relay.on_time(due)[0], Send)
