"""What the market's readers refuse, and what keeps its records apart."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from esper.dao.promise import decode_promise
from esper.market.records.acks import MAX_ACK_PATH, acks_root, is_acknowledged
from esper.market.records.claim import (
    CLAIM_LIMIT,
    SessionClaim,
    ToldStatuses,
    decode_claim,
)
from esper.market.records.digests import digest
from esper.market.records.offer import MarketOffer, OfferAttribute
from esper.market.records.record import Finish, MarketRecord, decode_record
from esper.market.records.request import MarketRequest, decode_request, requester_of
from esper.market.records.statuses import DrawStatus, read_statuses, statuses_bytes
from esper.market.records.windows import (
    TraceWindow,
    answer_tree,
    prompt_tree,
    trace_tree,
    window_count,
)
from esper.primitives.codec import CodecError
from esper.primitives.work_outputs import Candidate
from tests.support.market_world import (
    KEY,
    SESSION,
    ack_path,
    grown,
    pattern,
    record_of,
    settled_session,
)
from tests.support.receipt_world import promise_receipt

RECORD = record_of(23)
SETTLED = settled_session(3)


def test_versions_one_and_two_are_told_apart() -> None:
    # An array of 20, then the version.
    assert RECORD.to_bytes()[:4] == b"\xdc\x00\x14\x02"
    with pytest.raises(CodecError, match="promise"):
        decode_promise(RECORD.to_bytes())
    promise = promise_receipt().instant
    assert promise is not None
    with pytest.raises(CodecError, match="market record"):
        decode_record(promise.record)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"finish": 3}, "finish 3, must be one of 0, 1, 2"),
        ({"before": RECORD.spent + 1}, "must not exceed spent"),
        ({"t0": RECORD.t1 + 1}, "must not exceed t1"),
        ({"max_tokens": RECORD.answer_tokens - 1}, "must not exceed max_tokens 59"),
    ],
)
def test_records_that_contradict_themselves(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        replace(RECORD, **changed)


def test_a_record_may_begin_and_end_at_once() -> None:
    found = replace(RECORD, before=RECORD.spent, t0=RECORD.t1, finish=Finish.CUT, answer_tokens=0)
    assert decode_record(found.to_bytes()) == found


@pytest.mark.parametrize("changed", [{"first": 4}, {"paid_from": SETTLED.claim.paid_to + 1}])
def test_claims_that_end_before_they_begin(changed: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must not exceed"):
        replace(SETTLED.claim, **changed)


def test_a_claim_for_its_statuses_alone() -> None:
    about = SETTLED.about(DrawStatus.FIRST)
    assert decode_claim(about.to_bytes()) == about
    assert (about.amount, about.replies) == (0, 0)


def test_a_claim_tells_of_several_earlier_ones_in_their_order() -> None:
    told = (ToldStatuses(3, b"\1"), ToldStatuses(4, b""))
    claim = replace(SETTLED.claim, told=told)
    assert decode_claim(claim.to_bytes()) == claim
    assert [claim.told_of(slot) for slot in (2, 3, 4, 5)] == [None, b"\1", b"", None]
    for bad in (told[::-1], (told[0], told[0])):
        with pytest.raises(ValueError, match="told: slots must ascend"):
            replace(claim, told=bad)
    full = tuple(ToldStatuses((1 << 32) - 1 - at, bytes(4)) for at in range(10))[::-1]
    widest = SessionClaim(bytes(64), 0, (1 << 32) - 1, 0, (1 << 63) - 1, bytes(64), full)
    assert len(widest.to_bytes()) <= CLAIM_LIMIT
    with pytest.raises(ValueError, match="told"):
        replace(widest, told=(ToldStatuses(1, b""), *full)).to_bytes()


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (decode_record, RECORD.to_bytes()),
        (decode_request, SETTLED.request.to_bytes()),
        (decode_claim, SETTLED.claim.to_bytes()),
    ],
)
def test_every_byte_counts(read: Callable[[bytes], Any], data: bytes) -> None:
    assert read(data).to_bytes() == data
    for bad in (data[:-1], data + b"\0", b"\x90" + data[1:]):
        with pytest.raises(CodecError):
            read(bad)


def test_the_last_request_and_the_best_rating() -> None:
    request = SETTLED.request
    assert request.is_last
    assert not replace(request, expiry=1).is_last
    assert not replace(request, max_tokens=1).is_last
    with pytest.raises(ValueError, match="rating"):
        replace(request, rating=16).to_bytes()


def test_a_request_is_signed_under_a_tag_of_its_own() -> None:
    data = SETTLED.request.to_bytes()
    assert requester_of(data, KEY.public, KEY.sign(digest(data))) is None
    assert isinstance(decode_request(data), MarketRequest)


def test_attributes_of_an_offer_have_one_order() -> None:
    ascending = (OfferAttribute(1, 5), OfferAttribute(2, 0))
    assert MarketOffer(1, 2, 3, 4, 5, 6, 7, ascending, b"").attributes == ascending
    for bad in (ascending[::-1], (ascending[0], replace(ascending[0], value=6))):
        with pytest.raises(ValueError, match="keys must ascend"):
            MarketOffer(1, 2, 3, 4, 5, 6, 7, bad, b"")


@pytest.mark.parametrize("count", range(17))
def test_statuses_have_one_form(count: int) -> None:
    statuses = tuple(DrawStatus(at % 4) for at in range(count))
    data = statuses_bytes(statuses)
    assert read_statuses(data, count) == statuses
    with pytest.raises(CodecError, match="bytes, must be"):
        read_statuses(data + b"\0", count)
    if count % 4:
        with pytest.raises(CodecError, match="are not zero"):
            read_statuses(data[:-1] + bytes((data[-1] | 0xC0,)), count)


def test_a_claim_says_sixteen_statuses_at_most() -> None:
    with pytest.raises(ValueError, match="17 statuses, must be 16 at most"):
        statuses_bytes([DrawStatus.FIRST] * 17)


def test_windows_of_tokens() -> None:
    assert [window_count(tokens) for tokens in (0, 1, 32, 33, 64)] == [0, 1, 1, 2, 2]
    ids = tuple(range(40))
    salt = pattern(32, 1)
    assert prompt_tree(salt, ids).count == answer_tree(ids).count == 2
    assert prompt_tree(salt, ids).root != prompt_tree(pattern(32, 2), ids).root
    assert answer_tree(ids).root != answer_tree((*ids[:39], 40)).root


def test_one_logit_changes_a_trace() -> None:
    best = [[Candidate(rank, 100 - rank) for rank in range(4)] for _ in range(40)]
    honest = trace_tree(range(40), best).root
    best[39] = [*best[39][:3], Candidate(3, 96)]
    assert trace_tree(range(40), best).root != honest


def test_a_trace_has_four_candidates_of_every_token() -> None:
    best = tuple(Candidate(rank, 100 - rank) for rank in range(4))
    assert TraceWindow(0, (1, 2), (best, best)).ids == (1, 2)
    with pytest.raises(ValueError, match="1 lists for 2 tokens"):
        TraceWindow(0, (1, 2), (best,))
    with pytest.raises(ValueError, match="has not 4 candidates"):
        TraceWindow(0, (1, 2), (best, best[:3]))
    with pytest.raises(ValueError, match="1 lists for 2 tokens"):
        trace_tree((1, 2), (best,))


@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_acknowledged_turns(count: int) -> None:
    digests = [record_of(turn).digest for turn in range(count)]
    root = acks_root(grown(digests)[0])
    for turn in (-1, count, count + 1):
        assert not is_acknowledged(root, count, turn, digests[0], ())
    # Another number of replies has another root, and a path has one length.
    path = ack_path(digests, 0)
    assert is_acknowledged(root, count, 0, digests[0], path)
    for other in (count - 1, count + 1):
        assert not is_acknowledged(root, other, 0, digests[0], path)
    for bad in (path[1:], (*path, bytes(64)), (bytes(64),) * MAX_ACK_PATH):
        assert bad == path or not is_acknowledged(root, count, 0, digests[0], bad)


def test_records_of_different_kinds_have_different_digests() -> None:
    assert RECORD.session == SESSION
    assert isinstance(RECORD, MarketRecord)
    assert RECORD.digest == digest(RECORD.to_bytes()) != digest(SETTLED.claim.to_bytes())
