from collections.abc import Iterable

import pytest

from esper.p2p.limits import BLOCKS_ONLY_OUTBOUND, FULL_OUTBOUND
from esper.p2p.peer import PeerNumber
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.peers.places.connections import Kind
from esper.p2p.peers.places.dial_plan import (
    ANCHORS,
    DIALS_AT_ONCE,
    FEELER_EVERY_MS,
    LOOK_AGAIN_MS,
    MOST_OWN,
    MOST_STATIC,
    Dial,
    DialPlan,
    TooManyStaticError,
)
from esper.p2p.peers.places.slots import Slots
from tests.support.net.peer_world import (
    MINUTE,
    NOW,
    PUBLIC,
    SECRET,
    address,
    known,
    number,
    peer_id,
    public_ip,
    seeded,
)


class World:
    """A plan, its book and its slots, and dials that end as a test says."""

    def __init__(
        self,
        groups: int = 0,
        *,
        hosts: int = 1,
        static: Iterable[PeerAddress] = (),
        connect_only: bool = False,
        anchors: Iterable[PeerAddress] = (),
    ) -> None:
        static = tuple(static)
        self.book = AddressBook(SECRET, PUBLIC)
        for group in range(groups):
            for host in range(1, hosts + 1):
                self.book.add_given(address(group, host), MINUTE)
        self.slots = Slots(peer_id(1), SECRET, PUBLIC, {one.peer_id for one in static})
        self.plan = DialPlan(
            self.book,
            self.slots,
            PUBLIC,
            static=static,
            connect_only=connect_only,
            anchors=anchors,
            now_ms=NOW,
        )
        self.random = seeded()
        self.barred: set[bytes] = set()
        self.last = 0

    def dials(self, now_ms: int = NOW) -> list[Dial]:
        return self.plan.next_dials(now_ms, self.random, self.barred.__contains__)

    def connect(self, dial: Dial, now_ms: int = NOW) -> PeerNumber:
        self.last += 1
        self.plan.reached(dial.address, 1, MINUTE)
        self.slots.hello(number(self.last), dial.kind, dial.address, now_ms, now_ms)
        return number(self.last)

    def settle(self, now_ms: int = NOW) -> list[Dial]:
        """Let all dials succeed until none is wanted."""
        done = []
        while dials := self.dials(now_ms):
            for dial in dials:
                self.connect(dial, now_ms)
            done += dials
        return done


def test_places_are_filled_from_different_groups() -> None:
    world = World(30, hosts=5)
    done = world.settle()
    kinds = [dial.kind for dial in done]
    assert kinds.count(Kind.FULL) == FULL_OUTBOUND
    assert kinds.count(Kind.BLOCKS_ONLY) == BLOCKS_ONLY_OUTBOUND
    assert len(done) == FULL_OUTBOUND + BLOCKS_ONLY_OUTBOUND
    groups = [PUBLIC.group(dial.address.ip, dial.address.port) for dial in done]
    assert len(set(groups)) == len(groups)


def test_one_group_has_one_place() -> None:
    assert len(World(1, hosts=50).settle()) == 1


def test_at_most_four_dials_run() -> None:
    world = World(30)
    first = world.dials()
    assert len(first) == DIALS_AT_ONCE == world.plan.statistics().dialling
    assert world.dials() == []
    world.plan.failed(first[0].address, MINUTE)
    [another] = world.dials()
    assert another.address not in [dial.address for dial in first]


def test_a_failed_address_rests() -> None:
    world = World(1)
    [dial] = world.dials()
    world.plan.failed(dial.address, MINUTE)
    assert world.dials(NOW + 1) == []
    assert world.dials(NOW + 15_000) == [dial]


def test_who_is_barred_or_connected_is_not_dialled() -> None:
    world = World(2)
    world.barred.add(address(0).peer_id)
    world.slots.hello(number(99), Kind.INBOUND, address(1), NOW, NOW)
    assert world.dials() == []
    assert world.dials(NOW + FEELER_EVERY_MS) == []
    world.barred.clear()
    assert [dial.address for dial in world.dials()] == [address(0)]


def test_a_feeler_every_two_minutes_beside_full_places() -> None:
    world = World(30)
    world.settle()
    assert world.dials(NOW + FEELER_EVERY_MS - 1) == []
    [feeler] = world.dials(NOW + FEELER_EVERY_MS)
    assert feeler.kind is Kind.FEELER
    # One at a time, and none before two minutes have passed again.
    assert world.dials(NOW + 2 * FEELER_EVERY_MS) == []
    connection = world.connect(feeler)
    assert world.dials(NOW + 2 * FEELER_EVERY_MS) == []
    world.slots.left(connection)
    [another] = world.dials(NOW + 2 * FEELER_EVERY_MS)
    assert another.kind is Kind.FEELER
    assert another.address != feeler.address
    world.plan.failed(another.address, MINUTE)
    assert world.dials(NOW + 3 * FEELER_EVERY_MS - 1) == []


def test_feelers_go_on_where_the_book_has_no_other_group() -> None:
    world = World(1, hosts=10)
    world.settle()
    [feeler] = world.dials(NOW + FEELER_EVERY_MS)
    assert feeler.kind is Kind.FEELER


def test_static_peers_come_first_and_take_full_places() -> None:
    static = [address(500, host) for host in range(1, 4)]
    world = World(30, static=static)
    first = world.dials()
    assert [(dial.address, dial.kind) for dial in first[:3]] == [
        (one, Kind.STATIC) for one in static
    ]
    assert world.plan.statistics().static_missing == 3
    for dial in first:
        world.connect(dial)
    world.settle()
    assert world.slots.count(Kind.FULL, Kind.STATIC) == FULL_OUTBOUND
    assert world.slots.count(Kind.STATIC) == 3
    assert world.plan.statistics().static_missing == 0


def test_the_place_of_a_static_peer_is_kept_while_it_is_away() -> None:
    world = World(30, static=[address(500)])
    [away, *others] = world.dials()
    world.plan.failed(away.address, MINUTE)
    for dial in others:
        world.connect(dial)
    world.settle()
    assert world.slots.count(Kind.FULL) == FULL_OUTBOUND - 1


def test_a_static_peer_is_dialled_again_and_again() -> None:
    world = World(static=[address(500)], connect_only=True)
    now_ms, rests = NOW, []
    for _ in range(12):
        [dial] = world.dials(now_ms)
        world.plan.failed(dial.address, MINUTE)
        began = now_ms
        while not (found := world.dials(now_ms)):
            now_ms += 1_000
        world.plan.failed(found[0].address, MINUTE)
        rests.append(now_ms - began)
        now_ms += 2 * 3_600_000
    assert 5_000 <= rests[0] <= 16_000
    # The operator waits for it: the hour of other addresses would be too long.
    assert all(rest <= 46_000 for rest in rests)
    assert all(rest >= 15_000 for rest in rests[4:])
    # Once reached, it is soon dialled again.
    [dial] = world.dials(now_ms)
    connection = world.connect(dial, now_ms)
    assert world.dials(now_ms + 10**8) == []
    world.slots.left(connection)
    world.dials(now_ms + 10**8)
    world.plan.failed(dial.address, MINUTE)
    assert len(world.dials(now_ms + 10**8 + 15_000)) == 1


def test_a_static_peer_that_dialled_us_is_not_dialled() -> None:
    world = World(static=[address(500)])
    world.slots.hello(number(9), Kind.INBOUND, address(500), NOW, NOW)
    assert world.dials() == []
    world.slots.left(number(9))
    world.barred.add(address(500).peer_id)
    assert world.dials() == []
    world.barred.clear()
    assert len(world.dials()) == 1


def test_connect_only_dials_nobody_else() -> None:
    world = World(30, static=[address(500)], connect_only=True, anchors=[address(600)])
    assert [dial.address for dial in world.settle()] == [address(500)]
    assert world.dials(NOW + 10 * FEELER_EVERY_MS) == []


def test_static_peers_are_bounded() -> None:
    with pytest.raises(TooManyStaticError, match="8 are the most") as caught:
        World(static=[address(500, host) for host in range(MOST_STATIC + 1)])
    assert caught.value.count == MOST_STATIC + 1
    World(static=[address(500)] * 20)


def test_static_peers_come_and_go_while_the_node_runs() -> None:
    world = World(static=[address(500)])
    world.plan.add_static(address(501))
    world.plan.add_static(address(501))
    assert world.plan.statistics().static_missing == 2
    first = world.dials()
    assert [dial.address for dial in first] == [address(500), address(501)]
    for dial in first:
        world.connect(dial)
    assert [one.static for one in world.slots.connections] == [True, True]
    world.plan.remove_static(address(501).peer_id)
    assert [one.static for one in world.slots.connections] == [True, False]
    world.slots.left(number(2))
    assert world.dials(NOW + 10**8) == []
    world.plan.add_static(address(501))
    world.slots.hello(number(7), Kind.INBOUND, address(502), NOW, NOW)
    world.plan.add_static(address(502))
    assert [one.static for one in world.slots.connections] == [True, True]
    world.slots.hello(number(8), Kind.INBOUND, address(501), NOW, NOW)
    assert [one.static for one in world.slots.connections] == [True, True, True]
    for host in range(MOST_STATIC - 3):
        world.plan.add_static(address(600, host))
    with pytest.raises(TooManyStaticError):
        world.plan.add_static(address(700))


def test_beside_the_operators_own_dial_there_is_no_other() -> None:
    world = World()
    world.plan.add_static(address(501))
    world.plan.begun(address(501))
    assert world.dials() == []
    assert world.plan.statistics().dialling == 1
    world.plan.failed(address(501), MINUTE)
    assert [dial.address for dial in world.dials()] == [address(501)]


def test_anchors_are_the_first_blocks_only_peers() -> None:
    anchors = [address(600), address(601)]
    world = World(30, anchors=anchors)
    first = world.dials()
    assert [dial.address for dial in first if dial.kind is Kind.BLOCKS_ONLY] == anchors
    assert world.plan.anchors == tuple(anchors)
    for dial in first:
        world.plan.failed(dial.address, MINUTE)
    # Each is tried once, then the book chooses.
    assert not {dial.address for dial in world.settle()} & set(anchors)
    assert len(world.plan.anchors) == ANCHORS
    kept = [one.address for one in world.slots.connections if one.kind is Kind.BLOCKS_ONLY]
    assert set(world.plan.anchors) == set(kept)


def test_anchors_of_groups_or_ids_that_are_there_or_barred_are_passed_over() -> None:
    world = World(anchors=[address(600), address(601)], static=[address(600, 9)])
    world.barred.add(address(601).peer_id)
    assert [dial.address for dial in world.dials()] == [address(600, 9)]


def test_an_address_that_is_ours_is_never_dialled_again() -> None:
    world = World(1)
    [dial] = world.dials()
    world.plan.met_ourselves(dial.address)
    assert len(world.book) == 0
    world.book.add(known(address(0)), public_ip(9), 1, MINUTE)
    assert world.dials(NOW + 10**8) == []
    assert len(world.book) == 0
    for group in range(1, MOST_OWN + 5):
        world.plan.met_ourselves(address(group))
    world.book.add(known(address(MOST_OWN + 4)), public_ip(9), 1, MINUTE)
    assert len(world.dials(NOW + 2 * 10**8)) == 1


def test_another_id_is_told_to_the_book() -> None:
    world = World(1)
    [dial] = world.dials()
    world.plan.met_another(dial.address, peer_id(77), MINUTE)
    entry = world.book.find(dial.address.endpoint)
    assert entry is not None
    assert entry.address.peer_id == peer_id(77)
    assert world.plan.statistics().dialling == 0


def test_the_plan_is_asked_every_second() -> None:
    world = World()
    assert world.plan.due() == NOW
    world.dials(NOW + 7)
    assert world.plan.due() == NOW + 7 + LOOK_AGAIN_MS


def test_the_book_hears_how_dials_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(3)
    one, other, third = world.dials()
    failed: list[bytes] = []
    monkeypatch.setattr(world.book, "failed", lambda endpoint, now_min: failed.append(endpoint))
    world.connect(one)
    assert failed == []
    entry = world.book.find(one.address.endpoint)
    assert entry is not None
    assert entry.tried
    world.plan.failed(other.address, MINUTE)
    world.plan.met_another(third.address, peer_id(5), MINUTE)
    assert failed == [other.address.endpoint, third.address.endpoint]


def test_only_blocks_only_peers_become_anchors() -> None:
    world = World(40)
    world.settle()
    anchors = world.plan.anchors
    full = next(one for one in world.slots.connections if one.kind is Kind.FULL)
    world.slots.left(full.number)
    assert [dial.kind for dial in world.settle(NOW + 1)] == [Kind.FULL]
    assert world.plan.anchors == anchors
    # A connection that nobody dialled is none either.
    world.plan.reached(address(900), 1, MINUTE)
    assert world.plan.anchors == anchors


def test_an_anchor_that_is_reached_again_stands_once() -> None:
    anchors = [address(600), address(601)]
    world = World(anchors=anchors)
    for dial in world.dials():
        if dial.address == anchors[1]:
            world.connect(dial)
    assert world.plan.anchors == tuple(anchors)


def test_a_static_peer_that_is_reached_lets_others_rest() -> None:
    static = [address(500), address(501)]
    world = World(static=static, connect_only=True)
    now_ms = NOW
    for _ in range(6):
        for dial in world.dials(now_ms):
            if dial.address == static[1]:
                world.connect(dial, now_ms)
            else:
                world.plan.failed(dial.address, MINUTE)
        now_ms += 3_600_000
    world.slots.left(number(1))
    for dial in world.dials(now_ms):
        if dial.address == static[1]:
            world.connect(dial, now_ms)
        else:
            world.plan.failed(dial.address, MINUTE)
    [dial] = world.dials(now_ms + 7_200_000)
    world.plan.failed(dial.address, MINUTE)
    # After its first failure it would be dialled by now.
    assert world.dials(now_ms + 7_214_999) == []
