"""Workers as the RPC and metrics show them: those of a farm, and those of this machine."""

from pathlib import Path

import pytest
import trio

from esper.http.counts import HttpCounts
from esper.metrics.families import exposition
from esper.metrics.worker_sample import FarmSample
from esper.node.running_node import node_gauge
from esper.node.workers.farm.farm import Farm
from esper.node.workers.farm.link_messages import LinkKind
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.worker_messages import Search
from esper.rpc import methods as m
from esper.rpc import schema as s
from tests.support.farm.farm_play import ASSIGNED, ENTRY, Heard
from tests.support.farm.played_driver import Drivers
from tests.support.farm.search_jobs import EASY_JOB
from tests.support.node.loop_watches import LateWatch
from tests.support.node.node_world import NodeWorld, go, jump, node_world, rest, running

EVIL = b'rack\n\x1b[31m"} 1\nesper_farm_up 7'
"""A machine whose name would end a label, a line, or colour a terminal."""


@pytest.fixture
def drivers(monkeypatch: pytest.MonkeyPatch) -> Drivers:
    return Drivers(monkeypatch)


def a_farm() -> Farm:
    return Farm(["driver"], "head.example:6379", lambda: int(1000 * trio.current_time()))


async def metrics(world: NodeWorld) -> str:
    counts = HttpCounts()
    gauge = node_gauge(world.node, world.parts, LateWatch(), counts)  # type: ignore[arg-type]
    return exposition(await gauge.sample()).decode()


def test_without_a_farm_there_are_the_processes_of_this_machine(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            world.searcher.slot.ask()
            world.searcher.slot.begin(pid=12)
            world.searcher.slot.work("block 13")
            found = await world.ask(m.GET_WORKERS)
            assert found.farm is None
            assert [(one.where, one.kind, one.slot) for one in found.workers] == [
                ("here", "search", 1),
                ("here", "prove", 1),
                ("here", "calls", 1),
            ]
            [search, prove, _] = found.workers
            assert (search.state, search.in_hand, search.pid) == ("busy", "block 13", 12)
            assert (search.tier, search.model_id) == (0, world.params.model.model_id.hex())
            assert (prove.state, prove.pid) == ("none", 0)
            told = await metrics(world)
            assert 'esper_worker_ready{kind="search",slot="1",where="here"} 1.0' in told
            assert 'esper_worker_ready{kind="calls",slot="1",where="here"} 0.0' in told
            assert "esper_farm" not in told

    go(main)


def test_a_farm_is_shown_with_its_workers(datadir: Path, drivers: Drivers) -> None:
    async def main() -> None:
        farm = a_farm()
        async with node_world(datadir, farm=farm) as world, running(world):
            found = await world.ask(m.GET_WORKERS)
            assert found.farm == s.FarmReply(
                "head.example:6379", True, "", 0, False, False, 1, 0, 0, []
            )
            # Nobody has searched with it yet.
            assert [one for one in found.workers if one.where == "farm"] == []
            farm.assign(ASSIGNED, Heard())
            await rest()
            drivers.now.place(drivers.now.asked(Role.PROVE)[0])
            await rest()
            search = drivers.now.asked(Role.SEARCH)[0]
            drivers.now.place(search, EVIL)
            await rest()
            farm.tell(search, Search(EASY_JOB))
            jump(5)
            found = await world.ask(m.GET_WORKERS)
            assert found.farm is not None
            assert (found.farm.searches, found.farm.proves, found.farm.since_s) == (True, True, 5)
            first = found.workers[0]
            assert (first.where, first.kind, first.slot, first.worker) == (
                "farm",
                "search",
                1,
                search,
            )
            assert (first.state, first.in_hand, first.in_hand_s) == ("busy", "block 1", 5)
            assert first.host == 'rack  [31m"} 1 esper_farm_up 7'
            assert first.model_id == ENTRY.model_id.hex()
            kinds = [(one.where, one.kind) for one in found.workers]
            assert kinds.index(("farm", "prove")) < kinds.index(("here", "search"))
            told = await metrics(world)
            # The name of a machine is no label, and cannot become a line.
            assert "rack" not in told
            assert "esper_farm_up 1.0\n" in told
            assert (
                'esper_worker_busy_seconds_total{kind="search",slot="1",where="farm"} 5.0' in told
            )

    go(main)


def test_a_worker_that_died_is_told_with_why(datadir: Path, drivers: Drivers) -> None:
    async def main() -> None:
        farm = a_farm()
        async with node_world(datadir, farm=farm) as world, running(world):
            farm.assign(ASSIGNED, Heard())
            await rest()
            prover = drivers.now.asked(Role.PROVE)[0]
            drivers.now.place(prover, b"rack-3")
            await rest()
            drivers.now.say(LinkKind.GONE, prover, data=b"its process died")
            await rest()
            jump(3)
            drivers.now.place(drivers.now.asked(Role.PROVE)[-1], b"rack-2")
            await rest()
            found = await world.ask(m.GET_WORKERS)
            assert found.farm is not None
            assert (found.farm.lost, found.farm.recovery_ms) == (1, [3000])
            [there, *_] = [one for one in found.workers if one.kind == "prove"]
            assert (there.host, there.restarts) == ("rack-2", 1)
            assert there.lost == s.LostWorker(prover, "rack-3", 3, "its process died")
            told = await metrics(world)
            assert 'esper_worker_restarts_total{kind="prove",slot="1",where="farm"} 1.0' in told
            assert 'esper_farm_workers_lost_total{why="died"} 1.0' in told

    go(main)


def test_a_cluster_that_is_not_there_is_told_with_why(datadir: Path, drivers: Drivers) -> None:
    drivers.refuse = "no cluster of Ray at head.example:6379"

    async def main() -> None:
        async with node_world(datadir, farm=a_farm()) as world, running(world):
            found = await world.ask(m.GET_WORKERS)
            assert found.farm is not None
            assert (found.farm.up, found.farm.why_down) == (False, drivers.refuse)
            assert (found.farm.searches, found.farm.proves) == (False, False)
            assert {one.where for one in found.workers} == {"here"}
            counts = HttpCounts()
            gauge = node_gauge(world.node, world.parts, LateWatch(), counts)  # type: ignore[arg-type]
            assert (await gauge.sample()).farm == FarmSample(False, 0, 0, 0)

    go(main)
