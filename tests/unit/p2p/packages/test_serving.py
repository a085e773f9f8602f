"""What this node gives of packages: what it refuses at once, turns, rates and places."""

from __future__ import annotations

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import PLACE_MS
from esper.p2p.limits import (
    BUSY_REFUSALS,
    MIB,
    PACKAGE_ANSWERS_HELD,
    PACKAGE_REQUEST_BURST,
    PACKAGE_REQUESTS_OPEN,
    PACKAGE_REQUESTS_PER_S,
    PACKAGES_OFFERED,
)
from esper.p2p.packages.offers import Offers, TooManyOffersError
from esper.p2p.packages.serving import PackageTurn, Serving, ServingStatistics
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import PackageRequest
from esper.p2p.wire.package_messages import Digests, GetChunk, GetDigests, GetHoldings, Holdings
from tests.support.net.package_store import package

ONE, OTHER = package(10), b"o" * 64


def offers() -> Offers:
    made = Offers()
    made.put(ONE.root, ONE.digests, 0b0111)
    return made


def serving(*outbound: bool, up_per_s: int = 16 * MIB) -> Serving:
    """With peers 0, 1, …"""
    made = Serving(offers(), 0, up_per_s)
    for number, out in enumerate(outbound):
        made.joined(Peer(peer(number), b"i" * 38, out, b"g", chunks=True), 0)
    return made


def peer(number: int) -> PeerNumber:
    return PeerNumber(number)


def unknown(number: int, root: bytes) -> talk.Refuse:
    return talk.Refuse(number, root, talk.REFUSED_UNKNOWN)


def busy(number: int) -> talk.Refuse:
    return talk.Refuse(number, WHOLE_REST, talk.REFUSED_BUSY)


@pytest.mark.parametrize(
    "request_",
    [
        GetChunk(1, OTHER, 0),
        GetChunk(1, ONE.root, 3),
        GetChunk(1, ONE.root, 65_535),
        GetDigests(1, OTHER, 0),
        GetDigests(1, ONE.root, 1),
        GetHoldings(1, OTHER),
    ],
)
def test_what_is_not_offered_is_refused_at_once(request_: PackageRequest) -> None:
    made = serving(False)
    assert made.asked(peer(0), request_, 0) == unknown(1, request_.root)
    assert made.turns(0) == ()
    assert made.statistics() == ServingStatistics(0, 0)


def test_what_is_withdrawn_or_lost_is_refused() -> None:
    made = serving(False)
    made.offers.lost(ONE.root, 1)
    assert made.asked(peer(0), GetChunk(1, ONE.root, 1), 0) == unknown(1, ONE.root)
    assert made.asked(peer(0), GetChunk(2, ONE.root, 2), 0) is None
    made.offers.gained(ONE.root, 1)
    assert made.asked(peer(0), GetChunk(3, ONE.root, 1), 0) is None
    made.offers.withdraw(ONE.root)
    assert made.asked(peer(0), GetChunk(4, ONE.root, 2), 0) == unknown(4, ONE.root)
    made.offers.gained(ONE.root, 1)
    made.offers.lost(ONE.root, 1)


def test_lists_and_holdings_come_from_memory() -> None:
    made = offers()
    assert made.page(7, ONE.root, 0) == Digests(7, ONE.root, 0, 10, ONE.digests)
    assert made.page(7, ONE.root, 1) is None
    assert made.holdings(8, ONE.root) == Holdings(8, ONE.root, 10, b"\x07\0")
    assert made.holdings(8, OTHER) is None
    made.put(OTHER, b"", 0)
    assert OTHER in made
    assert made.roots == (ONE.root, OTHER)
    assert made.page(1, OTHER, 0) is None
    assert made.holdings(1, OTHER) is None
    assert not made.has_list(OTHER)


def test_so_many_packages_are_offered() -> None:
    made = offers()
    for number in range(PACKAGES_OFFERED - 1):
        made.put(bytes((number,)) * 64, b"", 0)
    made.put(ONE.root, ONE.digests, 0)
    with pytest.raises(TooManyOffersError, match="withdraw"):
        made.put(b"x" * 64, b"", 0)


def test_so_many_requests_of_a_peer_are_open() -> None:
    made = serving(False, False)
    for number in range(1, PACKAGE_REQUESTS_OPEN + 1):
        assert made.asked(peer(0), GetChunk(number, ONE.root, 0), 0) is None
    assert made.asked(peer(0), GetChunk(99, ONE.root, 0), 0) == busy(99)
    (turn,) = made.turns(0)
    assert made.asked(peer(0), GetChunk(100, ONE.root, 0), 0) == busy(100)
    assert made.asked(peer(1), GetChunk(1, ONE.root, 0), 0) is None
    made.done(turn)
    assert made.asked(peer(0), GetChunk(101, ONE.root, 0), 0) is None


def ask_and_answer(made: Serving, number: int, now: int, size: int = 0) -> talk.Refuse | None:
    refused = made.asked(peer(0), GetChunk(number, ONE.root, 0), now)
    for turn in made.turns(now):
        made.sent(turn, size, now)
        made.done(turn)
    return refused


def test_a_burst_of_requests_and_so_many_a_second() -> None:
    made = serving(False)
    number = 0
    for now, most in ((0, PACKAGE_REQUEST_BURST), (1_000, PACKAGE_REQUESTS_PER_S)):
        taken = 0
        for _ in range(PACKAGE_REQUEST_BURST + 20):
            number += 1
            taken += ask_and_answer(made, number, now) is None
        assert taken == most


def test_requests_for_what_is_not_there_cost_as_much() -> None:
    made = serving(False)
    answers = [
        made.asked(peer(0), GetHoldings(number, OTHER), 0)
        for number in range(1, PACKAGE_REQUEST_BURST + 2)
    ]
    assert answers[-2] == unknown(PACKAGE_REQUEST_BURST, OTHER)
    assert answers[-1] == busy(PACKAGE_REQUEST_BURST + 1)


def test_two_hundred_beyond_the_rate_in_ten_minutes_are_a_fault() -> None:
    made = serving(False)
    late = serving(False)
    for one in (made, late):
        for number in range(1, PACKAGE_REQUEST_BURST + BUSY_REFUSALS):
            one.asked(peer(0), GetHoldings(number, OTHER), 0)
    with pytest.raises(Fault) as caught:
        made.asked(peer(0), GetHoldings(999, OTHER), 0)
    assert caught.value.offence is Offence.BUSY
    late.asked(peer(0), GetHoldings(999, OTHER), 600_001)


def test_a_peer_is_given_half_of_what_all_are() -> None:
    made = serving(False, up_per_s=4 * MIB)
    given = 0
    for number, now in enumerate(range(0, 10_000, 100), start=1):
        made.asked(peer(0), GetChunk(number, ONE.root, 0), now)
        for turn in made.turns(now):
            made.sent(turn, MIB, now)
            given += 1
            made.done(turn)
    # Two MiB a second and what was saved up, a burst of four.
    assert 20 <= given <= 25


def test_all_peers_together_are_given_no_more_than_the_rate() -> None:
    made = serving(*([False] * 10), up_per_s=4 * MIB)
    given = 0
    for number, now in enumerate(range(0, 10_000, 10), start=1):
        made.asked(peer(number % 10), GetChunk(number, ONE.root, 0), now)
        for turn in made.turns(now):
            made.sent(turn, MIB, now)
            given += 1
            made.done(turn)
    assert 35 <= given <= 40 + 4 + PACKAGE_ANSWERS_HELD


def test_peers_take_turns_for_the_places() -> None:
    made = serving(*([False] * 8))
    for one in range(8):
        for number in (1, 2):
            made.asked(peer(one), GetChunk(number, ONE.root, 0), 0)
    inbound = PACKAGE_ANSWERS_HELD - PACKAGE_ANSWERS_HELD // 3
    first = made.turns(0)
    assert [turn.peer for turn in first] == list(range(inbound))
    assert made.turns(0) == ()
    for turn in first:
        made.done(turn)
    assert [turn.peer for turn in made.turns(0)] == [4, 5, 6, 7]
    assert made.statistics() == ServingStatistics(8, 4)


def test_a_third_of_the_places_is_for_outbound_peers() -> None:
    made = serving(*([False] * 6), True, True)
    for one in range(8):
        made.asked(peer(one), GetChunk(1, ONE.root, 0), 0)
    assert [turn.peer for turn in made.turns(0)] == [0, 1, 2, 3, 6, 7]


def test_who_gets_no_place_in_time_is_told_so() -> None:
    made = serving(*([False] * 5))
    for one in range(5):
        for number in (1, 2):
            made.asked(peer(one), GetChunk(number, ONE.root, 0), 0)
    turns = made.turns(0)
    assert made.waited_too_long(PLACE_MS - 1) == ()
    told = made.waited_too_long(PLACE_MS)
    # Who is being answered sees that, and waits for itself.
    assert [(one.peer, one.request.number) for one in told] == [(4, 1), (4, 2)]
    assert made.others_wait(turns[0]) is False
    made.asked(peer(4), GetChunk(3, ONE.root, 0), PLACE_MS)
    assert made.others_wait(turns[0]) is True


def test_a_request_is_taken_back() -> None:
    made = serving(False)
    made.asked(peer(0), GetChunk(1, ONE.root, 0), 0)
    made.asked(peer(0), GetChunk(2, ONE.root, 1), 0)
    (turn,) = made.turns(0)
    assert made.nevermind(peer(0), 2) == talk.Refuse(2, WHOLE_REST, talk.REFUSED_CANCELLED)
    assert made.nevermind(peer(0), 2) is None
    assert not made.is_cancelled(turn)
    assert made.nevermind(peer(0), 1) is None
    assert made.is_cancelled(turn)
    made.done(turn)
    assert made.statistics() == ServingStatistics(0, 0)
    made.asked(peer(0), GetChunk(3, ONE.root, 1), 0)
    (after,) = made.turns(0)
    assert not made.is_cancelled(after)


def test_a_peer_that_leaves_gives_its_place_back() -> None:
    made = serving(*([False] * 5))
    for one in range(5):
        made.asked(peer(one), GetChunk(1, ONE.root, 0), 0)
    turns = made.turns(0)
    made.left(peer(0))
    assert made.is_cancelled(turns[0])
    assert [turn.peer for turn in made.turns(0)] == [4]
    made.done(turns[0])
    made.sent(turns[0], MIB, 0)
    assert made.statistics().answering == 4
    made.left(peer(99))


def test_a_turn_of_a_connection_before_is_not_the_next_ones() -> None:
    made = serving(False)
    made.asked(peer(0), GetChunk(1, ONE.root, 0), 0)
    (turn,) = made.turns(0)
    made.done(turn)
    made.asked(peer(0), GetChunk(2, ONE.root, 0), 0)
    made.turns(0)
    made.done(turn)
    assert made.statistics().answering == 1
    assert made.is_cancelled(PackageTurn(peer(0), GetChunk(1, ONE.root, 0)))


def test_when_to_look_again() -> None:
    made = serving(False, up_per_s=MIB)
    assert made.next_ms(0) is None
    made.asked(peer(0), GetChunk(1, ONE.root, 0), 0)
    assert made.next_ms(0) == 0
    (turn,) = made.turns(0)
    made.sent(turn, 5 * MIB, 0)
    assert made.next_ms(0) is None
    made.asked(peer(0), GetChunk(2, ONE.root, 0), 0)
    made.done(turn)
    assert made.turns(0) == ()
    wait = made.next_ms(0)
    assert wait is not None
    assert wait > 1_000
    assert len(made.turns(wait)) == 1
