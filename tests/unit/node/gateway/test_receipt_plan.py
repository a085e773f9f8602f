"""Which receipts are made when; and what is swept away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import trio
import trio.testing

from esper.gateway.counts import GatewayCounts
from esper.gateway.proving_rows import Charge, Place, Row, Status, Step
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.old_books import BookAges
from esper.gateway.store.store_thread import StoreThread
from esper.node.gateway.proving.driver_ports import ProvenReceipt
from esper.node.gateway.receipts.receipt_keeper import ReceiptKeeper
from esper.node.gateway.receipts.receipt_plan import Made, ReceiptPlan
from esper.node.gateway.standing import Standing

BLOCK, OTHER = b"b" * 64, b"o" * 64
FORGET = 20
ROW = Row("c" * 32, b"m" * 64, 3, (5, 6), 10, 0)


def proven(height: int = 10, status: Status = Status.PROVEN) -> Row:
    place = Place(height, BLOCK, b"t" * 64)
    settled = height + 5 if status is Status.FINAL else None
    return replace(ROW, status=status, place=place, result=place, settled_at=settled)


def step(*rows: Row, height: int, block_id: bytes | None = BLOCK) -> Step:
    return Step(keep={row.call: row for row in rows}, followed=(height, block_id))


def looked_at(plan: ReceiptPlan) -> list[Row]:
    found = []
    while (row := plan.next()) is not None:
        found.append(row)
        plan.seen_to(row)
    return found


def followed(plan: ReceiptPlan, made: Made) -> None:
    """A final row at 10, whose receipt is kept."""
    row = proven(status=Status.FINAL)
    plan.take(step(row, height=15))
    plan.stored(row, made)
    looked_at(plan)


def test_one_that_could_not_be_made_is_tried_at_each_block() -> None:
    plan, row = ReceiptPlan(FORGET), proven()
    assert plan.take(step(row, height=10))
    assert looked_at(plan) == [row]
    plan.made[row.call] = Made()
    assert plan.take(step(height=11))
    assert looked_at(plan) == [row]
    plan.stored(row, Made(BLOCK))
    assert not plan.take(step(height=12))
    assert not plan.wants(row, Made(BLOCK))
    assert plan.wants(row, Made(OTHER))


def test_an_anchor_comes_twelve_blocks_above() -> None:
    plan = ReceiptPlan(FORGET)
    followed(plan, Made(BLOCK))
    assert not plan.take(step(height=21))
    assert plan.take(step(height=22))


def test_an_anchor_that_the_chain_does_not_give_is_asked_for_once() -> None:
    plan = ReceiptPlan(FORGET)
    followed(plan, Made(BLOCK))
    assert plan.take(step(height=22))
    [row] = looked_at(plan)
    plan.stored(row, Made(BLOCK))
    assert not plan.take(step(height=23))


def test_an_anchor_that_is_undone_is_made_again() -> None:
    plan = ReceiptPlan(FORGET)
    followed(plan, Made(BLOCK, (16, OTHER)))
    for height in (22, 23):
        assert not plan.take(step(height=height))
    for height in range(23, 16, -1):
        plan.take(step(height=height, block_id=None))
    for height in range(17, 24):
        assert not plan.take(step(height=height)), "its anchor still stands"
    for height in range(23, 15, -1):
        plan.take(step(height=height, block_id=None))
    taken = [plan.take(step(height=height)) for height in range(16, 23)]
    assert taken == [False] * 6 + [True]


def test_a_newer_row_waits_still() -> None:
    plan, first = ReceiptPlan(FORGET), proven()
    plan.take(step(first, height=10))
    assert plan.next() is first
    newer = proven(status=Status.FINAL)
    plan.take(step(newer, height=15))
    plan.seen_to(first)
    assert plan.next() is newer


def test_what_no_branch_changes_is_forgotten() -> None:
    plan = ReceiptPlan(FORGET)
    followed(plan, Made(BLOCK, (16, OTHER)))
    plan.take(step(height=15 + FORGET))
    assert plan.made
    plan.take(step(height=16 + FORGET))
    assert not plan.made
    assert not plan._rows
    assert not plan._told


def test_the_line_is_counted() -> None:
    counts = GatewayCounts()
    wrong = replace(proven(), disagreed=(7,))
    counts.take(step(wrong, height=10))
    counts.take(step(replace(wrong, status=Status.FINAL), height=15))
    counts.take(Step(charges=[Charge("a", 30), Charge("b", 12)]))
    assert (counts.disagreements, counts.credits_burned) == (1, 42)


class Moment:
    height = 100

    def block_id(self, height: int) -> bytes | None:
        return BLOCK


class NoMaker:
    async def make(self, txid: bytes, promise: bytes) -> ProvenReceipt:
        raise AssertionError

    def read(self, receipt: bytes) -> ProvenReceipt:
        raise AssertionError


def test_settled_rows_without_receipts_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    old = replace(ROW, status=Status.UNPROVEN, settled_at=100 - FORGET - 1)
    young = replace(old, call="d" * 32, settled_at=100 - FORGET)
    with GatewayStore(path) as store:
        store.line.commit(Step(keep={old.call: old, young.call: young}), 0)

    async def tell(status: str, row: Row) -> None:
        raise AssertionError

    async def main() -> None:
        store = await StoreThread.open(path)
        maker = NoMaker()
        keeper = ReceiptKeeper(
            store,
            maker,
            Moment,  # type: ignore[arg-type]
            lambda: 0,
            tell,
            forget=FORGET,
            standing=Standing(),
            ages=BookAges(),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keeper.run)
            with trio.fail_after(20):
                while await store.ask(lambda one: one.line.find(old.call)) is not None:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert await store.ask(lambda one: one.line.find(young.call)) == young
        await store.close()

    trio.run(main)
