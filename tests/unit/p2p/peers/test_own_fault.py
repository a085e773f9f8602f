from esper.p2p.peers.own_fault import GRACE_MS, MOST_IDS, TICKER_LATE_MS, TOGETHER_MS, OwnFault
from tests.support.net.peer_world import NOW, peer_id


def group(value: int) -> bytes:
    return b"group %d" % value


def asked(count: int) -> OwnFault:
    fault = OwnFault()
    for value in range(count):
        fault.asked(peer_id(value), group(value), NOW)
    return fault


def test_half_of_those_asked_is_our_own_fault() -> None:
    fault = asked(4)
    assert not fault.late(peer_id(0), group(0), NOW + 1)
    assert not fault.is_ours(NOW + 1)
    assert fault.late(peer_id(1), group(1), NOW + 2)
    assert fault.is_ours(NOW + 2)
    assert sorted(fault.late_since(NOW + 2)) == [peer_id(0), peer_id(1)]


def test_one_late_peer_is_one_however_often() -> None:
    fault = asked(4)
    for _ in range(9):
        assert not fault.late(peer_id(0), group(0), NOW + 1)


def test_below_half_it_is_theirs() -> None:
    fault = asked(5)
    assert not fault.late(peer_id(0), group(0), NOW)
    assert not fault.late(peer_id(1), group(1), NOW)
    assert fault.late(peer_id(2), group(2), NOW)


def test_one_of_two_is_its_own_fault_but_the_only_one_is_not_blamed() -> None:
    assert not asked(2).late(peer_id(0), group(0), NOW)
    assert asked(1).late(peer_id(0), group(0), NOW)
    # Who was late was asked.
    assert OwnFault().late(peer_id(0), group(0), NOW)


def test_a_minute_later_nothing_counts() -> None:
    fault = asked(3)
    assert not fault.late(peer_id(0), group(0), NOW)
    for value in range(3):
        fault.asked(peer_id(value), group(value), NOW + TOGETHER_MS)
    assert not fault.late(peer_id(1), group(1), NOW + TOGETHER_MS)
    assert fault.late_since(NOW + TOGETHER_MS) == [peer_id(1)]
    again = asked(3)
    again.late(peer_id(0), group(0), NOW)
    assert again.late(peer_id(1), group(1), NOW + TOGETHER_MS - 1)


def test_the_excuse_ends() -> None:
    fault = asked(3)
    fault.late(peer_id(0), group(0), NOW)
    assert fault.late(peer_id(1), group(1), NOW)
    for value in range(2, 20):
        fault.asked(peer_id(value), group(value), NOW)
    assert fault.late(peer_id(9), group(9), NOW + GRACE_MS - 1)
    assert not fault.is_ours(NOW + GRACE_MS)
    assert not fault.late(peer_id(9), group(9), NOW + GRACE_MS)


def test_a_late_ticker_is_our_own_fault() -> None:
    fault = asked(9)
    assert not fault.ticked(TICKER_LATE_MS, NOW)
    assert not fault.is_ours(NOW)
    assert fault.ticked(TICKER_LATE_MS + 1, NOW)
    assert fault.late(peer_id(0), group(0), NOW + 1)
    assert fault.statistics().times == 1
    fault.ticked(TICKER_LATE_MS + 1, NOW + 5)
    assert fault.statistics().times == 1
    assert fault.late(peer_id(0), group(0), NOW + 5 + GRACE_MS - 1)


def test_ids_are_bounded() -> None:
    fault = asked(MOST_IDS + 7)
    assert fault.statistics().asked == MOST_IDS
    for value in range(MOST_IDS + 7):
        fault.late(peer_id(value), group(value), NOW)
    assert fault.statistics().late <= MOST_IDS


def test_one_owner_of_many_addresses_excuses_nobody() -> None:
    fault = OwnFault()
    for value in (100, 101):
        fault.asked(peer_id(value), group(value), NOW)
    for value in range(9):
        assert not fault.late(peer_id(value), b"one owner", NOW + value)
    assert fault.late(peer_id(100), group(100), NOW + 9)
