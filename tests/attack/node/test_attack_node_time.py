"""Attacks on a node's disk and time: what one request, one block or one restart may cost."""

from pathlib import Path
from typing import Any

import pytest

from esper.mempool import journal
from esper.node.chain import stored_blocks
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.vm.unstake import Unstake
from tests.support.node.node_world import (
    PARAMS,
    copied,
    go,
    grown_datadir,
    node_world,
    pay,
)
from tests.support.vm_world import ALICE, BOB, COIN


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def datadir(grown: Path, tmp_path: Path) -> Path:
    return copied(grown, tmp_path / "node")


def test_a_transaction_is_found_without_reading_all_of_its_block(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch of 50 such requests read a full block 50 times, ten seconds of everybody's time."""

    def read_content(*_: object) -> None:
        raise AssertionError("all of the block was read")

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            made = [world.signed(ALICE, pay(BOB)), world.signed(BOB, pay(ALICE))]
            await world.others_turn(*made)
            monkeypatch.setattr(stored_blocks, "read_content", read_content)
            for index, one in enumerate(made):
                found = await world.ask(m.GET_TRANSACTION, s.TransactionParams(one.txid.hex()))
                assert (found.hex, found.index) == (one.to_bytes().hex(), index)

    go(main)


def test_the_journal_does_not_grow_while_no_block_comes(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replaced and evicted transactions stayed in it until the next block, however many."""
    monkeypatch.setattr(journal, "_ROOM_TO_GROW", 20_000)

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            nonce, fee = world.nonce(ALICE), 10**5
            largest = 0
            for _ in range(8):
                await world.send(ALICE, pay(BOB), nonce=nonce, fee=fee)
                fee += fee // 8
                largest = max(largest, (datadir / "mempool.dat").stat().st_size)
            assert largest < 20_000 + 20_000
            assert len(world.node.mempool.pool) == 1

    go(main)


def test_an_epoch_s_end_does_not_judge_the_whole_pool_anew(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judging all that waits takes seconds in which the node does nothing else, at a height that
    everybody knows. Whoever uses credits is judged anew all the same."""
    asked: list[object] = []

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            judge = world.node.mempool.pool.prepared

            def watched(*args: Any, **parts: Any) -> Any:
                asked.append(parts["touched"])
                return judge(*args, **parts)

            monkeypatch.setattr(world.node.mempool.pool, "prepared", watched)
            for _ in range(PARAMS.credits.epoch_blocks):
                await world.others_turn()

    go(main)
    assert asked == [set()] * PARAMS.credits.epoch_blocks


def test_calls_whose_credits_lapse_with_the_epoch_leave_then(datadir: Path) -> None:
    epoch = PARAMS.credits.epoch_blocks

    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            await world.others_turn(world.signed(ALICE, Unstake(500 * COIN)))
            [call] = await world.send_calls(50)
            began = world.height
            while call in world.node.mempool.pool:
                assert world.height < began + 2 * epoch
                await world.others_turn()
            # The block after this one is the first of an epoch.
            assert (world.height + 1) % epoch == 0
            reply = await world.ask(m.GET_CALL, s.TransactionParams(call.hex()))
            assert reply.status == "dropped"
            assert "credits" in reply.reason or "rate" in reply.reason

    go(main)
