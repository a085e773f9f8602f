"""Rows of blocks, statistics and miners as the RPC shows them, on a chain of fake work."""

from pathlib import Path

import pytest

from esper.consensus.header import decode_header
from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.node.node_world import PARAMS, go, node_world, running
from tests.support.node.rpc_asking import mined_with_what_waits, refusal, text
from tests.support.vm_world import CAROL, MINER


def test_rows_of_blocks(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.send_calls(50)
            await mined_with_what_waits(world)
            rows = await world.ask(m.GET_BLOCKS, s.BlocksParams(n=2))
            assert [row.height for row in rows.blocks] == [13, 12]
            tip = await world.ask(m.GET_BLOCK, s.BlockParams())
            row = rows.blocks[0]
            assert (row.hash, row.time_ms, row.payee) == (tip.hash, tip.time_ms, text(MINER))
            assert (row.size, row.transactions) == (tip.size, len(tip.transactions))
            assert row.call_groups == 1
            assert rows.as_of.height == 13
            last = await world.ask(m.GET_BLOCKS, s.BlocksParams(start=1, n=100))
            assert [one.height for one in last.blocks] == [1, 0]
            genesis = await world.ask(m.GET_BLOCK, s.BlockParams(height=0))
            assert last.blocks[1].hash == genesis.hash
            assert (last.blocks[1].payee, last.blocks[1].size) == ("", 0)
            beyond = await world.ask(m.GET_BLOCKS, s.BlocksParams(start=1 << 31, n=1))
            assert [one.height for one in beyond.blocks] == [13]

    go(main)


def test_statistics_of_a_stretch(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.send_calls(50)
            await mined_with_what_waits(world)
            found = await world.ask(m.GET_STATISTICS)
            assert [one.height for one in found.points] == list(range(14))
            assert (found.step, found.spacing_ms) == (1, PARAMS.difficulty.spacing_ms)
            chain = world.node.manager.context
            tip = found.points[-1]
            data = world.node.manager.view().store.header(13)
            header = decode_header(data, PARAMS.limits.header_bytes)
            assert tip.weight == str(chain.weight)
            assert (tip.target, tip.time_ms) == (header.pre.target.hex(), header.pre.time_ms)
            assert tip.omega == str(header.pre.omega)
            assert tip.paid_tokens == chain.tip_work.paid_tokens > 0
            assert tip.proven_tokens == chain.tip_work.proven_tokens
            weights = [int(one.weight) for one in found.points]
            assert weights == sorted(set(weights))
            some = await world.ask(m.GET_STATISTICS, s.StatisticsParams(2, 9, 3))
            assert [one.height for one in some.points] == [3, 6, 9]

    go(main)


def test_a_stretch_has_so_many_points_and_no_more(
    datadir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s, "MAX_POINTS", 5)

    async def main() -> None:
        async with node_world(datadir, wanted=0) as world:
            near = await world.ask(m.GET_STATISTICS)
            assert [one.height for one in near.points] == [8, 9, 10, 11, 12]
            whole = await world.ask(m.GET_STATISTICS, s.StatisticsParams(0, 12, 1))
            assert whole.step == 3
            assert [one.height for one in whole.points] == [0, 3, 6, 9, 12]

    go(main)


def test_a_stretch_that_ends_before_it_begins(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, wanted=0) as world:
            error = await refusal(world.ask(m.GET_STATISTICS, s.StatisticsParams(9, 3)))
            assert error.code == e.INVALID_PARAMS
            assert "from" in error.message

    go(main)


def test_who_mines(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            await world.mine()
            found = await world.ask(m.GET_MINERS, s.MinersParams(window=4))
            assert found.window == 4
            assert found.miners == [
                s.MinerRow(text(CAROL), 3, 12, [0]),
                s.MinerRow(text(MINER), 1, 13, [0]),
            ]
            whole = await world.ask(m.GET_MINERS, s.MinersParams(window=1_000))
            # The genesis is nobody's.
            assert whole.window == 13

    go(main)
