"""Headers whose time has not come."""

from esper.p2p.limits import FUTURE_HEADERS, FUTURE_HEADERS_OF_A_PEER, FUTURE_MS
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.relay.blocks.futures import Futures
from esper.primitives.ids import BlockId

INBOUND_ROOM = FUTURE_HEADERS - FUTURE_HEADERS // 3


def peer(number: int, *, outbound: bool = False) -> Peer:
    return Peer(PeerNumber(number), b"%038d" % number, outbound, b"group")


def an_id(number: int) -> BlockId:
    return BlockId(b"%064d" % number)


def test_a_header_waits_for_its_time() -> None:
    futures = Futures()
    assert futures.add(peer(1), an_id(1), b"header", 500, 100)
    assert futures.due() == 600
    assert futures.take_due(599) == []
    [one] = futures.take_due(600)
    assert (one.peer, one.block_id, one.header) == (1, an_id(1), b"header")
    assert (futures.count, futures.held_bytes, futures.due()) == (0, 0, None)


def test_nothing_waits_longer_than_ten_minutes() -> None:
    futures = Futures()
    assert futures.add(peer(1), an_id(1), b"header", FUTURE_MS, 0)
    assert not futures.add(peer(1), an_id(2), b"header", FUTURE_MS + 1, 0)


def test_the_nearest_two_of_a_peer_wait() -> None:
    futures = Futures()
    for number in (3, 5, 4, 1):
        futures.add(peer(1), an_id(number), b"header", 100 * number, 0)
    assert not futures.add(peer(1), an_id(1), b"header", 100, 0)
    assert futures.count == FUTURE_HEADERS_OF_A_PEER
    assert [one.block_id for one in futures.take_due(FUTURE_MS)] == [an_id(1), an_id(3)]


def test_a_third_of_the_room_is_for_outbound_peers() -> None:
    futures = Futures()
    for number in range(40):
        futures.add(peer(number), an_id(number), b"header", 1000 - number, 0)
    assert futures.count == INBOUND_ROOM
    for number in range(100, 105):
        assert futures.add(peer(number, outbound=True), an_id(number), b"h", 2000, 0)
    assert futures.count == FUTURE_HEADERS
    assert not futures.add(peer(200, outbound=True), an_id(200), b"h", 2000, 0)
    assert futures.add(peer(201, outbound=True), an_id(201), b"h", 1, 0)
    assert futures.count == FUTURE_HEADERS


def test_who_left_waits_no_more() -> None:
    futures = Futures()
    futures.add(peer(1), an_id(1), b"header", 500, 0)
    futures.add(peer(2), an_id(1), b"header", 500, 0)
    futures.left(PeerNumber(1))
    assert [one.peer for one in futures.take_due(500)] == [2]
    assert futures.held_bytes == 0
