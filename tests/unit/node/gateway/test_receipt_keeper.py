"""The keeper of receipts when something fails: told, waited out, and others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from esper.gateway.ports import CallState
from esper.gateway.proving_rows import Place, Row, Status, Step, Version
from esper.gateway.store.budget import DAY_MS
from esper.gateway.store.errors import StoreFullError
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.old_books import BookAges
from esper.node.gateway.proving.driver_ports import ProvenReceipt, ReceiptNotMadeError
from esper.node.gateway.proving.proving_port import NodeProving
from esper.node.gateway.receipts.receipt_keeper import AFTER_SWEEP_S, SWEEP_S, ReceiptKeeper
from esper.node.gateway.receipts.receipt_plan import FIRST_REST_S, LONGEST_REST_S, Made, ReceiptPlan
from esper.node.gateway.standing import Standing
from tests.support.gateway.accounts import NOW, account, instant

BLOCK, OTHER = b"b" * 64, b"o" * 64
FULL = StoreFullError(Path("gateway.db"), "no space", "free some")
SECRET = "the prompt of somebody"


class Moment:
    height = 10

    def block_id(self, height: int) -> bytes | None:
        return BLOCK


class Keeping:
    """A keeper with everything that it asks; what fails is set here."""

    def __init__(self, store: GatewayStore) -> None:
        self.store = store
        self.now_ms = NOW
        self.fails: dict[str, Exception] = {}
        """By call, when its receipt is made."""
        self.store_fails: list[Exception] = []
        self.tell_fails: list[Exception] = []
        self.told: list[tuple[str, str]] = []
        self.makes_of = BLOCK
        """The block that its receipts are of."""
        self.lacked = 0
        self.asked = 0
        self.standing = Standing()
        self.keeper = ReceiptKeeper(
            self,
            self,
            Moment,  # type: ignore[arg-type]
            lambda: self.now_ms,
            self.tell,
            forget=1_000,
            standing=self.standing,
            ages=BookAges(),
            lacks=self.lacks,
        )

    async def ask(self, work: Callable[[GatewayStore], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.store_fails:
            raise self.store_fails.pop(0)
        return work(self.store)

    async def make(self, txid: bytes, promise: bytes) -> ProvenReceipt:
        await trio.lowlevel.checkpoint()
        call = promise.removeprefix(b"promise ").decode()
        if call in self.fails:
            raise self.fails[call]
        return ProvenReceipt(b"proof of " + call.encode(), self.makes_of, None)

    def read(self, receipt: bytes) -> ProvenReceipt | None:
        return ProvenReceipt(receipt, BLOCK, None)

    async def tell(self, status: str, row: Row) -> None:
        if self.tell_fails:
            raise self.tell_fails.pop(0)
        self.told.append((status, row.call))

    def lacks(self) -> None:
        self.lacked += 1

    def proven(self, call: str) -> Row:
        """A promised call is proven."""
        assert self.store.budget.reserve(call, account().id, 300, NOW)
        self.store.receipts.promise(instant(call), NOW)
        row = instant(call).row
        assert row is not None
        sent = Version(call.encode() * 2, b"sent", 0, 20, 40)
        place = Place(10, BLOCK, sent.txid)
        row = replace(
            row, status=Status.PROVEN, nonce=0, versions=(sent,), place=place, result=place
        )
        self.take(row)
        return row

    def take(self, *rows: Row) -> None:
        step = Step(keep={row.call: row for row in rows})
        self.store.line.commit(step, NOW)
        self.keeper.take(step)

    def proof(self, call: str) -> bytes | None:
        found = self.store.receipts.find(call)
        assert found is not None
        return found.proof

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.keeper.run)
            await settled()
            yield
            nursery.cancel_scope.cancel()


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


def go(main: Any) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


A, B = "a" * 32, "b" * 32


@pytest.fixture
def it(tmp_path: Path) -> Iterator[Keeping]:
    with GatewayStore(tmp_path / "gateway.db") as store:
        store.accounts.add(account(budget=10**9))
        yield Keeping(store)


@pytest.mark.parametrize("error", [FULL, KeyError(SECRET), ValueError(SECRET)])
def test_one_that_fails_rests_and_others_go_on(it: Keeping, error: Exception) -> None:
    async def main() -> None:
        async with it.running():
            it.fails = {A: error}
            it.proven(A)
            it.proven(B)
            await trio.sleep(1.5 * FIRST_REST_S)
            assert it.proof(B) is not None
            assert it.proof(A) is None
            [warning] = it.standing.warnings
            assert warning.startswith("receipts of proven calls wait: ")
            assert SECRET not in warning
            it.fails.clear()
            await trio.sleep(4 * FIRST_REST_S)
            assert it.proof(A) == b"proof of " + A.encode()
            assert it.standing.warnings == ()
            assert sorted(it.told) == [("proven", A), ("proven", B)]

    go(main)


def test_what_could_not_be_told_is_told_again(it: Keeping) -> None:
    async def main() -> None:
        async with it.running():
            it.tell_fails = [OSError("no network")]
            it.proven(A)
            await trio.sleep(2 * FIRST_REST_S)
            assert it.told == [("proven", A)]

    go(main)


@pytest.mark.parametrize("error", [FULL, KeyError(SECRET)])
def test_a_sweep_that_fails_is_told_and_comes_again(it: Keeping, error: Exception) -> None:
    async def main() -> None:
        it.store_fails = [error] * 3
        async with it.running():
            [warning] = it.standing.warnings
            assert warning.startswith("nothing old is dropped: ")
            assert SECRET not in warning
            # No more often than that.
            assert it.asked == 1
            await trio.sleep(4 * AFTER_SWEEP_S)
            assert it.standing.warnings == ()

    go(main)


def test_old_books_are_swept(it: Keeping) -> None:
    async def main() -> None:
        it.proven(A)
        gone = replace(it.keeper._plan._rows[A], settled_at=1)
        async with it.running():
            it.take(gone)
            it.now_ms += 1_000 * DAY_MS
            await trio.sleep(SWEEP_S + 1)
            assert it.store.budget.usage(account().id, 0, 10**6) == []

    go(main)


@pytest.mark.parametrize("why", ["too_large", "damaged"])
def test_one_that_never_can_be_made_leaves_its_promise(it: Keeping, why: str) -> None:
    async def main() -> None:
        async with it.running():
            it.fails = {A: ReceiptNotMadeError("a sentence", why)}
            row = it.proven(A)
            await settled()
            found = it.store.receipts.find(A)
            assert found is not None
            assert (found.promise, found.proof, found.lacking) == (
                b"promise " + A.encode(),
                None,
                why,
            )
            assert (it.keeper.lacking(A), it.lacked) == (why, 1)
            assert it.told == [("proven", A)]
            # It is not tried again, until a reorganisation makes something else of it.
            it.fails.clear()
            it.take(replace(row, status=Status.FINAL))
            await settled()
            assert it.proof(A) is None
            it.take(replace(row, status=Status.REORGANISED, place=None, result=None))
            await settled()
            assert it.keeper.lacking(A) == ""
            it.take(row)
            await settled()
            assert it.proof(A) is not None

    go(main)


@pytest.fixture
def lacking(it: Keeping) -> Keeping:
    """One whose receipt is too large, with the node stopped."""

    async def main() -> None:
        async with it.running():
            it.fails = {A: ReceiptNotMadeError("a sentence", "too_large")}
            it.proven(A)
            await settled()

    go(main)
    return it


async def started(before: Keeping) -> Keeping:
    """The keeper of the next start."""
    again = Keeping(before.store)
    await again.keeper.start(tuple(before.store.line.load(0).rows))
    return again


def test_what_is_lacking_is_said_from_the_next_start_on(lacking: Keeping) -> None:
    """Also where the chain has pruned what would show it again."""

    async def main() -> None:
        again = await started(lacking)
        assert again.keeper.lacking(A) == "too_large"
        again.fails = {A: ReceiptNotMadeError("the block was pruned")}
        async with again.running():
            assert again.keeper.lacking(A) == "too_large"
            assert again.proof(A) is None

    go(main)


def test_what_is_lacking_no_more_is_made_at_the_next_start(lacking: Keeping) -> None:
    """The word does not say of which block it was: another may hold the answer by then."""

    async def main() -> None:
        again = await started(lacking)
        async with again.running():
            assert again.proof(A) is not None
            assert again.keeper.lacking(A) == ""
        assert lacking.store.receipts.lacking() == {}

    go(main)


def test_what_was_lacking_is_taken_back_with_its_block_after_a_start(lacking: Keeping) -> None:
    async def main() -> None:
        again = await started(lacking)
        again.fails = {A: ReceiptNotMadeError("the block was pruned")}
        async with again.running():
            [row] = lacking.store.line.load(0).rows
            again.take(replace(row, status=Status.REORGANISED, place=None, result=None))
            await settled()
            assert again.keeper.lacking(A) == ""
        assert lacking.store.receipts.lacking() == {}

    go(main)


def test_another_block_is_tried_though_its_coming_was_not_seen(it: Keeping) -> None:
    """Undone and proven again before the keeper looks: the same row in another block."""

    async def main() -> None:
        async with it.running():
            it.fails = {A: ReceiptNotMadeError("a sentence", "too_large")}
            row = it.proven(A)
            await settled()
            assert it.keeper.lacking(A) == "too_large"
            it.fails.clear()
            elsewhere = Place(11, OTHER, A.encode() * 2)
            it.makes_of = OTHER
            it.take(replace(row, place=elsewhere, result=elsewhere))
            await settled()
            assert it.proof(A) is not None
            assert it.keeper.lacking(A) == ""

    go(main)


def test_one_that_has_a_receipt_keeps_it_where_an_anchor_makes_it_too_large(it: Keeping) -> None:
    async def main() -> None:
        async with it.running():
            it.proven(A)
            await settled()
            it.fails = {A: ReceiptNotMadeError("a sentence", "too_large")}
            for height in range(11, 23):
                it.keeper.take(Step(followed=(height, OTHER)))
            await settled()
            assert it.proof(A) is not None
            assert it.keeper.lacking(A) == ""
            assert it.lacked == 0

    go(main)


def test_of_a_row_that_nobody_can_read_the_receipt_stays(it: Keeping) -> None:
    async def main() -> None:
        it.proven(A)
        async with it.running():
            assert it.proof(A) is not None
        it.store.line.put_aside([A], 20)
        with it.store._database.commit() as connection:
            connection.execute("UPDATE rows SET data = x'c1'")
        again = Keeping(it.store)
        await again.keeper.start(tuple(it.store.line.load(0).rows))
        async with again.running():
            assert it.proof(A) is not None

    go(main)


def test_rests_double_to_an_end() -> None:
    plan = ReceiptPlan(1_000)
    row = Row(A, b"m" * 64, 2, (5, 6), 20, NOW, status=Status.OPEN)
    plan.take(Step(keep={A: row}))
    now_s, rests = 0.0, []
    for _ in range(1_200):
        plan.failed(row, now_s)
        assert plan.has_failed
        until_s = plan.wake(now_s)
        assert plan.next() is None
        rests.append(until_s - now_s)
        now_s = until_s
        plan.wake(now_s)
        assert plan.next() is row
    assert rests[:3] == [FIRST_REST_S, 2 * FIRST_REST_S, 4 * FIRST_REST_S]
    assert max(rests) == LONGEST_REST_S
    plan.seen_to(row)
    assert not plan.has_failed


def test_a_newer_row_does_not_rest() -> None:
    plan = ReceiptPlan(1_000)
    row = Row(A, b"m" * 64, 2, (5, 6), 20, NOW, status=Status.OPEN)
    plan.take(Step(keep={A: row}))
    plan.failed(row, 0)
    newer = replace(row, status=Status.REORGANISED)
    plan.take(Step(keep={A: newer}))
    assert plan.next() is newer
    plan.wake(10**9)
    assert plan.next() is newer
    assert Made() == Made(b"", None)


def test_who_asks_is_told_what_is_lacking() -> None:
    row = Row(A, b"m" * 64, 2, (5, 6), 20, NOW, status=Status.PROVEN)
    words = {A: ""}

    class Driver:
        def row(self, call: str) -> Row:
            return row

    async def main() -> None:
        proving = NodeProving(Driver(), lambda: 1, words.__getitem__)  # type: ignore[arg-type]
        before = proving.state(A)
        assert before == CallState("proven", "", 0)
        found: list[CallState | None] = []

        async def wait() -> None:
            found.append(await proving.state_after(A, before))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settled()
            words[A] = "too_large"
            proving.look_again()
        assert found == [CallState("proven", "too_large", 0)]

    go(main)
