"""What this node answers: costs, refusals, turns, and places that slow readers hold."""

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import PLACE_MS, Served, ServedStatistics, Turn
from esper.p2p.limits import ANSWERS_HELD, BUSY_REFUSALS, EVENTS_WAITING, MIB
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import ChainRequest

A = b"a" * 64
P = b"p" * 16


def served(*outbound: bool) -> Served:
    """With peers 0, 1, …"""
    made = Served(0)
    for number, out in enumerate(outbound):
        made.joined(Peer(PeerNumber(number), b"i" * 38, out, b"g"), 0)
    return made


def peer(number: int) -> PeerNumber:
    return PeerNumber(number)


def finish(made: Served, number: int) -> None:
    """Answer all that waits, so that only the budget counts."""
    for turn in made.turns():
        assert turn.number <= number
        made.done(turn)


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        (talk.GetHeaders(0, (A,), 1), 15),
        (talk.GetBlock(0, A), 60),
        (talk.GetBlockTxs(0, A, (1,)), 60),
        (talk.GetBlocks(0, (A,), 1), 57),
        (talk.GetBlocks(0, (A,) * 10, 3), 30),
        (talk.GetTxs(0, (P,) * 16), 60),
        (talk.GetTxs(0, (P,) * 17), 30),
        (talk.GetTxs(0, (P,) * 64), 15),
    ],
)
def test_a_burst_of_sixty_by_cost(request_: ChainRequest, count: int) -> None:
    made = served(False)
    for number in range(1, count + 1):
        assert made.asked(peer(0), request_.numbered(number), 0) is None
        finish(made, number)
    assert made.asked(peer(0), request_.numbered(count + 1), 0) == talk.Refuse(
        count + 1, WHOLE_REST, talk.REFUSED_BUSY
    )


def test_twenty_a_second_after_the_burst() -> None:
    made = served(False)
    number = 0
    for now in (0, 1_000, 2_000):
        taken = 0
        for _ in range(70):
            number += 1
            taken += made.asked(peer(0), talk.GetBlock(number, A), now) is None
            finish(made, number)
        assert taken == (60 if now == 0 else 20)


def test_addresses_cost_twenty() -> None:
    made = served(False)
    assert [made.asked_addresses(peer(0), 0) for _ in range(4)] == [True, True, True, False]


def test_two_hundred_busy_refusals_in_ten_minutes_are_a_fault() -> None:
    made = served(False)
    for _ in range(3):
        made.asked_addresses(peer(0), 0)
    for number in range(1, BUSY_REFUSALS):
        assert made.asked(peer(0), talk.GetHeaders(number, (A,), 1), 0) is not None
    with pytest.raises(Fault) as caught:
        made.asked(peer(0), talk.GetHeaders(BUSY_REFUSALS, (A,), 1), 0)
    assert caught.value.offence is Offence.BUSY


def test_refusals_of_ten_minutes_ago_are_forgotten() -> None:
    made = served(False)
    for _ in range(3):
        made.asked_addresses(peer(0), 0)
    for number in range(1, BUSY_REFUSALS):
        made.asked(peer(0), talk.GetHeaders(number, (A,), 1), 0)
    for number in range(BUSY_REFUSALS, BUSY_REFUSALS + 60):
        assert made.asked(peer(0), talk.GetBlock(number, A), 600_000) is None
    assert made.asked(peer(0), talk.GetBlock(BUSY_REFUSALS + 61, A), 600_000) is not None


@pytest.mark.parametrize("number", [0, 4, 5])
def test_numbers_must_ascend(number: int) -> None:
    made = served(False)
    made.asked(peer(0), talk.GetBlock(5, A), 0)
    with pytest.raises(Fault) as caught:
        made.asked(peer(0), talk.GetBlock(number, A), 0)
    assert caught.value.offence is Offence.ORDER


def test_numbers_of_refused_requests_are_used_too() -> None:
    made = served(False)
    for _ in range(3):
        made.asked_addresses(peer(0), 0)
    assert made.asked(peer(0), talk.GetBlock(5, A), 0) is not None
    with pytest.raises(Fault):
        made.asked(peer(0), talk.GetBlock(5, A), 0)


def test_no_more_wait_than_events_may() -> None:
    made = served(False)
    number = 0
    while number < EVENTS_WAITING:
        number += 1
        assert made.asked(peer(0), talk.GetBlock(number, A), number * 1_000) is None
    assert made.asked(peer(0), talk.GetBlock(number + 1, A), 10**6) == talk.Refuse(
        number + 1, WHOLE_REST, talk.REFUSED_BUSY
    )


def test_what_waits_is_taken_back_with_a_refusal() -> None:
    made = served(False)
    made.asked(peer(0), talk.GetBlock(1, A), 0)
    made.asked(peer(0), talk.GetBlocks(2, (A,), 1), 0)
    for number in (1, 2):
        assert made.nevermind(peer(0), number) == talk.Refuse(
            number, WHOLE_REST, talk.REFUSED_CANCELLED
        )
        assert made.nevermind(peer(0), number) is None
    assert made.turns() == ()


def test_what_is_being_answered_is_told_to_stop() -> None:
    made = served(False)
    made.asked(peer(0), talk.GetBlocks(1, (A,), 1), 0)
    (turn,) = made.turns()
    assert not made.is_cancelled(turn)
    assert made.nevermind(peer(0), 1) is None
    assert made.is_cancelled(turn)
    made.done(turn)
    assert not made.is_cancelled(turn)
    assert made.nevermind(peer(0), 1) is None
    assert made.statistics() == ServedStatistics(0, 0, 0)


@pytest.mark.parametrize("number", [0, 2])
def test_what_was_never_asked_cannot_be_taken_back(number: int) -> None:
    made = served(False)
    made.asked(peer(0), talk.GetBlock(1, A), 0)
    with pytest.raises(Fault) as caught:
        made.nevermind(peer(0), number)
    assert caught.value.offence is Offence.ORDER


def test_one_of_history_and_one_other_at_a_time_in_order() -> None:
    made = served(False)
    requests: list[ChainRequest] = [
        talk.GetBlocks(1, (A,), 1),
        talk.GetHeaders(2, (A,), 1),
        talk.GetBlocks(3, (A,), 1),
        talk.GetTxs(4, (P,)),
    ]
    for request in requests:
        made.asked(peer(0), request, 0)
    first = made.turns()
    assert {turn.number for turn in first} == {1, 2}
    assert made.turns() == ()
    made.done(first[0])
    made.done(first[1])
    assert {turn.number for turn in made.turns()} == {3, 4}


def test_history_has_six_places_a_third_of_them_for_outbound_peers() -> None:
    made = served(*[False] * 8, True, True, True)
    for number in range(11):
        made.asked(peer(number), talk.GetBlocks(1, (A,), 1), 0)
    turns = made.turns()
    assert [turn.peer for turn in turns] == [0, 1, 2, 3, 8, 9]
    assert made.statistics() == ServedStatistics(waiting=5, answering=6, held=ANSWERS_HELD)
    made.done(turns[0])
    assert [turn.peer for turn in made.turns()] == [4]
    made.left(peer(8))
    assert [turn.peer for turn in made.turns()] == [10]


def test_slow_readers_of_history_delay_nothing_else() -> None:
    made = served(*[False] * 10)
    for number in range(10):
        made.asked(peer(number), talk.GetBlocks(1, (A,), 1), 0)
    made.turns()
    requests: list[ChainRequest] = [
        talk.GetBlock(2, A),
        talk.GetTxs(2, (P,)),
        talk.GetHeaders(2, (A,), 1),
    ]
    for number, request in enumerate(requests):
        made.asked(peer(number), request, 0)
        assert [turn.peer for turn in made.turns()] == [number]


def test_who_gets_no_place_in_time_is_refused_but_not_who_waits_for_its_own_answers() -> None:
    made = served(*[False] * 6)
    for number in range(5):
        for ask in (1, 2):
            assert made.asked(peer(number), talk.GetBlocks(ask, (A,), 3), 0) is None
    turns = made.turns()
    assert [turn.peer for turn in turns] == [0, 1, 2, 3]
    assert [made.others_wait(turn) for turn in turns] == [True] * 4
    assert made.waited_too_long(PLACE_MS - 1) == ()
    late = made.waited_too_long(PLACE_MS)
    assert [(turn.peer, turn.number) for turn in late] == [(4, 1), (4, 2)]
    assert [made.others_wait(turn) for turn in turns] == [False] * 4
    made.done(turns[0])
    [next_turn] = made.turns()
    assert (next_turn.peer, next_turn.number) == (0, 2)
    assert made.waited_too_long(2 * PLACE_MS) == ()


def test_peers_take_turns() -> None:
    made = served(*[False] * 5)
    for request in range(1, 4):
        for number in range(5):
            made.asked(peer(number), talk.GetBlocks(request, (A,), 1), 0)
    order: list[int] = []
    holding: list[Turn] = list(made.turns())
    while holding:
        turn = holding.pop(0)
        order.append(turn.peer)
        made.done(turn)
        holding.extend(made.turns())
    assert len(order) == 15
    for start in range(0, 15, 5):
        assert sorted(order[start : start + 5]) == [0, 1, 2, 3, 4]


def test_the_bytes_of_history_have_a_budget_with_a_third_for_outbound_peers() -> None:
    made = served(False, True)
    for number in range(2):
        made.asked(peer(number), talk.GetBlocks(1, (A,), 1), 0)
    inbound, outbound = made.turns()
    made.sent_history(21 * MIB, 0)
    assert made.history_wait_ms(inbound, 0) == 0
    made.sent_history(MIB, 0)
    assert made.history_wait_ms(inbound, 0) > 0
    assert made.history_wait_ms(outbound, 0) == 0
    made.sent_history(12 * MIB, 0)
    assert made.history_wait_ms(outbound, 0) == 126
    assert made.history_wait_ms(outbound, 126) == 0


def test_a_peer_that_left_is_forgotten() -> None:
    made = served(False)
    made.asked(peer(0), talk.GetBlocks(1, (A,), 1), 0)
    made.asked(peer(0), talk.GetBlocks(2, (A,), 1), 0)
    (turn,) = made.turns()
    made.left(peer(0))
    made.left(peer(0))
    assert made.is_cancelled(turn)
    made.done(turn)
    assert made.turns() == ()
    assert made.statistics() == ServedStatistics(0, 0, 0)
