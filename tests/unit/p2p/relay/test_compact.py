"""Compact blocks: made, filled, bounded."""

from dataclasses import replace

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import FILLED_BYTES, PREFIX_BYTES
from esper.p2p.relay.compact import (
    BlockParts,
    Filling,
    check_roots,
    prefixes_of,
    read_whole_body,
)
from esper.p2p.wire.bulk_messages import Filled
from esper.p2p.wire.framing import frame_bytes
from esper.primitives.hashing import tagged_hash
from esper.primitives.ids import BlockId
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.transaction import TAG_WTXID
from esper.vm.transfer import Transfer
from tests.support.net.relay_world import (
    GENESIS,
    LIMITS,
    body_of,
    header_of,
    made_on,
    parts_of,
    transactions_of,
)

MADE = made_on(GENESIS, "alice", "bob")
PARTS = parts_of(MADE)
BODY = LIMITS.body


def nothing(_prefix: bytes) -> tuple[bytes, ...]:
    return ()


def with_transactions(*transactions: bytes) -> BlockParts:
    """Parts of a block that nobody would prove: for sizes alone."""
    lists = ((*transactions, PARTS.transactions[-1]), (), ())
    return BlockParts.of_lists(BlockId(bytes(64)), b"header", b"outputs", b"proof", lists)


def transaction(size: int, mark: int, kind: int = Transfer.KIND) -> bytes:
    """Begins like a transaction, and has a size."""
    return bytes((0x93, 1, kind, mark)).ljust(size, b"\0")


def test_a_prefix_is_the_beginning_of_the_wtxid() -> None:
    one = PARTS.transactions[0]
    assert prefixes_of([one]) == (tagged_hash(TAG_WTXID, one)[:PREFIX_BYTES],)


def test_the_coinbase_is_always_brought_along() -> None:
    compact = PARTS.compact(lambda _: True)
    assert [one.index for one in compact.filled] == [2]
    assert compact.shorts == PARTS.prefixes[:2]
    assert compact.count == 3


def test_results_of_lanes_are_always_brought_along() -> None:
    call, result = (transaction(900, 1, kind) for kind in (LlmCall.KIND, LlmResult.KIND))
    parts = with_transactions(call, result, transaction(900, 2, LlmResult.KIND))
    compact = parts.compact(lambda _: True)
    assert [one.index for one in compact.filled] == [1, 2, 3]
    assert compact.shorts == parts.prefixes[:1]


def test_what_the_peer_was_not_told_of_is_brought_along() -> None:
    told = PARTS.prefixes[0]
    compact = PARTS.compact(lambda prefix: prefix == told)
    assert [one.index for one in compact.filled] == [1, 2]
    assert compact.shorts == (told,)


def test_no_more_than_64_kib_are_brought_along_unasked() -> None:
    sizes = [FILLED_BYTES - 1000, 2000, 1000, 1]
    parts = with_transactions(*(transaction(max(size, 4), size % 256) for size in sizes))
    compact = parts.compact(lambda _: False)
    assert [one.index for one in compact.filled] == [0, 2, 4]
    assert sum(len(one.transaction) for one in compact.filled[:-1]) == FILLED_BYTES


def test_a_compact_block_says_what_the_block_says() -> None:
    compact = PARTS.compact(lambda _: False, 7)
    assert (compact.number, compact.header) == (7, MADE.data.header)
    assert (compact.results, compact.groups) == (PARTS.results, PARTS.groups)
    filling = Filling(compact, nothing, BODY)
    assert filling.is_whole
    assert filling.transactions == PARTS.transactions
    assert body_of(PARTS) == MADE.data.body


def test_transactions_are_found_by_prefix_or_missing() -> None:
    compact = PARTS.compact(lambda _: True)
    here = {PARTS.prefixes[1]: (PARTS.transactions[1],)}
    filling = Filling(compact, lambda prefix: here.get(prefix, ()), BODY)
    assert filling.missing == (0,)
    with pytest.raises(ValueError, match="missing"):
        _ = filling.transactions
    filling.take([PARTS.transactions[0]])
    assert filling.is_whole
    assert filling.transactions == PARTS.transactions


def test_two_candidates_for_a_prefix_are_ambiguous() -> None:
    compact = PARTS.compact(lambda _: True)
    filling = Filling(compact, lambda _: (b"one", b"another"), BODY)
    assert filling.is_ambiguous
    assert not filling.is_whole


@pytest.mark.parametrize(
    "given",
    [
        [],
        [PARTS.transactions[0]],
        [PARTS.transactions[1], PARTS.transactions[0]],
        [*PARTS.transactions[:2], b"more"],
    ],
)
def test_others_than_were_asked_for_are_wrong_bytes(given: list[bytes]) -> None:
    filling = Filling(PARTS.compact(lambda _: True), nothing, BODY)
    with pytest.raises(Fault) as caught:
        filling.take(given)
    assert caught.value.offence is Offence.BYTES


def test_compact_block_and_what_was_missing_have_one_bound() -> None:
    parts = with_transactions(transaction(500, 1), transaction(400, 2))
    compact = parts.compact(lambda _: True)
    size = (
        sum(map(len, (compact.header, compact.outputs, compact.filled[0].transaction)))
        + 2 * PREFIX_BYTES
    )
    filling = Filling(compact, nothing, size + 900 - 96 * 1024)
    filling.take(parts.transactions[:2])
    filling = Filling(compact, nothing, size + 899 - 96 * 1024)
    with pytest.raises(Fault) as caught:
        filling.take(parts.transactions[:2])
    assert caught.value.offence is Offence.SIZE
    with pytest.raises(Fault) as caught:
        Filling(compact, nothing, size - 1 - 96 * 1024)
    assert caught.value.offence is Offence.SIZE


@pytest.mark.parametrize("field", ["header", "outputs", "results", "groups", "filled"])
def test_every_part_counts(field: str) -> None:
    compact = PARTS.compact(lambda _: True)
    long = bytes(BODY + 97 * 1024)
    value = {
        "header": long,
        "outputs": long,
        "results": (long,),
        "groups": (long,),
        "filled": (Filled(2, long),),
    }[field]
    with pytest.raises(Fault) as caught:
        Filling(replace(compact, **{field: value}), nothing, BODY)  # type: ignore[arg-type]
    assert caught.value.offence is Offence.SIZE


def test_an_honest_compact_block_of_a_full_body_fits_its_frame() -> None:
    count = 4000
    # As many prefixes and brought bytes as there can be beside a full body.
    each = (LIMITS.body - 70_000) // count
    each_one = (transaction(each, 1) + index.to_bytes(2, "big") for index in range(count))
    parts = with_transactions(*each_one)
    compact = parts.compact(lambda _: False)
    short = set(compact.shorts)
    missing = [one for one, prefix in zip(parts.transactions, parts.prefixes, strict=True)
               if prefix in short]  # fmt: skip
    assert len(frame_bytes(compact)) <= LIMITS.body + 96 * 1024
    Filling(compact, nothing, LIMITS.body).take(missing)


def test_roots_are_compared() -> None:
    check_roots(PARTS.results, PARTS.groups, header_of(MADE))
    for results, groups in [((b"x",), ()), ((), (b"x",))]:
        with pytest.raises(Fault) as caught:
            check_roots(results, groups, header_of(MADE))
        assert caught.value.offence is Offence.BYTES


def test_a_whole_body_is_of_the_outputs_and_lists_that_were_proven() -> None:
    header = header_of(MADE)
    body = read_whole_body(MADE.data.body, BODY, PARTS.outputs, header)
    assert body.transactions == transactions_of(MADE)
    other = parts_of(made_on(GENESIS))
    for data, limit, outputs in [
        (b"junk", BODY, PARTS.outputs),
        (MADE.data.body, len(MADE.data.body) - 1, PARTS.outputs),
        (MADE.data.body, BODY, other.outputs),
        (body_of(replace(PARTS, results=(b"x",))), BODY, PARTS.outputs),
        (body_of(replace(PARTS, groups=(b"x",))), BODY, PARTS.outputs),
    ]:
        with pytest.raises(Fault) as caught:
            read_whole_body(data, limit, outputs, header)
        assert caught.value.offence is Offence.BYTES
