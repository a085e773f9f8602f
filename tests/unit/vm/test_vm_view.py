"""Overlays and ledgers: what is read, what changes, and the way back."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper.primitives.codec import Record, decode, encode
from esper.primitives.ids import ModelId, Txid
from esper.vm import records
from esper.vm.ledger import Ledger
from esper.vm.records import (
    Account,
    CreditTotals,
    KnownKey,
    Lane,
    PendingReward,
    Unbonding,
)
from esper.vm.state import State
from esper.vm.view import Change, Overlay
from tests.support.vm_world import taken_back

ONE, TWO, THREE = (bytes([number]) * 32 for number in (1, 2, 3))
OWNER = b"\1" * 33


class CountingView:
    """A view that remembers what was asked."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries
        self.asked: list[bytes] = []

    def get(self, path: bytes) -> bytes | None:
        self.asked.append(path)
        return self.entries.get(path)


def test_a_record_is_read_once_and_only_if_touched() -> None:
    below = CountingView({ONE: b"a", TWO: b"b", THREE: b"c"})
    overlay = Overlay(below)
    assert below.asked == []
    assert [overlay.get(ONE), overlay.get(ONE)] == [b"a", b"a"]
    overlay.put(TWO, b"x")
    overlay.put(TWO, b"y")
    assert overlay.get(TWO) == b"y"
    assert overlay.changes() == (Change(TWO, b"b", b"y"),)
    assert below.asked == [ONE, TWO]


def test_changes_are_sorted_and_leave_out_what_is_as_before() -> None:
    overlay = Overlay(CountingView({ONE: b"a", TWO: b"b"}))
    overlay.put(THREE, b"c")
    overlay.put(TWO, None)
    overlay.put(ONE, b"x")
    overlay.put(ONE, b"a")
    changes = overlay.changes()
    assert changes == (Change(TWO, b"b", None), Change(THREE, None, b"c"))
    assert taken_back(changes) == [
        Change(TWO, None, b"b"),
        Change(THREE, b"c", None),
    ]


def test_an_overlay_on_an_overlay_is_taken_over_or_dropped() -> None:
    below = Overlay(CountingView({ONE: b"a"}))
    above = Overlay(below)
    above.put(ONE, b"b")
    above.put(TWO, b"c")
    assert (below.get(ONE), below.get(TWO)) == (b"a", None)
    below.absorb(above.changes())
    assert (below.get(ONE), below.get(TWO)) == (b"b", b"c")


entries = st.dictionaries(
    st.sampled_from([bytes([i]) * 32 for i in range(9)]), st.none() | st.binary(max_size=3)
)


@given(entries, entries)
def test_undo_leads_back(
    first: dict[bytes, bytes | None], second: dict[bytes, bytes | None]
) -> None:
    overlay = Overlay(State())
    for path, value in first.items():
        overlay.put(path, value)
    state = State().with_changes(overlay.changes())
    overlay = Overlay(state)
    for path, value in second.items():
        overlay.put(path, value)
    after = state.with_changes(overlay.changes())
    expected = {k: v for k, v in (first | second).items() if v is not None}
    assert dict(after.tree) == expected
    back = after.with_changes(taken_back(overlay.changes()))
    assert back.root == state.root


def test_changes_of_another_state_are_refused() -> None:
    with pytest.raises(ValueError, match="belongs to another state"):
        State().with_changes([Change(ONE, b"a", b"b")])


LANE = Lane(OWNER, ModelId(bytes(64)), (1, 2), 8, 10, 3, 100, 200, lapse_height=9, due_index=0)

EXAMPLES: list[tuple[Record[Any], object]] = [
    (records.ACCOUNT, Account(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)),
    (records.PENDING_REWARD, PendingReward(OWNER, 5)),
    (records.KNOWN_KEY, KnownKey(1, bytes(1952))),
    (records.CREDIT_TOTALS, CreditTotals(1, 2, 3, 4, 5, 6, 7, 8)),
    (records.DUE_COUNT, records.DueCount(3)),
    (records.UNBONDING, Unbonding(OWNER, 7)),
    (records.LANE_DUE, records.LaneDue(Txid(bytes(64)))),
    (records.LANE, LANE),
]


@pytest.mark.parametrize(("codec", "record"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_records_read_back(codec: Record[Any], record: object) -> None:
    data = encode(codec, record)
    assert decode(codec, data, limit=records.RECORD_LIMIT, what="record") == record


def test_the_largest_lane_is_within_the_limit() -> None:
    big = (1 << 32) - 1
    amount = (1 << 63) - 1
    prompt = (big,) * records.MAX_PROMPT_TOKENS
    lane = Lane(OWNER, ModelId(bytes(64)), prompt, 65535, big, big, amount, amount, big, big)
    assert len(encode(records.LANE, lane)) <= records.RECORD_LIMIT


def test_every_place_is_another() -> None:
    paths = {
        records.CHAIN_PATH,
        records.CREDITS_PATH,
        records.account_path(OWNER),
        records.key_path(OWNER),
        records.reward_path(7),
        records.unbonding_count_path(7),
        records.unbonding_path(7, 0),
        records.unbonding_path(7, 1),
        records.lane_count_path(7),
        records.lane_due_path(7, 0),
        records.lane_due_path(7, 1),
        records.lane_path(Txid(bytes(64))),
    }
    assert len(paths) == 12


def test_empty_records_take_no_place() -> None:
    overlay = Overlay(State())
    ledger = Ledger(overlay)
    ledger.set_account(OWNER, Account(balance=5))
    ledger.set_totals(CreditTotals(epoch=1))
    assert len(overlay.changes()) == 2
    ledger.set_account(OWNER, Account())
    ledger.set_totals(CreditTotals())
    assert overlay.changes() == ()
    assert ledger.account(OWNER) == Account()


def test_an_account_with_any_field_takes_a_place() -> None:
    for field in fields(Account):
        overlay = Overlay(State())
        Ledger(overlay).set_account(OWNER, replace(Account(), **{field.name: 1}))
        assert len(overlay.changes()) == 1


def test_moved_units_and_counted_transactions_change_nothing_else() -> None:
    account = Account(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    assert account.moved(5) == replace(account, balance=7)
    assert account.moved(-2, transactions=1) == replace(account, balance=0, nonce=2)


def test_a_ledger_sees_what_others_put_into_its_overlay() -> None:
    overlay = Overlay(State())
    ledger = Ledger(overlay)
    ledger.set_account(OWNER, Account(balance=5))
    path = records.account_path(OWNER)
    overlay.put(path, encode(records.ACCOUNT, Account(balance=6)))
    assert ledger.account(OWNER).balance == 6
    overlay.put(path, None)
    assert ledger.account(OWNER) == Account()


def test_what_falls_due_comes_in_order_and_leaves_nothing() -> None:
    overlay = Overlay(State())
    ledger = Ledger(overlay)
    for amount in (5, 6, 7):
        ledger.add_unbonding(9, Unbonding(OWNER, amount))
    ledger.add_unbonding(10, Unbonding(OWNER, 8))
    assert ledger.coins == 26
    assert [entry.amount for entry in ledger.take_unbondings(9)] == [5, 6, 7]
    assert [entry.amount for entry in ledger.take_unbondings(9)] == []
    assert [entry.amount for entry in ledger.take_unbondings(10)] == [8]
    assert ledger.coins == 0
    assert overlay.changes() == ()


def test_answered_lanes_do_not_lapse() -> None:
    overlay = Overlay(State())
    ledger = Ledger(overlay)
    lanes = [
        Lane(OWNER, ModelId(bytes(64)), (1,), 8, 10, 3, amount, 0, lapse_height=9, due_index=amount)
        for amount in range(3)
    ]
    for index, lane in enumerate(lanes):
        ledger.add_lane(Txid(bytes([index]) * 64), lane)
    assert ledger.lanes_due(9) == 3
    ledger.remove_lane(Txid(b"\1" * 64), lanes[1])
    assert list(ledger.take_lanes_due(9)) == [lanes[0], lanes[2]]
    assert overlay.changes() == ()


def test_a_state_that_contradicts_itself_is_named() -> None:
    overlay = Overlay(State())
    ledger = Ledger(overlay)
    ledger.add_unbonding(9, Unbonding(OWNER, 5))
    overlay.put(records.unbonding_path(9, 0), None)
    with pytest.raises(KeyError, match="that others point to"):
        list(ledger.take_unbondings(9))
