"""Attacks by branches and restarts: nothing that waits is lost, comes twice, or is lied about."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from esper.consensus.block import Block
from esper.consensus.template import BlockPlan
from esper.primitives.ids import Txid
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.errors import NOT_FOUND, RpcError
from esper.rpc.method import Method
from esper.vm.transaction import Transaction
from tests.support.node.node_world import (
    NodeWorld,
    copied,
    go,
    grown_datadir,
    jump,
    node_world,
    pay,
    rest,
    running,
    until,
)
from tests.support.vm_world import ALICE, BOB, COIN, MINER, address

Contents = Callable[[NodeWorld], list[Transaction]]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


def rivals(datadir: Path, contents: Contents = lambda _: [], blocks: int = 2) -> list[Block]:
    """Blocks of somebody who never heard of ours; the first holds what ``contents`` makes."""
    made: list[Block] = []

    async def main() -> None:
        async with node_world(copied(datadir, datadir.with_name("rival")), mines=False) as world:
            for number in range(blocks):
                plan = BlockPlan(tuple(contents(world)) if number == 0 else (), ())
                made.append(world.others_block(plan, payee=BOB))
                await world.take(made[-1])

    go(main)
    return made


async def status(world: NodeWorld, txid: Txid) -> tuple[str, int | None]:
    reply = await world.ask(m.GET_TRANSACTION, s.TransactionParams(txid.hex()))
    return reply.status, reply.height


async def told_balance(world: NodeWorld, text: str) -> int:
    return int((await world.ask(m.GET_ACCOUNT, s.AccountParams(text))).balance)


def test_a_payment_of_a_branch_that_lost_waits_again_and_survives_a_restart(datadir: Path) -> None:
    others = rivals(datadir)

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            one = await world.send(ALICE, pay(BOB))
            text = ALICE.address.to_text("resp")
            before = await told_balance(world, text)
            await world.others_turn(one)
            assert await status(world, one.txid) == ("confirmed", world.height)
            assert await told_balance(world, text) == before - COIN - one.fee
            for block in others:
                await world.take(block)
            assert world.node.manager.context.tip_id == others[-1].header.block_id
            assert await status(world, one.txid) == ("pending", None)
            assert await told_balance(world, text) == before
            history = await world.ask(m.GET_HISTORY, s.HistoryParams(text))
            assert one.txid.hex() not in [event.txid for event in history.events]
        async with node_world(datadir, mines=False) as world:
            assert await status(world, one.txid) == ("pending", None)
            await world.others_turn(one)
            assert await status(world, one.txid) == ("confirmed", world.height)
        async with node_world(datadir, mines=False) as world:
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_a_payment_that_both_branches_hold_is_there_once(datadir: Path) -> None:
    same: list[Transaction] = []

    def contents(world: NodeWorld) -> list[Transaction]:
        same.append(world.signed(ALICE, pay(BOB)))
        return same

    others = rivals(datadir, contents)

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            start = world.height
            await world.others_turn(*same)
            for block in others:
                await world.take(block)
            assert await status(world, same[0].txid) == ("confirmed", start + 1)
            assert len(world.node.mempool.pool) == 0
            history = await world.ask(m.GET_HISTORY, s.HistoryParams(ALICE.address.to_text("resp")))
            assert [event.txid for event in history.events].count(same[0].txid.hex()) == 1

    go(main)


def test_a_payment_that_the_winning_branch_contradicts_is_told_to_be_dropped(
    datadir: Path,
) -> None:
    others = rivals(datadir, lambda world: [world.signed(ALICE, pay(MINER, 7 * COIN))])

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            lost = world.signed(ALICE, pay(BOB))
            await world.others_turn(lost)
            for block in others:
                await world.take(block)
            reply = await world.ask(m.GET_TRANSACTION, s.TransactionParams(lost.txid.hex()))
            assert reply.status == "dropped"
            assert "nonce" in reply.reason
            assert len(world.node.mempool.pool) == 0

    go(main)


def test_an_answered_call_of_a_branch_that_lost_is_answered_again(datadir: Path) -> None:
    others = rivals(datadir)

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            [call] = await world.send_calls(50)
            params = s.TransactionParams(call.hex())
            await until(lambda: call in world.desk.ready.inline())
            jump(1.1)
            await rest()
            await world.mine()
            assert (await world.ask(m.GET_CALL, params)).status == "answered"
            for block in others:
                await world.take(block)
            await until(lambda: call in world.desk.ready.inline())
            assert (await world.ask(m.GET_CALL, params)).status == "proven"
            await rest()

    go(main)


def test_what_was_never_there_is_not_found(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            methods: tuple[Method[s.TransactionParams, Any], ...] = (m.GET_TRANSACTION, m.GET_CALL)
            for method in methods:
                with pytest.raises(RpcError) as refused:
                    await world.ask(method, s.TransactionParams(bytes(64).hex()))
                assert refused.value.code == NOT_FOUND
            assert world.ledger.account(address(ALICE)).balance > 0

    go(main)
