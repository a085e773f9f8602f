"""From whom a transaction is fetched, how fast, and what follows from what comes."""

from collections.abc import Callable

import pytest

from esper.p2p.actions import End
from esper.p2p.faults import Offence
from esper.p2p.limits import (
    TRANSACTION_BYTES,
    TRANSACTIONS_BYTES,
    TX_BURST,
    TX_IN_FLIGHT,
    TX_IN_FLIGHT_BYTES,
    TX_NOT_ASKED_MS,
)
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.known import prefix_of
from esper.p2p.relay.tx_jobs import Admit, Verdict
from esper.p2p.relay.wanted import ASK_EVERY_MS, WANTED_OF_A_PEER
from esper.p2p.verdicts import Failure
from esper.p2p.wire.bulk_messages import Txs
from esper.p2p.wire.messages import encode_message
from esper.p2p.wire.talk_messages import (
    REFUSED_BUSY,
    Announced,
    GetTxs,
    HaveTxs,
    Refuse,
)
from esper.primitives.codec import Array, Unsigned, encode
from esper.primitives.errors.rule_violation import Consequence
from esper.vm.llm_call import LlmCall
from tests.support.net.tx_relay_world import Answering, TxWorld, having, silent, transactions

BAD = Failure(Consequence.INVALID, Offence.BAD_TX, "bad")
RETRY = Failure(Consequence.RETRY, None, "later")
OURS = Failure(None, None, "disk full")


def _asked(world: TxWorld) -> list[tuple[int, int]]:
    return [(at, number) for at, number, _ in world.asked]


def test_an_outbound_announcer_is_asked_at_once_and_others_are_told() -> None:
    world = TxWorld()
    data = transactions(3)
    giver = world.join(1, outbound=True, answering=having(data))
    world.join(2)
    world.have(giver, data)
    assert _asked(world) == [(0, giver)]
    world.run(60_000)
    assert sorted(world.judged) == sorted(data)
    assert len(world.asked) == 1
    assert {to for _, to, _ in world.told} == {2}
    assert world.blames == []
    assert world.relay.statistics().held_bytes == 0


def test_an_inbound_announcer_waits_two_seconds_for_an_outbound() -> None:
    world = TxWorld()
    data = transactions(2)
    giver = world.join(1, answering=having(data))
    better = world.join(2, outbound=True, answering=having(data))
    world.have(giver, data)
    world.run(1_000)
    world.have(better, data[:1])
    world.run(10_000)
    assert [(at, to, len(many)) for at, to, many in world.asked] == [
        (1_000, better, 1),
        (2_000, giver, 1),
    ]
    assert len(world.judged) == 2


def test_a_transaction_is_asked_of_one_at_a_time() -> None:
    world = TxWorld()
    data = transactions(1)
    for number in range(1, 6):
        world.join(number, outbound=True, answering=having(data))
        world.have(PeerNumber(number), data)
    world.run(60_000)
    assert _asked(world) == [(0, 1)]
    assert len(world.judged) == 1


def test_after_three_seconds_the_next_is_asked_outbound_first() -> None:
    world = TxWorld()
    data = transactions(1)
    for number, outbound in ((1, True), (2, False), (3, True), (4, False)):
        world.join(number, outbound, having(data) if number == 4 else silent)
        world.have(PeerNumber(number), data)
    world.run(60_000)
    assert _asked(world) == [(0, 1), (3_000, 3), (6_000, 2), (9_000, 4)]
    assert world.judged == data
    assert world.relay.statistics().wanted == 0


@pytest.mark.parametrize(
    "answering",
    [
        having([]),
        lambda request: Refuse(request.number, bytes(64), REFUSED_BUSY),
    ],
)
def test_who_lacks_or_refuses_it_is_followed_by_the_next_at_once(
    answering: Callable[[GetTxs], Txs | Refuse],
) -> None:
    world = TxWorld()
    data = transactions(1)
    one = world.join(1, True, answering)
    two = world.join(2, True, having(data))
    world.have(one, data)
    world.have(two, data)
    world.run(5_000)
    assert _asked(world) == [(0, one), (50, two)]
    assert world.judged == data


def test_what_nobody_gives_is_forgotten_and_may_be_announced_anew() -> None:
    world = TxWorld()
    data = transactions(1)
    one = world.join(1, True)
    world.have(one, data)
    world.run(5_000)
    assert world.relay.statistics().wanted == 0
    world.answering[one] = having(data)
    world.have(one, data)
    world.run(10_000)
    assert world.judged == data


def test_when_a_peer_leaves_the_next_is_asked_at_once() -> None:
    world = TxWorld()
    data = transactions(2)
    one, two = world.join(1, True), world.join(2, True, having(data))
    world.have(one, data)
    world.have(two, data)
    world.run(100)
    world.leave(one)
    world.run(5_000)
    assert _asked(world) == [(0, one), (100, two)]
    assert len(world.judged) == 2
    assert world.relay.statistics().held_bytes == 0
    assert world.relay.statistics().wanted == 0


@pytest.mark.parametrize("answering", [silent, having([])])
def test_sixteen_unanswered_and_a_peer_is_not_asked_for_ten_minutes(answering: Answering) -> None:
    world = TxWorld(leave_on_blame=False)
    data = transactions(40)
    one = world.join(1, True, answering)
    world.have(one, data[:15])
    world.run(4_000)
    world.have(one, data[15:16])
    assert world.relay.statistics().silent == 0
    world.run(8_000)
    assert world.relay.statistics().silent == 1
    assert len(world.asked) == 2
    world.have(one, data[16:30])
    world.run(4_000 + TX_NOT_ASKED_MS - 1)
    world.have(one, data[16:30])
    assert len(world.asked) == 2
    world.run(8_000 + TX_NOT_ASKED_MS)
    world.have(one, data[30:])
    assert len(world.asked) == 3


def test_what_a_silent_peer_had_queued_is_asked_of_others() -> None:
    world = TxWorld()
    data = transactions(200)
    one, two = world.join(1, True), world.join(2, True, having(data))
    world.have(one, data)
    world.have(two, data)
    world.run(4_000)
    assert set(world.judged) == set(data)


def test_what_is_given_makes_up_for_what_was_not() -> None:
    world = TxWorld()
    data = transactions(60)
    one = world.join(1, True, having(data[::2]))
    for start in range(0, 60, 6):
        world.have(one, data[start : start + 6])
        world.run(world.now + 4_000)
    assert world.relay.statistics().silent == 0
    assert len(world.judged) == 30


def test_whoever_gave_before_is_asked_before_others_of_its_kind() -> None:
    world = TxWorld()
    data = transactions(12)
    giver = world.join(9, answering=having(data))
    world.have(giver, data[:1])
    world.run(5_000)
    liars = [world.join(number) for number in range(3)]
    for number in liars:
        world.have(number, data[1:])
    world.have(giver, data[1:])
    world.run(10_000)
    assert [number for _, number, _ in world.asked] == [giver, giver]
    assert len(world.judged) == 12


def test_who_gave_bad_ones_is_not_asked_before_others() -> None:
    world = TxWorld(judge=lambda data: BAD, leave_on_blame=False)
    data = transactions(2)
    giver, fresh = world.join(1, True, having(data)), world.join(2, True, having(data))
    world.have(giver, data[:1])
    world.run(5_000)
    world.answering[fresh] = silent
    slow = world.join(3, True)
    for number in (slow, fresh, giver):
        world.have(number, data[1:])
    world.run(20_000)
    assert [number for _, number, _ in world.asked] == [giver, slow, fresh, giver]


def test_an_announcer_that_gives_takes_over_from_one_that_waits_but_not_sooner() -> None:
    world = TxWorld()
    data = transactions(2)
    giver = world.join(1, answering=having(data))
    world.have(giver, data[:1])
    world.run(10_000)
    liar = world.join(2)
    world.have(liar, data[1:])
    world.run(11_000)
    world.have(giver, data[1:])
    world.run(20_000)
    assert _asked(world) == [(2_000, giver), (12_000, giver)]


def test_what_came_another_way_is_neither_asked_for_nor_admitted() -> None:
    world = TxWorld()
    data = transactions(3)
    one = world.join(1, True, having(data))
    world.admit(data[0])
    world.have(one, data)
    world.admit(data[1])
    world.run(5_000)
    assert [len(many) for _, _, many in world.asked] == [2]
    assert world.judged == data[2:]
    assert world.relay.statistics().held_bytes == 0


def _announce_all(world: TxWorld, sets: dict[PeerNumber, list[bytes]], seconds: int) -> None:
    """Every second each peer announces all that it has."""
    for _ in range(seconds):
        judged = set(world.judged)
        for number, data in sets.items():
            world.have(number, [one for one in data if one not in judged][:300])
        world.run(world.now + 1_000)


def test_a_peer_is_asked_for_20_a_second_after_its_burst() -> None:
    world = TxWorld()
    data = transactions(1_000)
    one = world.join(1, True, having(data))
    _announce_all(world, {one: data}, 3)
    counted = len(world.judged)
    assert counted >= TX_BURST
    _announce_all(world, {one: data}, 10)
    assert 195 <= len(world.judged) - counted <= 205
    assert len(world.asked) < 13_000 // ASK_EVERY_MS + 2


def test_calls_cost_twice_as_much() -> None:
    head = encode(Array(Unsigned(8), 2), (1, LlmCall.KIND))
    world = TxWorld()
    data = [head + one for one in transactions(1_000)]
    one = world.join(1, True, having(data))
    _announce_all(world, {one: data}, 20)
    counted = len(world.judged)
    _announce_all(world, {one: data}, 10)
    assert 95 <= len(world.judged) - counted <= 105


def _flooded(world: TxWorld) -> dict[PeerNumber, list[bytes]]:
    sets = {PeerNumber(number): transactions(1_000, number) for number in range(1, 17)}
    for number, data in sets.items():
        world.join(number, False, having(data))
    return sets


def test_two_hundred_a_second_in_all_and_a_third_of_the_burst_for_outbound() -> None:
    world = TxWorld()
    sets = _flooded(world)
    _announce_all(world, sets, 3)
    late = transactions(64, salt=99)
    outbound = world.join(99, True, having(late))
    world.have(outbound, late)
    world.run(world.now + 100)
    assert set(late) <= set(world.judged)
    _announce_all(world, sets, 7)
    counted = len(world.judged)
    _announce_all(world, sets, 5)
    assert 950 <= len(world.judged) - counted <= 1_050


def test_waiters_for_the_budget_of_all_take_turns() -> None:
    world = TxWorld()
    sets = _flooded(world)
    _announce_all(world, sets, 15)
    judged = set(world.judged)
    counts = [len(judged & set(data)) for data in sets.values()]
    assert min(counts) > 0.7 * max(counts)


def test_no_more_than_64_of_a_peer_are_in_flight() -> None:
    world = TxWorld()
    one = world.join(1, True)
    world.have(one, transactions(200))
    world.run(2_999)
    statistics = world.relay.statistics()
    assert statistics.in_flight == TX_IN_FLIGHT
    assert statistics.held_bytes == 64 * 200


def test_no_more_bytes_of_a_peer_are_in_flight_than_512_kib() -> None:
    world = TxWorld()
    one = world.join(1, True)
    world.have(one, transactions(64), size=TRANSACTION_BYTES)
    world.run(2_999)
    held = world.relay.statistics().held_bytes
    assert TX_IN_FLIGHT_BYTES - TRANSACTION_BYTES <= held <= TX_IN_FLIGHT_BYTES


def test_what_is_asked_for_at_once_fits_into_one_message() -> None:
    world = TxWorld()
    one = world.join(1, True)
    data = [*transactions(63, size=8_320), *transactions(1, salt=1, size=128)]
    world.have(one, data)
    ((_, _, prefixes),) = world.asked
    asked = [one for one in data if prefix_of(one) in prefixes]
    assert sum(map(len, data)) == TX_IN_FLIGHT_BYTES
    assert len(asked) >= 62
    assert len(encode_message(Txs(1, tuple(asked)))) <= TRANSACTIONS_BYTES


def test_bytes_in_flight_are_bounded_in_all_with_a_third_for_outbound() -> None:
    world = TxWorld()
    for number in range(1, 13):
        world.have(
            world.join(number), transactions(64, salt=number, size=200), size=TRANSACTION_BYTES
        )
    world.run(4_900)
    mib = 1 << 20
    held = world.relay.statistics().held_bytes
    assert 2 * mib < held <= 4 * mib - 4 * mib // 3
    for number in range(13, 20):
        world.have(world.join(number, True), transactions(64, salt=number), size=TRANSACTION_BYTES)
    assert 3 * mib < world.relay.statistics().held_bytes <= 4 * mib


def test_bytes_count_until_the_mempool_has_judged_them() -> None:
    world = TxWorld(judging_ms=10_000)
    data = transactions(10)
    one = world.join(1, True, having(data))
    world.have(one, data)
    world.run(1_000)
    statistics = world.relay.statistics()
    assert (statistics.held_bytes, statistics.judging_bytes) == (2_000, 2_000)
    world.leave(one)
    assert world.relay.statistics().held_bytes == 2_000
    world.run(20_000)
    statistics = world.relay.statistics()
    assert (statistics.held_bytes, statistics.judging_bytes) == (0, 0)
    assert len(world.judged) == 10


def test_what_was_accepted_is_not_asked_of_another_before_the_news_of_it_come() -> None:
    world = TxWorld()
    data = transactions(1)
    one, two = world.join(1, True), world.join(2, True)
    world.have(one, data)
    (admit,) = world.relay.answered(one, 1, Txs(1, tuple(data)), 0)
    assert isinstance(admit, Admit)
    world.relay.done(admit.key, Verdict.ACCEPTED, 0)
    world.have(two, data)
    assert _asked(world) == [(0, one)]
    prefix = world.admit(data[0])
    assert world.relay.statistics().refused == 0
    world.relay.gone(prefix)
    three = world.join(3, True)
    world.have(three, data)
    assert _asked(world) == [(0, one), (0, three)]


def test_what_is_being_judged_is_not_asked_of_another() -> None:
    world = TxWorld(judging_ms=10_000)
    data = transactions(1)
    one, two = world.join(1, True, having(data)), world.join(2, True, having(data))
    world.have(one, data)
    world.run(1_000)
    world.have(two, data)
    world.run(20_000)
    assert _asked(world) == [(0, one)]


def test_another_size_than_announced_is_an_offence() -> None:
    world = TxWorld()
    data = transactions(1)
    one = world.join(1, True, having(data))
    world.have(one, data, size=199)
    world.run(1_000)
    assert [blame.offence for blame in world.blames] == [Offence.SIZE]
    assert world.judged == []


@pytest.mark.parametrize("size", [0, TRANSACTION_BYTES + 1])
def test_a_size_that_no_transaction_has_is_an_offence(size: int) -> None:
    world = TxWorld()
    one = world.join(1, True)
    world.have(one, transactions(1), size=size)
    assert [blame.offence for blame in world.blames] == [Offence.SIZE]
    assert world.asked == []


def _answer(*indices: int, data: list[bytes]) -> Callable[[GetTxs], Txs]:
    return lambda request: Txs(request.number, tuple(data[index] for index in indices))


@pytest.mark.parametrize(("indices", "admitted"), [((2,), 0), ((1, 0), 1), ((0, 0), 1)])
def test_other_transactions_or_another_order_than_asked_are_an_offence(
    indices: tuple[int, ...], admitted: int
) -> None:
    world = TxWorld()
    data = transactions(3)
    one = world.join(1, True, _answer(*indices, data=data))
    two = world.join(2, True, having(data))
    world.have(one, data[:2])
    world.have(two, data[:2])
    world.run(40)
    assert world.judged == []
    world.run(5_000)
    assert [(blame.peer, blame.offence) for blame in world.blames] == [(one, Offence.UNASKED)]
    assert sorted(world.judged) == sorted(data[:2])
    assert [len(many) for _, to, many in world.asked if to == two] == [2 - admitted]


def test_announcements_on_a_blocks_only_link_are_an_offence() -> None:
    world = TxWorld()
    one = world.join(1, True, relays=False)
    world.have(one, transactions(1))
    assert [blame.offence for blame in world.blames] == [Offence.ORDER]


def _announce_again(world: TxWorld, data: list[bytes], number: int) -> int:
    """How often it is asked for when another peer announces it."""
    asked = len(world.asked)
    other = world.join(number, True, having(data))
    world.have(other, data)
    world.run(world.now + 5_000)
    return len(world.asked) - asked


@pytest.mark.parametrize(
    ("verdict", "offences", "at_once", "on_new_tip", "in_an_hour"),
    [
        (BAD, [Offence.BAD_TX], 0, 0, 1),
        (Failure(Consequence.WRONG_BYTES, Offence.BAD_TX, ""), [Offence.BAD_TX], 0, 0, 1),
        (RETRY, [], 0, 1, 0),
        (Failure(Consequence.FAILED, None, ""), [], 0, 1, 0),
        (Failure(Consequence.OTHER_RULES, None, ""), [], 0, 1, 0),
        (Verdict.KNOWN, [], 0, 1, 0),
        (OURS, [], 1, 1, 1),
    ],
)
def test_what_was_refused_is_not_asked_for_again(
    verdict: Verdict | Failure,
    offences: list[Offence],
    at_once: int,
    on_new_tip: int,
    in_an_hour: int,
) -> None:
    world = TxWorld(judge=lambda data: verdict)
    data = transactions(1)
    one = world.join(1, True, having(data))
    world.have(one, data)
    world.run(1_000)
    assert [blame.offence for blame in world.blames] == offences
    assert _announce_again(world, data, 2) == at_once
    world.relay.chain_changed(world.now)
    assert _announce_again(world, data, 3) == on_new_tip
    world.run(3_700_000)
    assert _announce_again(world, data, 4) == in_an_hour
    assert world.told == []


def test_the_giver_is_blamed_even_if_it_left_before_the_verdict() -> None:
    world = TxWorld(judge=lambda data: BAD, judging_ms=1_000)
    data = transactions(1)
    one = world.join(1, True, having(data))
    world.have(one, data)
    world.run(500)
    world.leave(one)
    world.run(5_000)
    assert [(blame.peer, blame.offence) for blame in world.blames] == [(one, Offence.BAD_TX)]


def test_nothing_is_asked_while_busy() -> None:
    world = TxWorld()
    data = transactions(1)
    one = world.join(1, True, having(data))
    world.relay.busy = True
    world.have(one, data)
    world.run(10_000)
    assert world.asked == []
    assert world.relay.told(one, prefix_of(data[0]))


def test_what_is_wanted_of_a_peer_is_bounded_and_takes_no_room_from_others() -> None:
    world = TxWorld()
    for number in range(1, 43):
        world.have(world.join(number), transactions(1_000, salt=number))
    assert world.relay.statistics().wanted == 42 * WANTED_OF_A_PEER
    late = world.join(99)
    world.have(late, transactions(100, salt=99))
    assert world.relay.statistics().wanted == 42 * WANTED_OF_A_PEER + 100


def test_a_long_queue_gives_way_to_a_shorter_one() -> None:
    world = TxWorld()
    data = transactions(256)
    hoarder = world.join(1, True, having(data))
    world.have(hoarder, data)
    quick = world.join(2, True, having(data))
    world.have(quick, data[200:])
    world.run(60)
    assert set(data[200:]) <= set(world.judged)


def test_what_waits_in_a_queue_is_asked_of_another_after_three_seconds() -> None:
    world = TxWorld()
    data = transactions(256, salt=1)
    first = transactions(256)
    hoarder = world.join(1, True, having(first + data))
    more = transactions(200, salt=2)
    other = world.join(2, True, having(more + data))
    # One has spent its burst and is first to announce; the other has a queue too, but a short one.
    world.have(hoarder, first)
    world.run(2_000)
    world.have(hoarder, data)
    world.have(other, more + data[200:])
    world.run(4_500)
    assert len(set(data[200:]) & set(world.judged)) == 0
    world.run(6_000)
    assert set(data[200:]) <= set(world.judged)


def test_answers_and_ends_of_unknown_requests_do_nothing() -> None:
    world = TxWorld()
    one = world.join(1, True)
    for number in (one, PeerNumber(7)):
        assert world.relay.answered(number, 1, Txs(1, (b"x",)), 0) == []
        assert world.relay.ended(number, 1, End.DONE, 0) == []
    assert world.relay.left(PeerNumber(7), 0) == []


def test_an_answer_is_admitted_once() -> None:
    world = TxWorld()
    data = transactions(1)
    one = world.join(1, True)
    world.have(one, data)
    ((_, _, _),) = world.asked
    first = world.relay.answered(one, 1, Txs(1, tuple(data)), 0)
    assert first == [Admit(prefix_of(data[0]), data[0])]
    again = HaveTxs((Announced(prefix_of(data[0]), len(data[0])),))
    assert world.relay.have(one, again, 0) == []
