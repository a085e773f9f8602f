"""A node's gateway over its chain: calls to their proof, over branches, restarts and lies."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from esper.consensus.chain import BlockBytes
from esper.consensus.header import Header, decode_header
from esper.node.gateway.standing import ENGINE_DISAGREES, FOREIGN_NONCE
from esper.receipts.form import decode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.verdict import LINKS
from esper.vm.llm_call import LlmCall
from tests.support.node.gateway_world import GatewayWorld, gateway_world
from tests.support.node.node_world import (
    copied,
    go,
    grown_datadir,
    node_world,
    pay,
    running,
    until,
)
from tests.support.node.receipt_asking import around
from tests.support.node.rpc_asking import mined_with_what_waits
from tests.support.vm_world import ALICE, BOB


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("gateway") / "grown")


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


@asynccontextmanager
async def mining(datadir: Path) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(datadir, mines=True) as it, running(it.world):
        yield it


def tip_of(it: GatewayWorld) -> BlockBytes:
    return block_at(it, it.world.height)


def block_at(it: GatewayWorld, height: int) -> BlockBytes:
    store = it.world.node.chain.view.store
    block = store.block(height)
    return BlockBytes(block.header, block.body, store.proof(height))


async def charges(it: GatewayWorld, call: str) -> dict[str, int]:
    return await it.running.store.ask(lambda store: store.budget.charges(call))


def test_a_call_is_proven_and_final(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as it:
            await it.fund()
            call = await it.ask(50)
            [sent] = await it.waits(call)
            assert isinstance(sent.payload, LlmCall)
            assert sent.payload.max_tokens == len(it.answer(50))
            await mined_with_what_waits(it.world)
            await it.becomes(call, "proven")
            await until(lambda: ("proven", call) in it.told)
            receipt = decode_receipt((await it.receipt(call)).proof or b"")
            assert receipt.kind == "proof"
            assert receipt.block_id == it.world.node.chain.tip
            assert receipt.instant is not None
            assert receipt.request is not None
            assert await charges(it, call) == {"serve": 10}
            await it.world.mine(5)
            await it.becomes(call, "final")
            bid = it.world.params.credits.minimum_bid
            cost = bid * (2 + 4 * len(it.answer(50)))
            assert await charges(it, call) == {"serve": 10, "proof": cost}
            assert it.state(call).cost == cost
            counts = it.gateway.counts
            # Counted when the commit is told, a turn after it is done.
            await until(lambda: counts.credits_burned == cost)
            assert counts.disagreements == 0

    go(main)


def anchor_of(it: GatewayWorld, data: bytes | None) -> Header | None:
    found = decode_receipt(data or b"")
    if found.anchor is None:
        return None
    return decode_header(found.anchor.header, it.world.params.limits.header_bytes)


async def anchored(it: GatewayWorld, call: str, height: int) -> bytes:
    """The kept receipt once its anchor is the chain's block of a height."""
    wanted = it.world.node.chain.view.store.index.entry(height).block_id
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        data = (await it.receipt(call)).proof
        header = anchor_of(it, data)
        if data is not None and header is not None and header.block_id == wanted:
            return data
        await trio.testing.wait_all_tasks_blocked(0.01)
    raise AssertionError(f"no anchor at {height}")


def test_promise_proof_anchor_and_another_where_that_is_undone(
    datadir: Path, tmp_path: Path
) -> None:
    async def main() -> None:
        elsewhere = copied(datadir, tmp_path / "other")
        shorter = copied(datadir, tmp_path / "shorter")
        async with mining(datadir) as it, node_world(elsewhere, mines=False) as other:
            await it.fund()
            await other.node.chain.submit(tip_of(it))
            call = await it.ask(50)
            assert (await it.receipt(call)).proof is None
            await it.waits(call)
            await mined_with_what_waits(it.world)
            await it.becomes(call, "proven")
            await until(lambda: ("proven", call) in it.told)
            answered = it.world.height
            await other.node.chain.submit(tip_of(it))
            for _ in range(11):
                await it.world.take(await other.others_turn())
            await it.becomes(call, "final")
            await until(lambda: ("final", call) in it.told)
            assert anchor_of(it, (await it.receipt(call)).proof) is None
            await it.world.take(await other.others_turn())
            data = await anchored(it, call, answered + 6)
            verdict = judge_bytes(data, around(it.world))
            assert {one.name: str(one.status) for one in verdict.links} == dict.fromkeys(
                LINKS, "ok"
            )
            # A heavier branch that leaves the chain below the anchor.
            async with node_world(shorter, mines=False) as third:
                for height in range(third.height + 1, answered + 6):
                    await third.node.chain.submit(block_at(it, height))
                branch = [await third.others_turn(third.signed(ALICE, pay(BOB)))]
                while third.height < answered + 14:
                    branch.append(await third.others_turn())
            for block in branch:
                await it.world.take(block)
            assert it.world.height == answered + 14
            await anchored(it, call, answered + 8)

    go(main)


def test_without_credits_it_waits_and_goes_on_with_them(datadir: Path) -> None:
    async def main() -> None:
        async with gateway_world(datadir) as it:
            call = await it.ask(50)
            await it.block()
            assert it.state(call).status == "queued"
            await it.fund()
            await it.waits(call)

    go(main)


def test_a_proven_call_that_is_undone_is_sent_again(datadir: Path, tmp_path: Path) -> None:
    async def main() -> None:
        elsewhere = copied(datadir, tmp_path / "other")
        async with mining(datadir) as it, node_world(elsewhere, mines=False) as other:
            await it.fund()
            # The other has the funds too, and not the call.
            await other.node.chain.submit(tip_of(it))
            call = await it.ask(50)
            [sent] = await it.waits(call)
            await mined_with_what_waits(it.world)
            await it.becomes(call, "proven")
            await until(lambda: ("proven", call) in it.told)
            for _ in range(3):
                await it.world.take(await other.others_turn())
            await it.becomes(call, "submitted")
            await until(lambda: ("reorganised", call) in it.told)
            assert (await it.receipt(call)).proof is None
            [again] = it.world.node.mempool.pool.pending_of(it.address)
            assert again.to_bytes() == sent.to_bytes()
            await mined_with_what_waits(it.world)
            await it.world.mine(5)
            await it.becomes(call, "final")
            assert set(await charges(it, call)) == {"serve", "proof"}

    go(main)


def test_a_branch_that_came_while_it_was_off(datadir: Path, tmp_path: Path) -> None:
    """The call was in a block that is not there at the next start."""

    async def main() -> None:
        elsewhere = copied(datadir, tmp_path / "other")
        async with mining(datadir) as it:
            await it.fund()
            funded = tip_of(it)
            call = await it.ask(50)
            [sent] = await it.waits(call)
            await mined_with_what_waits(it.world)
            await it.becomes(call, "proven")
            await until(lambda: ("proven", call) in it.told)
        async with (
            node_world(datadir, mines=False) as world,
            node_world(elsewhere, mines=False) as other,
        ):
            await other.node.chain.submit(funded)
            for _ in range(3):
                await world.take(await other.others_turn())
        # Mempool and side branches are lost as well.
        (datadir / "mempool.dat").unlink()
        shutil.rmtree(datadir / "side")
        async with gateway_world(datadir) as it:
            [again] = await it.waits(call)
            assert again.to_bytes() == sent.to_bytes()
            assert (await it.receipt(call)).proof is None

    go(main)


def test_a_chain_that_says_something_else_stops_it(datadir: Path) -> None:
    async def main() -> None:
        async with mining(datadir) as it:
            await it.fund()
            right = it.answer(50)
            call = await it.ask(50, (*right[:-1], (right[-1] + 3) % 700 + 3))
            await it.waits(call)
            await mined_with_what_waits(it.world)
            await it.becomes(call, "proven")
            assert it.gateway.standing.stopped == ENGINE_DISAGREES
            assert it.gateway.chain.serving().name == "DISAGREES"
            assert call in it.gateway.standing.warnings[0]
            assert ENGINE_DISAGREES in it.gateway.trouble()
            await until(lambda: it.gateway.counts.disagreements == 1)
            assert it.gateway.counts.credits_burned == 0
            # Nothing is signed any more, and what disagreed is not charged.
            other = await it.ask(51)
            await it.world.mine(6)
            await it.becomes(call, "final")
            assert it.state(other).status == "queued"
            assert await charges(it, call) == {"serve": 10}
            assert (await it.receipt(call)).promise is not None
        async with gateway_world(datadir) as again:
            assert again.gateway.standing.stopped == ENGINE_DISAGREES

    go(main)


def test_a_transaction_of_nobody_stops_it(datadir: Path) -> None:
    async def main() -> None:
        async with gateway_world(datadir) as it:
            await it.fund()
            key = it.gateway.account._key
            strange = LlmCall(it.world.params.model.model_id, (1, 9), 2, 10)
            await it.block(it.world.signed(key, strange), answers=[None])
            await until(lambda: it.gateway.standing.stopped == FOREIGN_NONCE)
            call = await it.ask(50)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert it.state(call).status == "queued"

    go(main)
