"""Who may shake hands: slots, slots of an address, and how often it may knock."""

from __future__ import annotations

import pytest

from esper.p2p.transport.door import ADDRESSES_KEPT, Answer, Door, address_key


def strict() -> Door:
    return Door(lambda ip: False)


def open_door() -> Door:
    return Door(lambda ip: True)


def test_an_address_has_two_handshakes_at_once() -> None:
    door = strict()
    first = door.knock("1.2.3.4", 0)
    assert first.answer is Answer.ENTER
    assert door.knock("1.2.3.4", 0).answer is Answer.ENTER
    assert door.knock("1.2.3.4", 0).answer is Answer.OF_ADDRESS
    assert door.knock("1.2.3.5", 0).answer is Answer.ENTER
    door.leave(first.number)
    assert door.knock("1.2.3.4", 0).answer is Answer.ENTER


def test_an_address_knocks_eight_times_then_every_two_seconds() -> None:
    door = strict()
    for _ in range(8):
        knock = door.knock("1.2.3.4", 0)
        assert knock.answer is Answer.ENTER
        door.leave(knock.number)
    assert door.knock("1.2.3.4", 0).answer is Answer.TOO_OFTEN
    assert door.knock("1.2.3.4", 1_999).answer is Answer.TOO_OFTEN
    knock = door.knock("1.2.3.4", 2_000)
    assert knock.answer is Answer.ENTER
    door.leave(knock.number)
    assert door.knock("1.2.3.4", 2_001).answer is Answer.TOO_OFTEN


def test_local_addresses_have_no_limits_but_the_slots() -> None:
    door = open_door()
    assert [door.knock("127.0.0.1", 0).answer for _ in range(16)] == [Answer.ENTER] * 16
    assert door.knock("127.0.0.1", 0).answer is Answer.FULL


def test_the_oldest_goes_when_all_slots_are_taken_and_it_had_its_two_seconds() -> None:
    door = open_door()
    numbers = [door.knock("127.0.0.1", now).number for now in range(16)]
    assert door.knock("127.0.0.1", 2_000).answer is Answer.FULL
    knock = door.knock("127.0.0.1", 2_001)
    assert (knock.answer, knock.evicted) == (Answer.ENTER, numbers[0])
    # It has left already, whatever it says.
    door.leave(numbers[0])
    assert door.statistics().shaking == 16
    knock = door.knock("127.0.0.1", 2_001)
    assert knock.answer is Answer.FULL
    door.leave(numbers[5])
    assert door.knock("127.0.0.1", 2_001).evicted is None


def test_what_was_seen_is_counted() -> None:
    door = open_door()
    for now in range(16):
        door.knock("127.0.0.1", now)
    door.knock("127.0.0.1", 100)
    door.knock("127.0.0.1", 5_000)
    statistics = door.statistics()
    assert (statistics.entered, statistics.refused, statistics.evicted) == (17, 1, 1)
    assert (statistics.shaking, statistics.addresses) == (16, 0)


def test_addresses_are_forgotten_when_they_may_knock_again_and_never_too_many() -> None:
    door = strict()
    for number in range(10_000):
        knock = door.knock(f"1.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0)
        door.leave(knock.number)
        assert door.statistics().addresses <= ADDRESSES_KEPT
    door.knock("9.9.9.9", 100_000)
    assert door.statistics().addresses == 1


@pytest.mark.parametrize(
    ("ip", "key"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_what_counts_as_one_address(ip: str, key: str) -> None:
    assert address_key(ip) == key
