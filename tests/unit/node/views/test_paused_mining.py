"""Paused means paused everywhere: who asks for blocks is told, and so is who looks."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from esper.node.entries.entry_workers import AFTER_FAILURE_S
from esper.node.mining.mining_service import PAUSED, PAUSED_PROVING
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.errors import RpcError
from tests.support.node.node_world import NodeWorld, go, jump, node_world, rest, running, until
from tests.support.vm_world import BOB, MINER, address


async def told_of(world: NodeWorld, blocks: int, told: list[RpcError]) -> None:
    """Ask for blocks; the error goes to ``told``."""
    with pytest.raises(RpcError) as caught:
        await world.ask(m.GENERATE, s.GenerateParams(blocks=blocks))
    told.append(caught.value)


async def refused(world: NodeWorld, blocks: int = 1) -> RpcError:
    """What ``generate`` is told, at once: time stands still here."""
    told: list[RpcError] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(told_of, world, blocks, told)
        await until(lambda: bool(told), 5)
    return told[0]


@pytest.mark.parametrize("wanted", [0, None])
def test_blocks_that_are_asked_for_while_it_is_paused_are_refused_at_once(
    datadir: Path, wanted: int | None
) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=wanted) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            error = await refused(world)
            assert error.code == e.PAUSED
            assert "esperd resume" in error.message
            assert error.data == {"hashes": []}
            await world.ask(m.RESUME_MINING)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.ask, m.GENERATE, s.GenerateParams(blocks=1))
                await rest()
                await world.mine()

    go(main)


def test_who_waits_for_blocks_is_told_of_the_pause(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world, running(world):
            told: list[RpcError] = []
            async with trio.open_nursery() as nursery:
                # The second waits for the first.
                nursery.start_soon(told_of, world, 3, told)
                await rest()
                nursery.start_soon(told_of, world, 3, told)
                await world.mine()
                await rest()
                await world.ask(m.PAUSE_MINING)
                await until(lambda: len(told) == 2, 5)
            assert [error.code for error in told] == [e.PAUSED, e.PAUSED]
            assert [len((error.data or {})["hashes"]) for error in told] == [1, 0]
            # Nothing is owed afterwards, and the usual payee is paid again.
            await world.ask(m.RESUME_MINING)
            await rest()
            assert world.service.doing == "waiting for blocks to be asked for"
            assert world.service.templates.payee == address(MINER)

    go(main)


def test_everybody_who_looks_is_told(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            before = await world.ask(m.GET_STATUS)
            assert (before.mining, before.paused, before.answers_calls) == (True, False, True)
            await world.ask(m.PAUSE_MINING)
            # At once, whatever the search has heard of it by now.
            shown, status = await world.ask(m.GET_MINING), await world.ask(m.GET_STATUS)
            assert (shown.doing, shown.running, shown.paused) == (PAUSED, False, True)
            assert shown.expected_block_ms == 0
            assert (status.mining, status.paused, status.answers_calls) == (False, True, True)
            await world.ask(m.RESUME_MINING)
            after = await world.ask(m.GET_STATUS)
            assert (after.mining, after.paused) == (True, False)

    go(main)


def test_a_node_without_a_miner_is_not_paused(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            status = await world.ask(m.GET_STATUS)
            assert (status.mining, status.paused, status.answers_calls) == (False, False, False)

    go(main)


def test_calls_are_answered_and_proven_meanwhile(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            await world.send_calls(50)
            await until(lambda: "prove_calls" in world.answerer.asked)
            await rest()
            assert len(world.desk.ready.groups) == 1
            height = world.height
            await world.ask(m.RESUME_MINING)
            await world.mine()
            found = await world.ask(m.GET_BLOCK, s.BlockParams())
            assert (found.height, len(found.transactions)) == (height + 1, 1)

    go(main)


def test_a_proof_that_runs_is_finished_and_told_of(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            height = world.height
            world.prover.hold("prove_work")
            await world.searcher.find()
            await rest()
            await world.ask(m.PAUSE_MINING)
            assert (await world.ask(m.GET_MINING)).doing == PAUSED_PROVING
            world.prover.release("prove_work")
            await until(lambda: world.height == height + 1)
            await rest()
            assert (await world.ask(m.GET_MINING)).doing == PAUSED
            assert world.searcher.jobs[-1] is None

    go(main)


def test_a_search_that_died_stays_paused(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            world.searcher.die()
            await rest()
            jump(AFTER_FAILURE_S)
            await until(lambda: world.searcher.starts == 2)
            await rest()
            assert world.searcher.jobs[-1] is None
            assert (await world.ask(m.GET_MINING)).paused

    go(main)


def test_threads_are_capped_without_waking_it(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            await world.ask(m.SET_THREADS, s.ThreadsParams(threads=1))
            await rest()
            assert world.searcher.jobs[-1] is None

    go(main)


def test_the_wanted_blocks_of_a_miner_are_still_mined_after_others_were_asked_for(
    datadir: Path,
) -> None:
    """``mine --blocks 3``, one more by ``generate``, and a pause in between."""

    async def main() -> None:
        async with node_world(datadir, wanted=3, ends=True) as world, running(world):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    world.ask, m.GENERATE, s.GenerateParams(blocks=1, payee=text_of_bob(world))
                )
                await rest()
                await world.mine()
            await rest()
            assert world.service.searching
            await world.ask(m.PAUSE_MINING)
            await rest()
            assert not world.stops
            await world.ask(m.RESUME_MINING)
            await world.mine(2)
            await until(lambda: bool(world.stops))

    go(main)


def text_of_bob(world: NodeWorld) -> str:
    from esper.node.views.rpc_formats import address_text

    return address_text(address(BOB), world.params)
