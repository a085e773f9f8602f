"""This node's requests: numbers, whose answer is whose, what is late, and that each ends once."""

from collections.abc import Hashable

import pytest

from esper.p2p.actions import Blame, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import MOST_CLOSING, Delivered, Ended, Requests
from esper.p2p.limits import DRIP_BYTES_PER_S
from esper.p2p.peer import PeerNumber
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Answer, Request

PEER = PeerNumber(7)
OTHER = PeerNumber(8)
A, B = b"a" * 64, b"b" * 64
BOTH = talk.PART_BODY | talk.PART_PROOF


def compact(number: int) -> bulk.Compact:
    return bulk.Compact(number, b"h", b"o", (), (), (b"s" * 16,), ())


def ask(
    requests: Requests,
    request: Request,
    key: Hashable = "key",
    owner: Owner = Owner.SYNC,
    now: int = 0,
    peer: PeerNumber = PEER,
) -> int:
    return requests.ask(peer, owner, key, request, now).number


def test_numbers_ascend_from_one_on_each_connection() -> None:
    requests = Requests()
    numbers = [ask(requests, talk.GetBlock(0, A), key) for key in range(3)]
    assert numbers == [1, 2, 3]
    assert ask(requests, talk.GetBlock(0, A), peer=OTHER) == 1
    requests.answer(PEER, talk.Refuse(3, WHOLE_REST, 0), 0)
    assert ask(requests, talk.GetBlock(0, A), 2) == 4


def test_the_request_that_is_sent_differs_by_its_number_alone() -> None:
    request = talk.GetTxs(0, (b"p" * 16,))
    assert Requests().ask(PEER, Owner.SYNC, 0, request, 0) == talk.GetTxs(1, (b"p" * 16,))


def test_a_key_names_one_open_request_of_an_owner() -> None:
    requests = Requests()
    ask(requests, talk.GetBlock(0, A))
    ask(requests, talk.GetBlock(0, A), owner=Owner.BLOCKS)
    with pytest.raises(ValueError, match="already asked"):
        ask(requests, talk.GetBlock(0, B))
    requests.cancel(PEER, Owner.SYNC, "key", 0)
    ask(requests, talk.GetBlock(0, B))


def test_a_relayed_block_is_compact_then_proof() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlock(0, A), owner=Owner.BLOCKS)
    first = compact(number)
    assert requests.answer(PEER, first, 5) == (Delivered(PEER, Owner.BLOCKS, "key", first),)
    proof = bulk.Proof(number, A, b"p")
    assert requests.answer(PEER, proof, 9) == (
        Delivered(PEER, Owner.BLOCKS, "key", proof),
        Ended(PEER, Owner.BLOCKS, "key", End.DONE),
    )
    assert requests.statistics().open == 0


def test_blocks_come_id_by_id_body_then_proof_and_may_be_skipped() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlocks(0, (A, B, A), BOTH))
    messages: list[Answer | talk.Refuse] = [
        bulk.BodyOf(number, A, b""),
        bulk.Proof(number, A, b""),
        bulk.BodyOf(number, B, b""),
        talk.Refuse(number, B, talk.REFUSED_PRUNED),
        talk.Refuse(number, A, talk.REFUSED_UNKNOWN),
    ]
    outcomes = [requests.answer(PEER, message, 0) for message in messages]
    assert [one[0] for one in outcomes] == [
        Delivered(PEER, Owner.SYNC, "key", message) for message in messages
    ]
    assert [one[1:] for one in outcomes] == [()] * 4 + [(Ended(PEER, Owner.SYNC, "key", End.DONE),)]


@pytest.mark.parametrize("parts", [talk.PART_BODY, talk.PART_PROOF])
def test_one_part_alone_is_whole(parts: int) -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlocks(0, (A,), parts))
    kind = bulk.BodyOf if parts == talk.PART_BODY else bulk.Proof
    wrong = bulk.Proof if parts == talk.PART_BODY else bulk.BodyOf
    with pytest.raises(Fault):
        requests.answer(PEER, wrong(number, A, b""), 0)
    assert requests.answer(PEER, kind(number, A, b""), 0)[1:] == (
        Ended(PEER, Owner.SYNC, "key", End.DONE),
    )


def test_a_refusal_of_the_rest_ends_with_its_code() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlocks(0, (A, B), BOTH))
    requests.answer(PEER, bulk.BodyOf(number, A, b""), 0)
    assert requests.answer(PEER, talk.Refuse(number, WHOLE_REST, talk.REFUSED_BUSY), 0) == (
        Ended(PEER, Owner.SYNC, "key", End.REFUSED, talk.REFUSED_BUSY),
    )


WRONG: list[tuple[Request, Answer | talk.Refuse, Offence]] = [
    (talk.GetBlock(0, A), bulk.Proof(1, A, b""), Offence.UNASKED),
    (talk.GetBlock(0, A), talk.Refuse(1, B, 0), Offence.UNASKED),
    (talk.GetBlock(0, A), bulk.BodyOf(1, A, b""), Offence.UNASKED),
    (talk.GetBlocks(0, (A, B), BOTH), bulk.BodyOf(1, B, b""), Offence.UNASKED),
    (talk.GetBlocks(0, (A, B), BOTH), bulk.Proof(1, A, b""), Offence.UNASKED),
    (talk.GetBlocks(0, (A, B), BOTH), talk.Refuse(1, B, 0), Offence.UNASKED),
    (talk.GetBlockTxs(0, A, (1, 2)), bulk.BlockTxs(1, B, (b"", b"")), Offence.UNASKED),
    (talk.GetBlockTxs(0, A, (1, 2)), bulk.BlockTxs(1, A, (b"",)), Offence.SIZE),
    (talk.GetBlockTxs(0, A, (1, 2)), bulk.BlockTxs(1, A, (b"",) * 3), Offence.SIZE),
    (talk.GetBlockTxs(0, A, (1, 2)), bulk.Txs(1, (b"", b"")), Offence.UNASKED),
    (talk.GetBlockTxs(0, A, (1, 2)), talk.Refuse(1, B, 0), Offence.UNASKED),
    (talk.GetTxs(0, (b"p" * 16,)), bulk.Txs(1, (b"", b"")), Offence.SIZE),
    (talk.GetTxs(0, (b"p" * 16,)), bulk.BlockTxs(1, A, (b"",)), Offence.UNASKED),
    (talk.GetTxs(0, (b"p" * 16,)), talk.Refuse(1, A, 0), Offence.UNASKED),
    (talk.GetHeaders(0, (A,), 1), bulk.Headers(1, A, (b"", b"")), Offence.SIZE),
    (talk.GetHeaders(0, (A,), 1), bulk.Headers(1, B, ()), Offence.UNASKED),
    (talk.GetHeaders(0, (A,), 1), bulk.Txs(1, ()), Offence.UNASKED),
    (talk.GetHeaders(0, (A,), 1), talk.Refuse(1, A, 0), Offence.UNASKED),
    (talk.GetHeaders(0, (A,), 1), bulk.Headers(2, A, ()), Offence.UNASKED),
    (talk.GetHeaders(0, (A,), 1), bulk.Headers(0, A, ()), Offence.UNASKED),
    (packages.GetDigests(0, A, 0), packages.Digests(1, B, 0, 1, bytes(32)), Offence.UNASKED),
    (packages.GetDigests(0, A, 1), packages.Digests(1, A, 0, 1, bytes(32)), Offence.UNASKED),
    (packages.GetDigests(0, A, 0), packages.Holdings(1, A, 1, b"\1"), Offence.UNASKED),
    (packages.GetHoldings(0, A), packages.Holdings(1, B, 1, b"\1"), Offence.UNASKED),
    (packages.GetHoldings(0, A), talk.Refuse(1, B, 0), Offence.UNASKED),
    (packages.GetChunk(0, A, 3), packages.Chunk(1, A, 4, b""), Offence.UNASKED),
    (packages.GetChunk(0, A, 3), packages.Chunk(1, B, 3, b""), Offence.UNASKED),
    (packages.GetChunk(0, A, 3), bulk.Txs(1, ()), Offence.UNASKED),
]


@pytest.mark.parametrize(("request_", "message", "offence"), WRONG)
@pytest.mark.parametrize("closing", [False, True])
def test_what_was_not_asked_for_is_a_fault_and_the_request_stays(
    request_: Request, message: Answer | talk.Refuse, offence: Offence, closing: bool
) -> None:
    requests = Requests()
    ask(requests, request_)
    if closing:
        requests.cancel(PEER, Owner.SYNC, "key", 0)
    with pytest.raises(Fault) as caught:
        requests.answer(PEER, message, 0)
    assert caught.value.offence is offence
    assert len(requests.left(PEER)) == (0 if closing else 1)


RIGHT: list[tuple[Request, Answer]] = [
    (talk.GetBlockTxs(0, A, (1, 2)), bulk.BlockTxs(1, A, (b"", b""))),
    (talk.GetTxs(0, (b"p" * 16, b"q" * 16)), bulk.Txs(1, (b"",))),
    (talk.GetTxs(0, (b"p" * 16,)), bulk.Txs(1, ())),
    (talk.GetHeaders(0, (A, B), 2), bulk.Headers(1, B, (b"", b""))),
    (talk.GetHeaders(0, (A, B), 2), bulk.Headers(1, A, ())),
    (packages.GetDigests(0, A, 0), packages.Digests(1, A, 0, 1, bytes(32))),
    (packages.GetHoldings(0, A), packages.Holdings(1, A, 1, b"\1")),
    (packages.GetChunk(0, A, 3), packages.Chunk(1, A, 3, b"")),
]


@pytest.mark.parametrize(("request_", "message"), RIGHT)
def test_one_message_answers_it(request_: Request, message: Answer) -> None:
    requests = Requests()
    ask(requests, request_)
    assert requests.answer(PEER, message, 0)[1] == Ended(PEER, Owner.SYNC, "key", End.DONE)
    with pytest.raises(Fault) as caught:
        requests.answer(PEER, message, 0)
    assert caught.value.offence is Offence.UNASKED


def test_nobody_answers_what_another_was_asked() -> None:
    requests = Requests()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    with pytest.raises(Fault) as caught:
        requests.answer(OTHER, bulk.Txs(1, ()), 0)
    assert caught.value.offence is Offence.UNASKED


def test_what_comes_for_a_cancelled_request_is_thrown_away() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlocks(0, (A, B), BOTH))
    assert requests.cancel(PEER, Owner.SYNC, "key", 0) == talk.Nevermind(number)
    assert requests.cancel(PEER, Owner.SYNC, "key", 0) is None
    assert requests.statistics().open == 0
    assert requests.statistics().closing == 1
    assert requests.answer(PEER, bulk.BodyOf(number, A, b""), 0) == ()
    assert requests.answer(PEER, talk.Refuse(number, WHOLE_REST, 4), 0) == ()
    assert requests.statistics().closing == 0
    with pytest.raises(Fault):
        requests.answer(PEER, bulk.Proof(number, A, b""), 0)


def test_a_cancelled_request_ends_with_its_last_answer_too() -> None:
    requests = Requests()
    number = ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    requests.cancel(PEER, Owner.SYNC, "key", 0)
    assert requests.answer(PEER, bulk.Txs(number, ()), 0) == ()
    assert requests.statistics().closing == 0
    assert requests.on_time(100_000) == ()


def test_nothing_is_cancelled_at_a_peer_that_is_unknown() -> None:
    assert Requests().cancel(PEER, Owner.SYNC, "key", 0) is None


@pytest.mark.parametrize(
    ("request_", "within"),
    [
        (talk.GetBlock(0, A), 10_000),
        (talk.GetBlockTxs(0, A, (1,)), 3_000),
        (talk.GetTxs(0, (b"p" * 16,)), 3_000),
        (talk.GetHeaders(0, (A,), 1), 10_000),
        (talk.GetBlocks(0, (A,), BOTH), 10_000),
    ],
)
def test_an_answer_that_does_not_begin_is_late(request_: Request, within: int) -> None:
    requests = Requests()
    number = ask(requests, request_, now=100)
    assert requests.due() == 100 + within
    assert requests.on_time(99 + within) == ()
    late = requests.on_time(100 + within)
    assert late[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)
    assert isinstance(late[1], Blame)
    assert late[1].offence is Offence.LATE_ANSWER
    assert late[2:] == (Send(PEER, talk.Nevermind(number)),)
    assert requests.left(PEER) == ()


def _drip(requests: Requests, kind: int, per_second: int, seconds: int) -> list[object]:
    found: list[object] = []
    for second in range(1, seconds + 1):
        requests.arriving(PEER, kind, per_second, second * 1_000)
        found.extend(requests.on_time(second * 1_000))
    return found


def test_late_transactions_are_no_offence_by_themselves() -> None:
    requests = Requests()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)), owner=Owner.TRANSACTIONS)
    assert requests.on_time(3_000) == (
        Ended(PEER, Owner.TRANSACTIONS, "key", End.LATE),
        Send(PEER, talk.Nevermind(1)),
    )


def test_late_chunks_are_no_offence_by_themselves() -> None:
    requests = Requests()
    ask(requests, packages.GetChunk(0, A, 3), owner=Owner.PACKAGES)
    assert requests.on_time(10_000) == (
        Ended(PEER, Owner.PACKAGES, "key", End.LATE),
        Send(PEER, talk.Nevermind(1)),
    )


@pytest.mark.parametrize("chunk", [True, False])
def test_what_a_slow_chunk_holds_up_is_late_and_no_offence(chunk: bool) -> None:
    requests = Requests()
    first: Request = packages.GetChunk(0, A, 3) if chunk else talk.GetBlocks(0, (B,), BOTH)
    ask(requests, first, "first", Owner.PACKAGES)
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    ask(requests, talk.GetBlock(0, A), owner=Owner.BLOCKS)
    kind = packages.Chunk.TYPE if chunk else bulk.BodyOf.TYPE
    found = _drip(requests, kind, 1_000, 19)
    ends = {one.owner for one in found if isinstance(one, Ended) and one.end is End.LATE}
    assert ends == {Owner.PACKAGES, Owner.SYNC, Owner.BLOCKS}
    assert any(isinstance(one, Blame) for one in found) is not chunk
    # Not for ever: whoever never ends is late like anybody.
    blames = [one for one in _drip(requests, kind, 1, 80) if isinstance(one, Blame)]
    assert {one.offence for one in blames} >= {Offence.LATE}


def test_what_comes_late_is_thrown_away() -> None:
    requests = Requests()
    number = ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    requests.on_time(3_000)
    assert requests.answer(PEER, bulk.Txs(number, ()), 3_001) == ()
    assert requests.statistics().closing == 0


@pytest.mark.parametrize("late", [False, True])
def test_a_closing_request_must_end_within_a_minute(late: bool) -> None:
    requests = Requests()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    if late:
        requests.on_time(3_000)
    else:
        requests.cancel(PEER, Owner.SYNC, "key", 3_000)
    assert requests.on_time(62_999) == ()
    (blame,) = requests.on_time(63_000)
    assert isinstance(blame, Blame)
    assert blame.offence is Offence.LATE
    assert requests.on_time(122_999) == ()
    assert len(requests.on_time(123_000)) == 1


def test_each_part_gives_time_for_the_next() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlocks(0, (A,), BOTH))
    requests.answer(PEER, bulk.BodyOf(number, A, b""), 9_000)
    assert requests.on_time(18_999) == ()
    assert requests.on_time(19_000)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)


def test_a_relayed_block_must_be_whole_in_ten_seconds_however_it_comes() -> None:
    requests = Requests()
    number = ask(requests, talk.GetBlock(0, A))
    requests.arriving(PEER, bulk.Compact.TYPE, 100_000, 1_000)
    requests.arrived(PEER)
    requests.answer(PEER, compact(number), 9_000)
    requests.arriving(PEER, bulk.Proof.TYPE, 900_000, 9_900)
    assert requests.on_time(10_000)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)


def test_a_body_at_64_kib_a_second_is_in_time() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    assert _drip(requests, bulk.BodyOf.TYPE, DRIP_BYTES_PER_S, 40) == []


def test_a_body_that_drips_is_late() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    ask(requests, talk.GetBlocks(0, (A,), BOTH), "behind")
    found = _drip(requests, bulk.BodyOf.TYPE, DRIP_BYTES_PER_S - 7_300, 9)
    ends = [one for one in found if isinstance(one, Ended)]
    assert ends == [
        Ended(PEER, Owner.SYNC, "key", End.LATE),
        Ended(PEER, Owner.SYNC, "behind", End.LATE),
    ]


def test_a_drip_is_found_in_any_eight_seconds() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    requests.arriving(PEER, bulk.BodyOf.TYPE, 2_000_000, 0)
    assert requests.on_time(8_000) == ()
    requests.arriving(PEER, bulk.BodyOf.TYPE, 1, 15_999)
    assert requests.on_time(16_000)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)


def test_what_waits_behind_a_frame_has_time_until_it_is_whole() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    behind = ask(requests, talk.GetTxs(0, (b"p" * 16,)), "behind")
    assert _drip(requests, bulk.BodyOf.TYPE, DRIP_BYTES_PER_S, 20) == []
    requests.arrived(PEER)
    requests.answer(PEER, bulk.BodyOf(1, A, b""), 20_000)
    assert requests.answer(PEER, bulk.Txs(behind, ()), 22_999)[1:] == (
        Ended(PEER, Owner.SYNC, "behind", End.DONE),
    )


def test_a_frame_that_drips_gives_no_time_to_what_is_behind_it() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    ask(requests, talk.GetHeaders(0, (A,), 1), "behind")
    found = _drip(requests, bulk.BodyOf.TYPE, 1_000, 19)
    assert [one for one in found if isinstance(one, Ended)] == [
        Ended(PEER, Owner.SYNC, "key", End.LATE),
        Ended(PEER, Owner.SYNC, "behind", End.LATE),
    ]


def test_frames_that_nobody_awaits_give_no_time() -> None:
    requests = Requests()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    for kind in (bulk.BodyOf.TYPE, 200):
        requests.arriving(PEER, kind, 1 << 20, 2_900)
    assert requests.on_time(3_000)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)


def test_small_frames_set_one_timer_together() -> None:
    requests = Requests()
    ask(requests, talk.GetHeaders(0, (A,), 1))
    for now in range(1_000):
        requests.arriving(PEER, bulk.Headers.TYPE, 10, now)
        requests.arrived(PEER)
    assert requests.statistics().timers == 2
    assert requests.on_time(9_000) == ()
    requests.arriving(PEER, bulk.Headers.TYPE, 10, 9_500)
    assert requests.on_time(17_500)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)


def test_all_that_is_open_ends_when_the_peer_leaves() -> None:
    requests = Requests()
    ask(requests, talk.GetBlock(0, A), "one")
    ask(requests, talk.GetBlock(0, A), "two", Owner.BLOCKS)
    ask(requests, talk.GetBlock(0, A), "gone")
    requests.cancel(PEER, Owner.SYNC, "gone", 0)
    assert requests.left(PEER) == (
        Ended(PEER, Owner.SYNC, "one", End.LEFT),
        Ended(PEER, Owner.BLOCKS, "two", End.LEFT),
    )
    assert requests.left(PEER) == ()
    assert requests.on_time(10**9) == ()
    assert requests.due() is None


def test_a_node_that_slept_gives_everyone_their_time_again() -> None:
    requests = Requests()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    ask(requests, talk.GetBlocks(0, (A,), BOTH), "dripping")
    ask(requests, talk.GetTxs(0, (b"p" * 16,)), "closing")
    requests.cancel(PEER, Owner.SYNC, "closing", 0)
    requests.arriving(PEER, bulk.BodyOf.TYPE, 1, 0)
    requests.begin_anew(100_000)
    assert requests.on_time(102_999) == ()
    assert requests.on_time(103_000)[0] == Ended(PEER, Owner.SYNC, "key", End.LATE)
    assert requests.on_time(107_999) == ()
    assert requests.on_time(108_000)[0] == Ended(PEER, Owner.SYNC, "dripping", End.LATE)
    assert requests.on_time(159_999) == ()
    assert len(requests.on_time(160_000)) == 1


def test_a_peer_that_ends_nothing_is_late_before_it_owes_much() -> None:
    requests = Requests()
    for key in range(MOST_CLOSING):
        ask(requests, talk.GetTxs(0, (b"p" * 16,)), key)
        requests.cancel(PEER, Owner.SYNC, key, 0)
    assert requests.on_time(0) == ()
    ask(requests, talk.GetTxs(0, (b"p" * 16,)))
    requests.cancel(PEER, Owner.SYNC, "key", 0)
    (blame,) = requests.on_time(0)
    assert isinstance(blame, Blame)
    assert blame.offence is Offence.LATE
    # What was looked at early is not looked at twice for ever.
    requests.on_time(60_000)
    assert requests.statistics().timers == MOST_CLOSING + 1


def test_a_drip_says_nothing_about_what_is_thrown_away_anyway() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH), "cancelled")
    requests.cancel(PEER, Owner.SYNC, "cancelled", 0)
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    found = _drip(requests, bulk.BodyOf.TYPE, 1_000, 9)
    assert [one for one in found if isinstance(one, Ended)] == [
        Ended(PEER, Owner.SYNC, "key", End.LATE)
    ]


def test_a_closing_request_gets_no_time_from_what_arrives() -> None:
    requests = Requests()
    ask(requests, talk.GetBlocks(0, (A,), BOTH))
    requests.cancel(PEER, Owner.SYNC, "key", 0)
    found = _drip(requests, bulk.BodyOf.TYPE, 1 << 20, 60)
    assert [one.offence for one in found if isinstance(one, Blame)] == [Offence.LATE]
