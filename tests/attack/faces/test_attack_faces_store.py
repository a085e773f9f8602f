"""The gateway's budgets under a full disk, requests that are cut off, and receipts that go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from esper.gateway.service.books.kept_books import KeptBooks
from esper.gateway.store.budget import PeriodState
from esper.gateway.store.errors import StoreError
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.receipts import PROMISE_MS, Late
from tests.support.gateway.accounts import NOW, account, instant

OWNER = account().id
PERIOD = account().period(NOW)
CALL = "c" * 32
OTHER = "d" * 32
T = TypeVar("T")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatewayStore]:
    with GatewayStore(tmp_path / "gateway.db") as opened:
        assert opened.accounts.add(account())
        yield opened


def test_what_a_full_disk_undoes_is_undone_for_all_who_asked_together(store: GatewayStore) -> None:
    def together() -> None:
        with store._database.reading() as connection, store.group():
            assert store.budget.reserve(CALL, OWNER, 1, NOW)
            # What SQLite does by itself where a disk has no room.
            connection.execute("ROLLBACK")
            with pytest.raises(StoreError, match="undone"):
                store.budget.reserve(OTHER, OWNER, 1, NOW)

    with pytest.raises(StoreError):
        together()
    assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 0)
    assert store.budget.reserve(OTHER, OWNER, 1, NOW)


def test_a_promise_on_its_way_keeps_what_its_proof_may_cost(store: GatewayStore) -> None:
    for call in (CALL, OTHER):
        assert store.budget.reserve(call, OWNER, 300, NOW)
    store.receipts.promise(instant(CALL, True), NOW)
    before = store.budget.state(OWNER, PERIOD)
    # Its task did not live to hear of the promise.
    store.give_back(CALL)
    assert store.budget.state(OWNER, PERIOD) == before
    store.give_back(OTHER)
    assert store.budget.state(OWNER, PERIOD) == replace(before, reserved=before.reserved - 300)


def test_a_receipt_that_goes_meanwhile_stops_no_line(store: GatewayStore) -> None:
    assert store.budget.reserve(CALL, OWNER, 300, NOW)
    store.receipts.promise(instant(CALL, False), NOW)
    row = instant(CALL, True).row
    assert row is not None
    assert store.receipts.drop_old(NOW + PROMISE_MS) == 1
    # A row without a promise is asked for first of all, and can never be signed.
    assert store.receipts.prove_later(row, OWNER, 1, NOW) is Late.DROPPED
    assert store.line.find(CALL) is None


class _FullAtTimes:
    """A store whose disk is full while ``is_full``."""

    def __init__(self, store: GatewayStore) -> None:
        self.store = store
        self.is_full = False

    async def ask(self, question: Callable[[GatewayStore], T]) -> T:
        await trio.lowlevel.checkpoint()
        if self.is_full:
            raise StoreError(Path("gateway.db"), "full", "free some space")
        return question(self.store)


def test_a_full_disk_keeps_no_budget_for_ever(store: GatewayStore) -> None:
    port = _FullAtTimes(store)
    nothing: Any = None
    books = KeptBooks(port, nothing, nothing, nothing, nothing, nothing)
    assert store.budget.reserve(CALL, OWNER, 300, NOW)

    async def main() -> None:
        port.is_full = True
        with pytest.raises(StoreError):
            await books.forget(CALL)
        port.is_full = False
        await books.forget(OTHER)

    trio.run(main)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 0)
    assert not books.owed
