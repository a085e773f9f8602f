from esper.p2p.peers.places.connections import Connection, Kind
from esper.p2p.peers.places.outbound_care import BEHIND_MS, BETWEEN_MS, OutboundCare
from tests.support.net.peer_world import NOW, address, number

OURS = 100


def connection(value: int, kind: Kind = Kind.FULL, *, static: bool = False) -> Connection:
    return Connection(number(value), kind, address(value), b"group", NOW, NOW, static)


def test_who_claims_less_and_brings_nothing_is_replaced() -> None:
    care = OutboundCare()
    care.claims(number(1), OURS - 1, NOW)
    peers = [connection(1)]
    assert care.choose(peers, OURS, NOW + BEHIND_MS - 1) is None
    assert care.choose(peers, OURS, NOW + BEHIND_MS) == 1


def test_who_is_a_block_behind_now_and_then_stays() -> None:
    care = OutboundCare()
    care.claims(number(1), OURS, NOW)
    for minute in range(60):
        # Our tip moves, and a moment later it is told.
        ours = OURS + minute
        assert care.choose([connection(1)], ours + 1, NOW + minute * 60_000) is None
        care.claims(number(1), ours + 1, NOW + minute * 60_000 + 30_000)
        assert care.choose([connection(1)], ours + 1, NOW + minute * 60_000 + 30_000) is None


def test_a_block_gives_another_twenty_minutes() -> None:
    care = OutboundCare()
    care.claims(number(1), OURS - 2, NOW)
    care.brought_block(number(1), OURS - 1, NOW + 5)
    assert care.choose([connection(1)], OURS, NOW + BEHIND_MS + 4) is None
    assert care.choose([connection(1)], OURS, NOW + BEHIND_MS + 5) == 1


def test_a_block_says_what_its_bringer_has() -> None:
    care = OutboundCare()
    for value in (1, 2):
        care.claims(number(value), OURS - 2, NOW)
    care.brought_block(number(1), OURS, NOW)
    care.claims(number(2), OURS, NOW)
    care.brought_block(number(2), OURS - 1, NOW)
    peers = [connection(1), connection(2)]
    assert care.choose(peers, OURS, NOW + BEHIND_MS) is None


def test_a_claim_that_does_not_catch_up_is_no_news() -> None:
    care = OutboundCare()
    care.claims(number(1), OURS - 2, NOW)
    care.claims(number(1), OURS - 1, NOW + 5)
    care.claims(number(1), OURS - 3, NOW + 6)
    assert care.choose([connection(1)], OURS, NOW + BEHIND_MS) == 1
    # The greatest claim counts: it had that chain.
    assert care.choose([connection(1)], OURS - 1, NOW + 2 * BEHIND_MS) is None
    care.brought_block(number(3), OURS, NOW)
    assert care.statistics().watched == 1


def test_one_at_a_time_the_longest_silent_first() -> None:
    care = OutboundCare()
    for value in (1, 2):
        care.claims(number(value), 1, NOW + 10 - value)
    peers = [connection(1), connection(2)]
    late = NOW + BEHIND_MS + 10
    assert care.choose(peers, OURS, late) == 2
    care.left(number(2))
    assert care.choose(peers[:1], OURS, late + BETWEEN_MS - 1) is None
    assert care.choose(peers, OURS, late + BETWEEN_MS) == 1
    assert care.statistics().replaced == 2
    assert care.statistics().watched == 1


def test_only_those_of_our_own_choosing_are_replaced() -> None:
    care = OutboundCare()
    peers = [
        connection(1, Kind.INBOUND),
        connection(2, Kind.STATIC, static=True),
        connection(3, Kind.FULL, static=True),
        connection(4, Kind.FEELER),
    ]
    for one in peers:
        care.claims(one.number, 1, NOW)
    assert care.choose(peers, OURS, NOW + BEHIND_MS) is None
    care.claims(number(5), 1, NOW)
    peers.append(connection(5, Kind.BLOCKS_ONLY))
    assert care.choose(peers, OURS, NOW + BEHIND_MS) == 5
