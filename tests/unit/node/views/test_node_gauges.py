"""A node in numbers: chain, miner, disk, and whether it may be used."""

from __future__ import annotations

from pathlib import Path

from esper.events.log import TOPICS
from esper.http.counts import HttpCounts
from esper.metrics.sample import HttpSample
from esper.node.running_node import node_gauge
from esper.node.views.gauges.node_gauges import NodeGauges
from esper.node.views.gauges.store_gauge import KEPT_MS, StoreGauge
from esper.node.views.sync_state import SyncState
from esper.primitives.units import UNITS_PER_ESP
from esper.storage.store_options import StoreOptions
from tests.support.node.loop_watches import LateWatch
from tests.support.node.node_world import go, node_world, running


def test_a_miner_in_numbers(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            before = world.node.chain.view.context.height
            counts = HttpCounts()
            counts.connections = 3
            counts.refuse_with(421)
            await world.mine(2)
            gauge = node_gauge(world.node, world.parts, LateWatch(), counts)  # type: ignore[arg-type]
            found = await gauge.sample()
            assert (found.height, found.blocks_imported) == (before + 2, 2)
            assert found.reorganisations == 0
            assert found.network == world.params.name
            assert found.issued_units >= 2 * UNITS_PER_ESP
            assert found.loop_lag_s == 1.5
            [tier] = found.tiers
            assert (tier.tier, tier.multiplier) == (0, 1.0)
            assert 0 < tier.target_log2 <= 512
            assert found.mining is not None
            assert found.mining.found == 2
            assert found.mining.running
            assert found.peers is None
            assert found.http == HttpSample(3, counts.refused)
            assert counts.refused["host"] == 1
            assert found.events is not None
            assert found.events.sequence.keys() == TOPICS.keys()
            assert found.store_bytes["blocks"] > 0
            assert (await gauge.health()).reasons == ()

    go(main)


def test_a_node_on_a_full_disk_is_not_ready(tmp_path: Path) -> None:
    async def main() -> None:
        full = StoreOptions(reserve_bytes=1, free_space=lambda _: 0)
        assert "free" in await StoreGauge(tmp_path, full, lambda: 0).trouble()
        empty = StoreOptions(reserve_bytes=1, free_space=lambda _: 2)
        assert not await StoreGauge(tmp_path, empty, lambda: 0).trouble()

    go(main)


def test_a_node_whose_models_are_not_loaded_is_not_ready(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world:
            counts = HttpCounts()
            gauge = node_gauge(world.node, world.parts, LateWatch(), counts)  # type: ignore[arg-type]
            [reason] = (await gauge.health()).reasons
            assert "no model is loaded" in reason

    go(main)


def test_a_node_that_follows_no_branch_any_more_is_not_ready(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            node, store = world.node, StoreGauge(datadir, StoreOptions(), world.clock)
            sync = SyncState(world.clock, None, lambda: "halted: see the log")
            gauge = NodeGauges(
                *(node.chain, node.mempool, sync, None, None, store),
                lag_ms=lambda: 0,
                clock=world.clock,
            )
            assert (await gauge.health()).reasons == ("halted: see the log",)
            assert (await gauge.sample()).mining is None

    go(main)


def test_a_directory_is_gone_through_once_a_minute(tmp_path: Path) -> None:
    now = [0]
    (tmp_path / "blocks" / "deep").mkdir(parents=True)
    (tmp_path / "blocks" / "deep" / "one").write_bytes(b"12345")
    (tmp_path / "chain.json").write_bytes(b"{}")
    (tmp_path / "away").symlink_to("/")

    async def main() -> None:
        gauge = StoreGauge(tmp_path, StoreOptions(), lambda: now[0])
        assert await gauge.bytes_by_part() == {"blocks": 5, "other": 2}
        (tmp_path / "blocks" / "two").write_bytes(b"12")
        now[0] = KEPT_MS - 1
        assert (await gauge.bytes_by_part())["blocks"] == 5
        now[0] = KEPT_MS
        assert (await gauge.bytes_by_part())["blocks"] == 7

    go(main)
