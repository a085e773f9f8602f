from itertools import permutations

import pytest

from esper.p2p.limits import INBOUND
from esper.p2p.peers.netgroup import Localities
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import Close, Kind, PingOlder, Settled
from esper.p2p.peers.places.slots import (
    INBOUND_NEAR,
    INBOUND_WIDE,
    MOST_ENTERED,
    OLDER_PONG_MS,
    OPPOSITE_MS,
    Slots,
)
from esper.p2p.wire.talk_messages import BYE_DUPLICATE, BYE_FULL
from tests.support.net.peer_world import NOW, PUBLIC, SECRET, address, at, ip, number, peer_id

OWN = peer_id(1 << 100)
SMALLER, GREATER = peer_id(5), peer_id(1 << 101)


def slots(static: tuple[bytes, ...] = ()) -> Slots:
    return Slots(OWN, SECRET, PUBLIC, static)


def let_in(into: Slots, value: int, where: PeerAddress, now_ms: int = NOW) -> list[object]:
    assert into.enter(number(value), where.ip)
    return list(into.hello(number(value), Kind.INBOUND, where, now_ms, now_ms))


def filled(static: tuple[bytes, ...] = ()) -> Slots:
    full = slots(static)
    for value in range(INBOUND):
        assert let_in(full, value, address(value), NOW + value) == [Settled(number(value))]
    return full


def test_connections_settle_and_leave() -> None:
    some = slots((address(2).peer_id,))
    assert let_in(some, 1, address(1)) == [Settled(number(1))]
    assert some.hello(number(2), Kind.FULL, address(2), NOW, NOW) == [Settled(number(2))]
    assert some.hello(number(3), Kind.BLOCKS_ONLY, address(3), NOW, NOW) == [Settled(number(3))]
    assert some.hello(number(4), Kind.FEELER, address(4), NOW, NOW) == [Settled(number(4))]
    assert some.hello(number(5), Kind.STATIC, address(5), NOW, NOW) == [Settled(number(5))]
    assert some.ids() == {address(value).peer_id for value in range(1, 6)}
    assert some.outbound_groups() == {PUBLIC.group(address(v).ip, 1) for v in (2, 3, 5)}
    assert [one.static for one in some.connections] == [False, True, False, False, False]
    assert [one.outbound for one in some.connections] == [False, True, True, True, True]
    told = some.statistics()
    assert (told.inbound, told.full, told.blocks_only, told.feelers) == (1, 2, 1, 1)
    for value in range(1, 6):
        assert some.left(number(value)) == []
    assert not some.connections
    assert not some.ids()
    assert some.left(number(99)) == []


def test_who_is_static_may_change() -> None:
    some = slots()
    let_in(some, 1, address(1))
    for value in (1, 2):
        some.add_static(address(value).peer_id)
    let_in(some, 2, address(2))
    assert [one.static for one in some.connections] == [True, True]
    for value in (1, 2, 3):
        some.remove_static(address(value).peer_id)
    assert [one.static for one in some.connections] == [False, False]
    some.left(number(2))
    let_in(some, 4, address(2))
    assert [one.static for one in some.connections] == [False, False]


def test_our_own_id_is_closed() -> None:
    met = PeerAddress(ip("8.8.8.8"), 1, OWN)
    assert slots().hello(number(1), Kind.FULL, met, NOW, NOW) == [Close(number(1), BYE_DUPLICATE)]


@pytest.mark.parametrize(
    ("hosts", "most"),
    [
        ([f"8.8.8.{host}" for host in range(20)], INBOUND_NEAR),
        ([f"8.8.{host}.1" for host in range(20)], INBOUND_WIDE),
        ([f"2600:1:2:{host:x}::1" for host in range(20)], INBOUND_NEAR),
        ([f"2600:1:{host:x}::1" for host in range(20)], INBOUND_WIDE),
    ],
)
def test_neighbours_have_few_places(hosts: list[str], most: int) -> None:
    some = slots()
    entered = [some.enter(number(value), ip(host)) for value, host in enumerate(hosts)]
    assert entered == [value < most for value in range(20)]
    assert some.enter(number(50), ip("8.9.8.8"))
    # One that leaves makes room for one.
    some.left(number(0))
    assert some.enter(number(60), ip(hosts[-1]))
    assert not some.enter(number(61), ip(hosts[-2]))


def test_local_addresses_have_no_limit_unless_they_stand_for_others() -> None:
    spared, hostile = slots(), Slots(OWN, SECRET, Localities(own_groups=False, spared=False))
    for value in range(INBOUND + MOST_ENTERED):
        assert spared.enter(number(value), ip("127.0.0.1"))
        assert hostile.enter(number(value), ip("127.0.0.1")) is (value < INBOUND_NEAR)
    assert not spared.enter(number(1000), ip("127.0.0.1"))
    assert spared.statistics().entered == INBOUND + MOST_ENTERED
    spared.left(number(3))
    assert spared.enter(number(1001), ip("127.0.0.1"))


def test_a_newcomer_takes_the_place_of_the_youngest() -> None:
    full = filled()
    assert let_in(full, 100, address(100)) == [
        Close(number(INBOUND - 1), BYE_FULL),
        Settled(number(100)),
    ]
    assert full.statistics().inbound == INBOUND
    assert address(INBOUND - 1).peer_id not in full.ids()
    assert full.left(number(INBOUND - 1)) == []
    assert full.statistics().inbound == INBOUND


def test_what_peers_did_for_us_keeps_them() -> None:
    full = filled()
    full.pinged(number(31), 9)
    full.pinged(number(31), 70)
    full.first_with_block(number(30), NOW)
    full.first_with_transaction(number(29), NOW)
    for value in (28, 27, 26, 25):
        full.pinged(number(value), 60)
    for unknown in (full.first_with_block, full.first_with_transaction, full.pinged):
        unknown(number(999), 1)
    gone = []
    for value in range(100, 104):
        [leaver, _] = let_in(full, value, address(value), NOW - value)
        assert isinstance(leaver, Close)
        gone.append(leaver.number)
    assert not {29, 30, 31} & set(gone)


def test_where_all_are_protected_the_newcomer_goes() -> None:
    static = tuple(address(value).peer_id for value in range(INBOUND))
    full = filled(static)
    assert let_in(full, 100, address(100)) == [Close(number(100), BYE_FULL)]
    assert address(100).peer_id not in full.ids()
    # Ours have their own places.
    assert full.hello(number(101), Kind.FULL, address(101), NOW, NOW) == [Settled(number(101))]


@pytest.mark.parametrize("peer", [SMALLER, GREATER])
@pytest.mark.parametrize("ours_first", [True, False])
def test_of_opposite_dials_that_of_the_smaller_id_stays(peer: bytes, ours_first: bool) -> None:
    some = slots()
    where = PeerAddress(ip("8.8.8.8"), 1, peer)
    kinds = [Kind.FULL, Kind.INBOUND] if ours_first else [Kind.INBOUND, Kind.FULL]
    assert some.hello(number(1), kinds[0], where, NOW, NOW) == [Settled(number(1))]
    found = some.hello(number(2), kinds[1], where, NOW + OPPOSITE_MS, NOW + OPPOSITE_MS)
    stays = Kind.FULL if peer > OWN else Kind.INBOUND
    if kinds[0] is stays:
        assert found == [Close(number(2), BYE_DUPLICATE)]
    else:
        assert found == [Close(number(1), BYE_DUPLICATE), Settled(number(2))]
    assert [one.kind for one in some.connections] == [stays]
    some.left(number(2) if kinds[0] is stays else number(1))
    assert some.ids() == {peer}


@pytest.mark.parametrize("order", list(permutations(["a1", "a2", "b1", "b2"])))
def test_both_ends_keep_the_same_of_two_opposite_dials(order: tuple[str, ...]) -> None:
    """Connection 1 is dialled by a, 2 by b; their hellos come in any order."""
    ids = {"a": SMALLER, "b": GREATER}
    ends = {end: Slots(own, SECRET, PUBLIC) for end, own in ids.items()}
    for step in order:
        end, value = step[0], int(step[1])
        other = ids["b" if end == "a" else "a"]
        kind = Kind.FULL if (end == "a") == (value == 1) else Kind.INBOUND
        ends[end].hello(number(value), kind, PeerAddress(ip("8.8.8.8"), 1, other), NOW, NOW)
    for slots_of_end in ends.values():
        assert [one.number for one in slots_of_end.connections] == [1]


def second(kinds: tuple[Kind, Kind] = (Kind.INBOUND, Kind.INBOUND), later_ms: int = 1) -> Slots:
    some = slots()
    where = at("8.8.8.8", number=5)
    some.hello(number(1), kinds[0], where, NOW, NOW)
    found = some.hello(number(2), kinds[1], where, NOW + later_ms, NOW + later_ms)
    assert found == [PingOlder(number(1))]
    assert some.statistics().waiting == 1
    return some


@pytest.mark.parametrize(
    ("kinds", "later_ms"),
    [
        ((Kind.INBOUND, Kind.INBOUND), 1),
        ((Kind.FULL, Kind.FEELER), 1),
        ((Kind.FULL, Kind.INBOUND), OPPOSITE_MS + 1),
        ((Kind.INBOUND, Kind.FULL), OPPOSITE_MS + 1),
    ],
)
def test_an_older_connection_that_answers_stays(kinds: tuple[Kind, Kind], later_ms: int) -> None:
    some = second(kinds, later_ms)
    assert some.on_time(NOW + later_ms + OLDER_PONG_MS - 1) == []
    assert some.answered(number(1)) == [Close(number(2), BYE_DUPLICATE)]
    assert some.answered(number(1)) == []
    assert some.due() is None
    assert [one.number for one in some.connections] == [1]


def test_an_older_connection_that_is_silent_goes() -> None:
    some = second()
    due = some.due()
    assert due == NOW + 1 + OLDER_PONG_MS
    assert some.on_time(due) == [Close(number(1), BYE_DUPLICATE), Settled(number(2))]
    assert some.answered(number(1)) == []
    some.left(number(1))
    assert some.ids() == {peer_id(5)}
    assert [one.number for one in some.connections] == [2]


def test_who_waits_settles_when_the_older_one_leaves() -> None:
    some = second()
    assert some.left(number(1)) == [Settled(number(2))]
    assert some.due() is None


def test_who_waits_may_leave() -> None:
    some = second()
    assert some.left(number(2)) == []
    assert some.due() is None
    assert [one.number for one in some.connections] == [1]


def test_only_one_waits() -> None:
    some = second()
    third = some.hello(number(3), Kind.INBOUND, at("8.8.8.8", number=5), NOW, NOW)
    assert third == [Close(number(3), BYE_DUPLICATE)]
    assert some.statistics().waiting == 1


def test_who_waits_for_one_that_is_evicted_goes_with_it() -> None:
    full = filled()
    youngest = number(INBOUND - 1)
    assert let_in(full, 100, address(INBOUND - 1)) == [PingOlder(youngest)]
    assert let_in(full, 101, address(101)) == [
        Close(youngest, BYE_FULL),
        Close(number(100), BYE_FULL),
        Settled(number(101)),
    ]
    assert full.statistics().waiting == 0


def test_who_waits_may_be_evicted_by_another_that_waited() -> None:
    full = filled()
    youngest = number(INBOUND - 1)
    assert full.hello(number(50), Kind.FULL, address(50), NOW, NOW) == [Settled(number(50))]
    late = NOW + OPPOSITE_MS + 1
    assert let_in(full, 100, address(50), late) == [PingOlder(number(50))]
    assert let_in(full, 101, address(INBOUND - 1), late) == [PingOlder(youngest)]
    assert full.on_time(late + OLDER_PONG_MS) == [
        Close(number(50), BYE_DUPLICATE),
        Close(youngest, BYE_FULL),
        Close(number(101), BYE_FULL),
        Settled(number(100)),
    ]
    assert full.statistics().inbound == INBOUND
