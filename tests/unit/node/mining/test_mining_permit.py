"""When a miner may search as its network sees it, and what is said of blocks of ours that lose."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from esper.consensus.context import ChainContext
from esper.node.chain.chain_service import ChainService
from esper.node.mining import mining_permit
from esper.node.mining.mining_control import MiningHeldError
from esper.node.mining.mining_permit import (
    FIRST_DIALS_MS,
    LOOKS_FOR_PEERS,
    QUIET_MS,
    MiningPermit,
)
from esper.node.mining.mining_service import WAITS, MinedStale
from esper.primitives.networks import DEVNET
from tests.support.node.heard_events import heard
from tests.support.node.node_world import go, jump, node_world, pay, rest, running, until
from tests.support.vm_world import ALICE, BOB
from tests.unit.node.chain.test_node_chain_service import RIGHT
from tests.unit.node.chain.test_sync_state import Network

TIP_MS = 1_800_000_000_000
OLD_MS = TIP_MS + 10**9


@dataclass
class Bench:
    """A permit on a chain of which the test says everything."""

    network: Network | None = None
    halted: str = ""
    now_ms: int = OLD_MS
    steady_ms: int = 0

    def __post_init__(self) -> None:
        genesis = ChainContext.genesis(DEVNET)
        context = replace(genesis, height=7, times_ms=(*genesis.times_ms, TIP_MS))
        self._chain = SimpleNamespace(view=SimpleNamespace(context=context))
        chain = cast(ChainService, self._chain)
        self._permit = MiningPermit(chain, lambda: self.now_ms, lambda: self.steady_ms)

    def why(self) -> str:
        self._chain.network, self._chain.halted = self.network, self.halted
        return self._permit.why_wait()


def test_without_a_network_nobody_waits_but_a_halted_chain() -> None:
    assert Bench().why() == ""
    assert Bench(halted="too deep").why() == "too deep"
    assert Bench(Network(halted="too deep"), now_ms=TIP_MS).why() == "too deep"


@pytest.mark.parametrize("now_ms", [TIP_MS, OLD_MS])
def test_a_better_proven_chain_stops_it_at_once_and_a_claim_does_not(now_ms: int) -> None:
    bench = Bench(Network(), now_ms=now_ms)
    bench.why()
    bench.steady_ms = QUIET_MS
    for claimed in (Network(near=False), Network(owed=3), Network(heavy_enough=False)):
        bench.network = claimed
        assert bench.why() == ""
    bench.network = Network(busy=True)
    assert "a better chain is being fetched (block 3 of 9)" in bench.why()
    bench.network = Network(busy=True, alone=True, outbound=0)
    assert "a better chain is being fetched" in bench.why()


def test_a_recent_tip_is_mined_on_at_once() -> None:
    assert Bench(Network(outbound=0), now_ms=TIP_MS).why() == ""


def test_the_first_node_of_a_network_begins_at_once() -> None:
    assert Bench(Network(outbound=0, alone=True)).why() == ""


def test_an_old_tip_is_mined_on_when_a_peer_has_been_quiet_for_a_minute() -> None:
    bench = Bench(Network(outbound=1))
    assert "within 60 s" in bench.why()
    bench.steady_ms = QUIET_MS - 1
    assert "within 60 s" in bench.why()
    bench.steady_ms = QUIET_MS
    assert bench.why() == ""
    # Whatever ends the quiet begins the minute anew.
    for end in (Network(busy=True), Network(outbound=0)):
        bench.network = end
        assert bench.why() != ""
        bench.steady_ms += 10 * QUIET_MS
        bench.network = Network(outbound=1)
        assert "within 60 s" in bench.why()
        bench.steady_ms += QUIET_MS
        assert bench.why() == ""


def test_that_nobody_can_be_reached_is_said_when_the_first_dials_have_had_their_time() -> None:
    bench = Bench(Network(outbound=0), steady_ms=5_000)
    assert bench.why() == LOOKS_FOR_PEERS
    bench.steady_ms += FIRST_DIALS_MS - 1
    assert bench.why() == LOOKS_FOR_PEERS
    bench.steady_ms += 1
    assert "no peer that this node chose is connected" in bench.why()
    assert bench.why().endswith("a network's first node has `alone`")
    # A peer that comes and goes later is no beginning.
    bench.network = Network(outbound=1)
    bench.why()
    bench.network = Network(outbound=0)
    assert "no peer that this node chose is connected" in bench.why()


def test_a_miner_warns_of_missing_peers_once_and_not_while_it_dials(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    def held() -> list[tuple[str, str]]:
        return [
            (one.levelname, one.getMessage())
            for one in caplog.records
            if one.getMessage().startswith("the newest block here is old")
        ]

    async def main() -> None:
        async with node_world(tmp_path) as world:
            world.node.chain.network = Network(outbound=0)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(mining_permit, "is_recent", lambda *_: False)
                async with running(world):
                    await rest()
                    assert held() == [("INFO", LOOKS_FOR_PEERS)]
                    for _ in range(3):
                        jump(FIRST_DIALS_MS / 1000)
                        await rest()
                    ((_, _), (level, told)) = held()
                    assert level == "WARNING"
                    assert "no peer that this node chose is connected" in told

    go(main)


def test_an_old_tip_waits_for_a_peer_however_long() -> None:
    bench = Bench(Network(outbound=0))
    bench.why()
    bench.steady_ms = FIRST_DIALS_MS
    for _ in range(3):
        assert "no peer that this node chose is connected" in bench.why()
        bench.steady_ms += 10 * QUIET_MS


def test_a_busy_network_holds_the_miner_and_lets_it_go_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(tmp_path) as world, running(world):
            chain, mining = world.node.chain, world.mining
            assert world.service.doing == "searching for block 1"
            chain.network = Network(busy=True)
            world.service.look_again()
            # At once, before any task has run.
            assert world.searcher.jobs[-1] is None
            await rest()
            assert world.service.doing.startswith(WAITS)
            held: list[BaseException] = []

            async def generate() -> None:
                try:
                    await mining.control.generate(1, None)
                except MiningHeldError as error:
                    held.append(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(generate)
                await rest()
                jump(2)
            assert "a better chain is being fetched" in str(held[0])
            jobs: list[Any] = list(world.searcher.jobs)
            assert jobs[-1] is None
            chain.network = Network()
            jump(2)
            await until(lambda: world.service.doing == "searching for block 1")
            assert world.searcher.job.pre.parent == chain.tip

    go(main)


def test_a_block_of_ours_that_leaves_the_chain_is_told_of_and_what_it_held_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        async with node_world(tmp_path) as world:
            sent = world.signed(ALICE, pay(BOB))
            await world.node.mempool.submit(sent.to_bytes())
            async with running(world):
                await world.mine()
                ours = world.node.chain.tip
                assert len(world.node.mempool.pool) == 0
                with world.node.events.subscribe(MinedStale) as stale:
                    for block in RIGHT[:2]:
                        jump(60)
                        await world.take(block)
                    await rest()
                    assert await heard(stale) == [MinedStale(1, ours)]
            assert world.node.chain.tip == RIGHT[1].header.block_id
            assert sent.txid in world.node.mempool.pool
            rates = world.service.statistics.rates()
            assert (rates.found, rates.stale) == (0, 1)

    go(main)
    assert "is stale: another branch won; what it held waits again" in caplog.text
