"""Single turns of a call's way; ``tests/property/test_proving_line.py`` has them all together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from esper.gateway.proving import ProvingLine
from esper.gateway.proving_rows import (
    DEEP_BLOCKS,
    PENDING_LIMIT,
    QUEUE_MS,
    Alarm,
    Answered,
    Block,
    Charge,
    Conditions,
    Row,
    Sign,
    Spent,
    Status,
    Step,
    Version,
)

MODEL = b"m" * 64
NOW = Conditions(0, 0, 10**6, 10**6, 10, frozenset({MODEL}))


def row(call: str = "a", **changes: Any) -> Row:
    return replace(Row(call, MODEL, 2, (5, 6), 1_000, 0), **changes)


def line_of(*rows: Row, tip: int = 100) -> ProvingLine:
    return ProvingLine(rows, 0, tip)


def sign_once(line: ProvingLine, now: Conditions = NOW) -> Version:
    """The version that a look asks for and gets."""
    sign = line.look(now).sign
    assert sign is not None
    made = sum(len(row.versions) for row in line.rows.values())
    txid = b"%s-%d" % (sign.call.encode(), made)
    (version,) = line.signed(sign, txid, b"data").sends
    return version


def empty(line: ProvingLine, blocks: int = 1) -> list[Step]:
    return [line.added(Block(line.tip + 1, b"e%d" % (line.tip + 1))) for _ in range(blocks)]


def prove(line: ProvingLine, *versions: Version, answer: tuple[int, ...] = (5, 6)) -> Step:
    spent = tuple(Spent(version.txid, version.nonce) for version in versions)
    answered = tuple(Answered(version.txid, answer) for version in versions)
    return line.added(Block(line.tip + 1, b"p%d" % (line.tip + 1), spent, answered))


def test_inline_and_final_after_six_blocks() -> None:
    line = line_of(row())
    version = sign_once(line)
    assert (version.nonce, version.bid, version.expiry) == (0, 10, 140)
    prove(line, version)
    assert line.rows["a"].status is Status.PROVEN
    steps = empty(line, DEEP_BLOCKS - 1)
    assert not any(step.charges for step in steps[:-1])
    assert steps[-1].charges == [Charge("a", 10 * (2 + 4 * 2))]
    assert line.settled["a"].status is Status.FINAL


def test_what_no_mempool_holds_is_sent_again_in_order() -> None:
    line = line_of(row("a"), row("b"))
    first, second = sign_once(line), sign_once(line)
    assert line.look(NOW).sends == [first, second]
    assert line.look(replace(NOW, waiting=frozenset({first.txid}))).sends == [second]
    restarted = ProvingLine(reversed(list(line.rows.values())), line.next_nonce, line.tip)
    assert restarted.look(NOW).sends == [first, second]
    prove(line, first)
    line.undone(101, b"p101")
    assert line.rows["a"].status is Status.REORGANISED
    assert line.look(NOW).sends == [first, second]
    line.submitted(first.txid)
    assert line.rows["a"].status.value == "submitted"


def test_a_lapse_among_32_is_signed_again_with_its_nonce_at_twice_the_bid() -> None:
    line = line_of(*(row(f"{n}") for n in range(PENDING_LIMIT + 1)))
    sign_once(line)
    empty(line, 5)
    others = [sign_once(line) for _ in range(PENDING_LIMIT - 1)]
    assert line.look(NOW).sign is None
    empty(line, 35)
    again = sign_once(line)
    assert (again.nonce, again.bid, again.expiry) == (0, 20, 180)
    assert line.look(NOW).sends == [again, *others]


def test_the_bid_is_doubled_thrice_and_at_most_to_the_price() -> None:
    line = line_of(row())
    bids = []
    for _ in range(4):
        bids.append(sign_once(line).bid)
        empty(line, 40)
    assert bids == [10, 20, 40, 80]
    line.look(NOW)
    assert (line.rows["a"].status, line.rows["a"].reason) == (Status.UNPROVEN, "lapsed")
    dear = line_of(row(max_price=19))
    sign_once(dear)
    empty(dear, 40)
    dear.look(NOW)
    assert dear.rows["a"].reason == "price"
    # Its reservation comes back when no branch can take it any more.
    steps = empty(dear, DEEP_BLOCKS)
    assert [step.releases for step in steps] == [[]] * 5 + [["a"]]


def test_a_gap_takes_a_call_that_was_never_signed_else_a_cancel() -> None:
    line = line_of(row("a", max_price=19), row("b"))
    sign_once(line)
    empty(line)
    behind = sign_once(line)
    empty(line, 39)
    line.enqueue(row("c", model_id=b"other"))
    step = line.look(NOW)
    assert step.sign is not None
    assert (step.sign.cancel, step.sign.nonce) == (True, 0)
    (cancel,) = line.signed(step.sign, b"cancel", b"").sends
    assert line.look(NOW).sends == [cancel, behind]
    filled = line_of(row("a", max_price=19), row("b"))
    sign_once(filled)
    empty(filled)
    sign_once(filled)
    empty(filled, 39)
    filled.enqueue(row("c"))
    version = sign_once(filled)
    assert (version.nonce, version.txid[:1]) == (0, b"c")


def test_a_given_up_version_in_the_chain_is_it_and_the_other_waits_for_six_blocks() -> None:
    line = line_of(row("a", max_price=19))
    old = sign_once(line)
    empty(line, 40)
    line.enqueue(row("b"))
    new = sign_once(line)
    assert new.nonce == old.nonce
    prove(line, old)
    spent = replace(NOW, account_nonce=1)
    for _ in range(DEEP_BLOCKS - 1):
        assert line.look(spent).sign is None
        empty(line)
    assert line.settled["a"].status is Status.FINAL
    assert sign_once(line, spent).nonce == 1


def test_a_lane_that_lapses_is_queued_once_when_that_is_six_deep() -> None:
    line = line_of(row())
    for nonce in (0, 1):
        now = replace(NOW, account_nonce=nonce)
        version = sign_once(line, now)
        line.added(Block(line.tip + 1, b"open", (Spent(version.txid, nonce),)))
        assert line.rows["a"].status is Status.OPEN
        line.added(Block(line.tip + 1, b"lapse", lapsed=(version.txid,)))
        empty(line, DEEP_BLOCKS - 2)
        assert line.look(replace(now, account_nonce=nonce + 1)).sign is None
        (step,) = empty(line)
    assert step.releases == ["a"]
    assert line.settled["a"].reason == "lane_lapsed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"now_ms": QUEUE_MS}, "expired"),
        ({"now_ms": QUEUE_MS, "suggested_bid": 1_001}, "price"),
        ({"now_ms": QUEUE_MS, "credits": 99}, "credits"),
        ({"now_ms": QUEUE_MS, "rate_left": 99}, "credits"),
        ({"models": frozenset({b"other"})}, "model_changed"),
    ],
)
def test_given_up_with_a_reason(changes: dict[str, Any], reason: str) -> None:
    line = line_of(row())
    step = line.look(replace(NOW, **changes))
    assert (line.settled["a"].reason, step.releases, step.sign) == (reason, ["a"], None)


def test_credits_and_rate_cover_all_that_waits() -> None:
    line = line_of(row("a"), row("b"))
    sign_once(line)
    assert line.look(replace(NOW, credits=199)).sign is None
    assert line.look(replace(NOW, rate_left=199)).sign is None
    assert line.look(replace(NOW, credits=200, rate_left=200)).sign is not None


def test_expiry_ends_before_a_rotation() -> None:
    soon = replace(NOW, rotation_at=120)
    assert sign_once(line_of(row()), soon).expiry == 119
    assert line_of(row(), tip=118).look(soon).sign is not None
    assert line_of(row(), tip=119).look(soon).sign is None


def test_a_foreign_nonce_stops() -> None:
    line = line_of(row())
    step = line.look(replace(NOW, account_nonce=1))
    assert (step.stopped, step.alarms) == ("foreign_nonce", [Alarm("foreign_nonce")])
    assert (step.sign, step.sends) == (None, [])
    unknown = line_of(row())
    assert unknown.added(Block(101, b"b", (Spent(b"unknown", 0),))).stopped == "foreign_nonce"


def test_another_answer_than_the_signed_one_stops_and_is_kept() -> None:
    line = line_of(row(), row("b"))
    version = sign_once(line)
    step = prove(line, version, answer=(5, 7))
    assert step.alarms == [Alarm("engine_disagrees", "a")]
    assert (step.keep["a"].answer, step.keep["a"].disagreed) == ((5, 6), (5, 7))
    stopped = line.look(replace(NOW, account_nonce=1))
    assert (stopped.stopped, stopped.sign, stopped.sends) == ("engine_disagrees", None, [])
    last = empty(line, DEEP_BLOCKS - 1)[-1]
    assert (last.charges, last.releases) == ([], ["a"])


def test_a_final_one_undone_is_an_alarm_and_never_charged_again() -> None:
    line = line_of(row())
    version = sign_once(line)
    prove(line, version)
    empty(line, DEEP_BLOCKS - 1)
    for height in range(106, 101, -1):
        line.undone(height, b"e%d" % height)
    assert line.undone(101, b"p101").alarms == [Alarm("final_undone", "a")]
    assert line.look(NOW).sends == [version]
    prove(line, version)
    assert not any(step.charges or step.releases for step in empty(line, DEEP_BLOCKS))


def test_a_signature_that_comes_too_late_is_never_sent() -> None:
    line = line_of(row())
    sign = line.look(NOW).sign
    assert sign is not None
    assert line.look(NOW).sign is None
    line.look(replace(NOW, models=frozenset()))
    assert not line.signed(sign, b"late", b"").sends
    assert not line.signed(Sign("z", False, 0, 1, 2), b"unasked", b"").sends


def test_settled_rows_are_forgotten_where_no_block_is_undone() -> None:
    line = ProvingLine([row()], 0, 100, forget=10)
    prove(line, sign_once(line))
    empty(line, DEEP_BLOCKS + 8)
    assert line.settled
    empty(line)
    assert not line.settled


def test_a_signature_for_a_nonce_used_up_meanwhile_is_never_sent() -> None:
    line = line_of(row("a", max_price=19))
    old = sign_once(line)
    empty(line, 40)
    line.enqueue(row("b"))
    sign = line.look(NOW).sign
    assert sign is not None
    prove(line, old)
    assert not line.signed(sign, b"late", b"").sends
    assert line.rows["b"].status is Status.QUEUED


def test_one_given_up_stays_so_when_its_block_is_undone() -> None:
    line = line_of(row("a", max_price=19))
    old = sign_once(line)
    empty(line, 40)
    line.look(NOW)
    prove(line, old)
    line.undone(141, b"p141")
    assert (line.rows["a"].status, line.rows["a"].reason) == (Status.UNPROVEN, "price")
    assert not line.look(NOW).sends


def test_one_given_up_is_not_queued_after_its_lane_lapsed() -> None:
    line = line_of(row("a", max_price=19))
    old = sign_once(line)
    empty(line, 40)
    line.look(NOW)
    line.added(Block(141, b"open", (Spent(old.txid, 0),)))
    line.added(Block(142, b"lapse", lapsed=(old.txid,)))
    empty(line, DEEP_BLOCKS)
    assert line.settled["a"].status is Status.UNPROVEN


def test_a_lapse_that_an_undone_block_takes_back_is_sent_as_it_was() -> None:
    line = line_of(row())
    version = sign_once(line)
    empty(line, 40)
    sign = line.look(NOW).sign
    assert sign is not None
    line.not_signed(sign, NOW.now_ms)
    line.undone(140, b"e140")
    step = line.look(NOW)
    assert (step.sends, step.sign) == ([version], None)
    assert line.rows["a"].status is Status.REORGANISED


def test_no_more_are_sent_than_may_wait_after_blocks_were_undone() -> None:
    line = line_of(*(row(f"{n}") for n in range(PENDING_LIMIT + 8)))
    first = [sign_once(line) for _ in range(PENDING_LIMIT)]
    prove(line, *first[:8])
    after = replace(NOW, account_nonce=8)
    for _ in range(8):
        sign_once(line, after)
    line.undone(101, b"p101")
    assert line.look(NOW).sends == first
