"""How long charges, sums of periods and days of usage are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from esper.gateway.proving_rows import Step
from esper.gateway.store.budget import DAY_MS, PeriodState
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.old_books import AT_ONCE, BookAges
from esper.gateway.store.receipts import DROPPED_MS, PROMISE_MS
from tests.support.gateway.accounts import NOW, account, instant

OWNER = account().id
PERIOD = account().period(NOW)
CALL = "c" * 32
AGES = BookAges(ledger_days=40, usage_days=400)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatewayStore]:
    with GatewayStore(tmp_path / "gateway.db") as opened:
        assert opened.accounts.add(account())
        yield opened


def answered(store: GatewayStore, call: str = CALL, *, proven: bool = False) -> None:
    assert store.budget.reserve(call, OWNER, 300, NOW)
    store.receipts.promise(instant(call, proven), NOW)


def forgotten(store: GatewayStore) -> None:
    """Nothing but the books knows of the call."""
    store.receipts.drop_old(NOW + PROMISE_MS)
    store.receipts.drop_old(NOW + DROPPED_MS)


def test_a_charge_goes_after_its_days(store: GatewayStore) -> None:
    answered(store)
    forgotten(store)
    assert store.old_books.drop(NOW + 40 * DAY_MS - 1, AGES) == 0
    assert store.budget.charges(CALL) == {"serve": 10}
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 0)
    # The period's end comes after the charge.
    assert store.old_books.drop(NOW + 40 * DAY_MS, AGES) == 1
    assert store.budget.charges(CALL) == {}
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 0)
    assert store.old_books.drop(NOW + 41 * DAY_MS, AGES) == 1
    assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 0)


def test_it_stays_while_its_receipt_does(store: GatewayStore) -> None:
    answered(store)
    assert store.old_books.drop(NOW + 50 * DAY_MS, AGES) == 1
    assert store.budget.charges(CALL) == {"serve": 10}


def test_it_stays_while_its_row_does(store: GatewayStore) -> None:
    answered(store, proven=True)
    row = instant(CALL).row
    assert row is not None
    settled = replace(row, settled_at=10)
    store.line.commit(Step(keep={CALL: settled}, releases=[CALL]), NOW)
    forgotten(store)
    store.old_books.drop(NOW + 50 * DAY_MS, AGES)
    assert store.budget.charges(CALL) == {"serve": 10}
    store.line.forget_settled(11)
    store.old_books.drop(NOW + 50 * DAY_MS, AGES)
    assert store.budget.charges(CALL) == {}


def test_charge_and_period_stay_while_something_is_reserved(store: GatewayStore) -> None:
    answered(store)
    forgotten(store)
    assert store.budget.reserve(CALL, OWNER, 5, NOW)
    assert store.old_books.drop(NOW + 50 * DAY_MS, AGES) == 0
    store.budget.release(CALL)
    assert store.old_books.drop(NOW + 50 * DAY_MS, AGES) == 2


def test_the_period_that_counts_is_never_dropped(tmp_path: Path) -> None:
    with GatewayStore(tmp_path / "gateway.db") as store:
        store.accounts.add(account(period_ms=100 * DAY_MS))
        answered(store)
        forgotten(store)
        period = account(period_ms=100 * DAY_MS).period(NOW)
        last = (period + 1) * 100 * DAY_MS - 1
        store.old_books.drop(last, BookAges(ledger_days=0))
        assert store.budget.state(OWNER, period) == PeriodState(10, 0)
        store.old_books.drop(last + 1, BookAges(ledger_days=0))
        assert store.budget.state(OWNER, period) == PeriodState(0, 0)


def test_days_of_usage_go_after_theirs(store: GatewayStore) -> None:
    answered(store)
    today = NOW // DAY_MS
    store.old_books.drop(NOW + 399 * DAY_MS, AGES)
    assert len(store.budget.usage(OWNER, today, today)) == 1
    store.old_books.drop(NOW + 400 * DAY_MS, AGES)
    assert store.budget.usage(OWNER, today, today) == []


def test_so_many_at_once(store: GatewayStore) -> None:
    with store._database.commit() as connection:
        connection.executemany(
            "INSERT INTO ledger VALUES (?, 'serve', 'x', 0, 1, 0)",
            [(f"{number:032x}",) for number in range(7)],
        )
    assert [store.old_books.drop(NOW, AGES, most=3) for _ in range(4)] == [3, 3, 1, 0]
    assert AT_ONCE > 3


def test_a_proof_with_its_anchor_is_not_kept_the_longer(store: GatewayStore) -> None:
    answered(store)
    assert store.receipts.store_proof(CALL, b"proof", NOW)
    assert store.receipts.store_proof(CALL, b"proof and anchor", NOW + DAY_MS)
    assert store.receipts.drop_old(NOW + 7 * DAY_MS - 1) == 0
    assert store.receipts.drop_old(NOW + 7 * DAY_MS) == 1


def test_one_that_was_taken_away_counts_from_its_next_proof(store: GatewayStore) -> None:
    answered(store)
    assert store.receipts.store_proof(CALL, b"proof", NOW)
    assert store.receipts.store_proof(CALL, None, NOW + 1)
    assert store.receipts.store_proof(CALL, b"other proof", NOW + DAY_MS)
    assert store.receipts.drop_old(NOW + 8 * DAY_MS - 1) == 0
    assert store.receipts.drop_old(NOW + 8 * DAY_MS) == 1


def test_what_is_lacking_is_over_with_a_proof_or_a_reorganisation(store: GatewayStore) -> None:
    answered(store)

    def lacking() -> str:
        found = store.receipts.find(CALL)
        assert found is not None
        return found.lacking

    for proof in (b"proof", None):
        store.receipts.note_lacking(CALL, "too_large")
        assert lacking() == "too_large"
        store.receipts.store_proof(CALL, proof, NOW)
        assert lacking() == ""
