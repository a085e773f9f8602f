"""Budgets under races, charges, repeats."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from esper.gateway.proving_rows import Charge, Step
from esper.gateway.store.budget import DAY_MS, PeriodState
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.receipts import KEPT_BYTES, PROMISE_MS, PROVEN_MS, NoReservationError
from esper.gateway.store.repeats import Answer, Fresh, Joins, Mismatch
from tests.support.gateway.accounts import KEY, NOW, account, instant

OWNER = account().id
PERIOD = account().period(NOW)
CALL = "c" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[GatewayStore]:
    with GatewayStore(tmp_path / "gateway.db") as opened:
        assert opened.accounts.add(account())
        yield opened


def promised(store: GatewayStore, call: str = CALL, proven: bool = True, at: int = NOW) -> None:
    assert store.budget.reserve(call, OWNER, 300, at)
    store.receipts.promise(instant(call, proven), at)


def test_fifty_at_once_with_a_budget_for_three(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with GatewayStore(path) as store:
        store.accounts.add(account(budget=999))
    start, won = threading.Barrier(50), []

    def one(number: int) -> None:
        with GatewayStore(path) as store:
            start.wait()
            if store.budget.reserve(f"{number:032x}", OWNER, 300, NOW):
                won.append(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 3
    with GatewayStore(path) as store:
        assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 900)


def test_a_budget_may_be_used_to_its_end_and_comes_again(store: GatewayStore) -> None:
    assert store.budget.reserve("1", OWNER, 1_000, NOW)
    assert not store.budget.reserve("2", OWNER, 1, NOW)
    assert store.budget.reserve("2", OWNER, 1_000, NOW + DAY_MS)
    store.budget.release("1")
    assert store.budget.reserve("3", OWNER, 1_000, NOW)


def test_no_key_no_reservation(store: GatewayStore) -> None:
    store.accounts.put_local(account(id="local", expires_ms=NOW))
    assert not store.budget.reserve("1", "unknown", 1, NOW)
    assert not store.budget.reserve("1", "local", 1, NOW)
    store.accounts.revoke(OWNER, NOW)
    assert not store.budget.reserve("1", OWNER, 1, NOW)


def test_a_promise_charges_the_answer_and_keeps_the_proof_reserved(store: GatewayStore) -> None:
    promised(store)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 200)
    (row,) = store.line.load(0).rows
    assert row == instant(CALL).row
    (day,) = store.budget.usage(OWNER, 0, NOW // DAY_MS)
    assert (day.requests, day.prompt_tokens, day.answer_tokens, day.serve) == (1, 2, 2, 10)


def test_a_promise_never_to_be_proven_gives_the_rest_back(store: GatewayStore) -> None:
    promised(store, proven=False)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 0)
    assert not store.line.load(0).rows


def test_a_second_promise_charges_nothing(store: GatewayStore) -> None:
    promised(store)
    with pytest.raises((sqlite3.IntegrityError, NoReservationError)):
        store.receipts.promise(instant(CALL, proof=0, serve=0), NOW)
    assert store.budget.charges(CALL) == {"serve": 10}


def test_an_answer_above_its_reservation_is_not_charged(store: GatewayStore) -> None:
    with pytest.raises(NoReservationError):
        store.receipts.promise(instant(CALL), NOW)
    store.budget.reserve(CALL, OWNER, 209, NOW)
    with pytest.raises(NoReservationError):
        store.receipts.promise(instant(CALL), NOW)
    assert store.receipts.find(CALL) is None
    assert store.budget.state(OWNER, PERIOD) == PeriodState(0, 209)


def test_a_proof_is_charged_once_and_to_the_period_of_its_reservation(store: GatewayStore) -> None:
    promised(store)
    later = NOW + 3 * DAY_MS
    store.line.commit(Step(charges=[Charge(CALL, 100)]), later)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(110, 0)
    [refused] = store.line.commit(Step(charges=[Charge(CALL, 100)]), later)
    assert refused.call == CALL
    assert store.budget.state(OWNER, PERIOD) == PeriodState(110, 0)
    assert store.budget.usage(OWNER, later // DAY_MS, later // DAY_MS)[0].proof == 100


def test_a_call_given_up_gives_its_reservation_back(store: GatewayStore) -> None:
    promised(store)
    store.line.commit(Step(releases=[CALL]), NOW)
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 0)


def test_after_a_crash_reservations_without_promise_fall_away(store: GatewayStore) -> None:
    promised(store)
    store.repeats.begin("d" * 32, OWNER, "name", b"body", 0, NOW)
    store.budget.reserve("d" * 32, OWNER, 300, NOW)
    assert store.recover() == 1
    assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 200)
    assert store.repeats.begin("e" * 32, OWNER, "name", b"body", 0, NOW) == Fresh()


def test_ten_equal_posts_are_charged_once(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    with GatewayStore(path) as store:
        store.accounts.add(account())
    start, seen = threading.Barrier(10), []

    def post(number: int) -> None:
        call = f"{number:032x}"
        with GatewayStore(path) as store:
            start.wait()
            found = store.repeats.begin(call, OWNER, "name", b"body", 0, NOW)
            seen.append(found)
            if isinstance(found, Fresh):
                promised(store, call)

    threads = [threading.Thread(target=post, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen.count(Fresh()) == 1
    with GatewayStore(path) as store:
        assert store.budget.state(OWNER, PERIOD) == PeriodState(10, 200)
        again = store.repeats.begin("f" * 32, OWNER, "name", b"body", 0, NOW)
        assert isinstance(again, Answer)
        assert again.body == b"answer"


def test_repeats_join_then_get_the_answer_for_a_day(store: GatewayStore) -> None:
    begin = store.repeats.begin
    assert begin(CALL, OWNER, "name", b"body", 0, NOW) == Fresh()
    assert begin("x", OWNER, "name", b"body", 0, NOW + 1) == Joins(CALL)
    assert begin("x", OWNER, "name", b"other", 0, NOW + 1) == Mismatch()
    assert begin("x", "other key", "name", b"other", 0, NOW + 1) == Fresh()
    promised(store)
    assert begin("y", OWNER, "name", b"body", 0, NOW + DAY_MS - 1) == Answer(CALL, b"answer")
    store.repeats.finish(CALL, b"proven")
    assert store.repeats.answer(CALL) == b"proven"
    assert begin("y", OWNER, "name", b"body", 0, NOW + DAY_MS) == Fresh()


def test_a_counted_retry_is_a_repeat_for_a_minute(store: GatewayStore) -> None:
    begin = store.repeats.begin
    assert begin("1", OWNER, None, b"body", 0, NOW) == Fresh()
    assert begin("2", OWNER, None, b"body", 0, NOW) == Fresh()
    assert begin("3", OWNER, None, b"body", 1, NOW + 59_999) == Joins("2")
    assert begin("3", OWNER, None, b"other", 1, NOW) == Fresh()
    assert begin("4", OWNER, None, b"body", 1, NOW + 60_000) == Fresh()


def test_refusals_are_not_stored(store: GatewayStore) -> None:
    store.repeats.begin(CALL, OWNER, "name", b"body", 0, NOW)
    store.repeats.forget(CALL)
    assert store.repeats.begin("x", OWNER, "name", b"other", 0, NOW) == Fresh()


def test_receipts_are_dropped_by_age_and_size(store: GatewayStore) -> None:
    old, young = "1" * 32, "2" * 32
    promised(store, old, proven=False)
    promised(store, young, proven=False, at=NOW + 1)
    assert store.receipts.store_proof(young, b"proof", NOW + 1)
    assert store.receipts.drop_old(NOW + PROMISE_MS - 1) == 0
    assert store.receipts.drop_old(NOW + PROMISE_MS) == 1
    gone = store.receipts.find(old)
    assert gone is not None
    assert gone.promise is None
    assert not store.receipts.store_proof(old, b"proof", NOW)
    assert store.receipts.drop_old(NOW + 1 + PROVEN_MS) == 1
    assert store.receipts.bytes_kept() == 0


def test_above_the_limit_the_oldest_go_but_none_on_its_way(store: GatewayStore) -> None:
    calls = ["1" * 32, "2" * 32, "3" * 32]
    promised(store, calls[0], proven=True)
    promised(store, calls[1], proven=False)
    promised(store, calls[2], proven=False, at=NOW + 1)
    size = store.receipts.bytes_kept()
    assert store.receipts.drop_old(NOW, KEPT_BYTES) == 0
    assert store.receipts.drop_old(NOW, size - 1) == 1
    left = [call for call in calls if (kept := store.receipts.find(call)) and kept.promise]
    assert left == [calls[0], calls[2]]


def test_keys_are_listed_found_and_revoked_once(store: GatewayStore) -> None:
    assert not store.accounts.add(account(name="another with the id"))
    assert store.accounts.all() == [account()]
    assert store.accounts.find("nobody") is None
    assert store.accounts.revoke(OWNER, NOW)
    assert not store.accounts.revoke(OWNER, NOW + 1)
    found = store.accounts.find(OWNER)
    assert found == account(revoked_ms=NOW)
    assert KEY not in str(found)
