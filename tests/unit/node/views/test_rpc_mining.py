"""Mining as the RPC shows and steers it."""

from pathlib import Path

import pytest
import trio

from esper.node.workers.threads import ThreadsError
from esper.primitives.networks import DEVNET
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.node.fake_workers import OneCrew
from tests.support.node.node_world import go, node_params, node_world, rest, running
from tests.support.node.rpc_asking import refusal, text
from tests.support.vm_world import BOB, MINER


def test_mining_is_shown_and_steered(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            shown = await world.ask(m.GET_MINING)
            assert (shown.running, shown.payee) == (True, text(MINER))
            assert shown.doing == "searching for block 13"
            await world.ask(m.PAUSE_MINING)
            await rest()
            assert (await world.ask(m.GET_MINING)).paused
            await world.ask(m.RESUME_MINING)
            await rest()
            assert (await world.ask(m.GET_MINING)).running
            await world.ask(m.SET_THREADS, s.ThreadsParams(threads=1))
            shown = await world.ask(m.GET_MINING)
            assert (shown.threads, shown.prove_threads) == (1, 3)
            await world.ask(m.STOP)
            assert world.stops == [True]

    go(main)


def test_threads_that_do_not_matter_are_refused_before_anything_is_changed(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(crew: OneCrew, search: int | None, prove: int | None) -> None:
        raise ThreadsError("do not matter to a search on cuda")

    monkeypatch.setattr(OneCrew, "use_threads", refuse)

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            asked = s.ThreadsParams(threads=1, prove_threads=1)
            error = await refusal(world.ask(m.SET_THREADS, asked))
            assert error.code == e.INVALID_PARAMS
            assert error.message == "threads do not matter to a search on cuda"
            shown = await world.ask(m.GET_MINING)
            assert (shown.threads, shown.prove_threads) == (2, 3)
            assert (world.searcher.threads, world.prover.threads) == ([], [])

    go(main)


def test_blocks_are_generated_for_whoever_is_named(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world, running(world):
            made: list[s.Generated] = []

            async def ask() -> None:
                params = s.GenerateParams(blocks=2, payee=text(BOB))
                made.append(await world.ask(m.GENERATE, params))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(ask)
                await world.mine(2)
            last = await world.ask(m.GET_BLOCK, s.BlockParams())
            assert (made[0].hashes[-1], last.payee) == (last.hash, text(BOB))
            assert len(made[0].hashes) == 2

    go(main)


def test_blocks_are_refused_while_mining_is_paused(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world, running(world):
            await world.ask(m.PAUSE_MINING)
            error = await refusal(world.ask(m.GENERATE, s.GenerateParams(blocks=1)))
            assert error.code == e.PAUSED
            assert "esperd resume" in error.message

    go(main)


def test_blocks_are_generated_on_regtest_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path, node_params(DEVNET)) as world:
            error = await refusal(world.ask(m.GENERATE, s.GenerateParams(blocks=1)))
            assert error.code == e.NOT_MINING
            assert "regtest" in error.message

    go(main)
