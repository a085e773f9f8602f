"""Mine with a farm on this machine while its parts are killed: seconds until it goes on.

python -m bench.farm_recovery     prints one JSON object

A cluster of Ray of two nodes of one processor each is started, a third joins. The miner is the
node's own search and prover over the farm, with jobs of regtest in place of a chain: each job has
to be found once, and its proof has to hold. In place of the node's own processes stands nobody, so
that each second without the farm shows.

`worker_s`, `prover_s` and `driver_s` are seconds from a SIGKILL until workers of both roles were
ready and another find was proven by the farm, `*_seen_s` until the miner knew. `head_seen_s` are
those from a SIGKILL of the head until the miner does without: from then on a node's own processes
work. `joined_s` are seconds from when a node has joined until a worker is ready on it, `first_s`
from nothing to the first proof. Needs `pip install ray`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import trio

from esper.consensus.chain import ProvenChain
from esper.consensus.genesis import genesis_hash
from esper.consensus.ports import WorkClaim
from esper.consensus.template import EMPTY_PLAN
from esper.dao.registry import Puzzle
from esper.embedded import find_embedded
from esper.model.prompts import read_bank
from esper.node.clock import wall_ms
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.farm.farm import Assignment, Farm
from esper.node.workers.farm.farm_prover import FarmProver
from esper.node.workers.farm.farm_search import FarmSearcher
from esper.node.workers.farm.ray_here import DRIVER
from esper.node.workers.farm.ticket_check import TicketCheck
from esper.node.workers.farm.worker_spec import Role, WorkerSpec
from esper.node.workers.loadable import Loadable
from esper.node.workers.native_work import NativeVerifier
from esper.node.workers.search import PromptSource, SearchJob
from esper.node.workers.work_ports import ProverPort
from esper.node.workers.worker_messages import Found, Progress
from esper.node.workers.worker_process import NATIVE, WorkerError
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.networks import DEMO_ADDRESS, REGTEST

PATIENCE_S: Final = 240
OBJECT_STORE_BYTES: Final = 100_000_000
AGAIN_S: Final = 0.2


class Nobody:
    """In place of the node's own search process."""

    def __init__(self) -> None:
        self.slot = WorkerSlot()

    async def run(
        self,
        events: trio.MemorySendChannel[Found | Progress],
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Find nothing until cancelled."""
        task_status.started()
        await trio.sleep_forever()

    def search(self, job: SearchJob | None) -> None:
        """Nothing."""

    def use_threads(self, threads: int) -> None:
        """Nothing."""


class NoProver:
    """In place of the node's own prover."""

    def __init__(self) -> None:
        self.slot = WorkerSlot()

    async def prove_work(self, claim: WorkClaim) -> bytes:
        """Raises WorkerError, always."""
        await trio.lowlevel.checkpoint()
        raise WorkerError("nobody of the farm is there")


class Miner:
    """Finds and proves one job after the other."""

    def __init__(self, address: str) -> None:
        embedded = find_embedded()
        entry = Loadable(REGTEST.model, Puzzle.of(REGTEST.puzzle))
        search = WorkerSpec(
            Role.SEARCH, REGTEST.name, entry, embedded.model, embedded.bank, 1, 0, NATIVE
        )
        specs = {Role.SEARCH: search, Role.PROVE: replace(search, role=Role.PROVE)}
        self.farm = Farm(DRIVER, address)
        bank = PromptSource.of(read_bank(embedded.bank).prompts, REGTEST.model)
        check = TicketCheck(REGTEST.puzzle, REGTEST.model, bank)
        most = {Role.SEARCH: 8, Role.PROVE: 1}
        assignment = Assignment(entry, specs, most)
        self._searcher = FarmSearcher(Nobody(), self.farm, assignment, lambda: check, wall_ms)
        self._verifier = NativeVerifier()
        self._prover = FarmProver(
            # Nothing else of it is asked here.
            cast(ProverPort, NoProver()),
            self.farm,
            entry,
            self._verifier,
            genesis_hash(REGTEST),
        )
        self.proven: list[int] = []
        """Numbers of jobs whose proof holds."""
        self.found: list[int] = []
        """Numbers of jobs as they were found."""
        self._news = trio.Event()

    async def run(self) -> None:
        """Mine until cancelled."""
        send, events = trio.open_memory_channel[Found | Progress](1_000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.farm.run)
            await nursery.start(self._searcher.run, send)
            for number in range(1, sys.maxsize):
                self._searcher.search(job(number))
                await self._prove(await self._find(events))

    async def _find(self, events: trio.MemoryReceiveChannel[Found | Progress]) -> Found:
        async for event in events:
            if isinstance(event, Found):
                self.found.append(event.number)
                return event
        raise AssertionError("the search ended")

    async def _prove(self, found: Found) -> None:
        while True:
            try:
                proof = await self._prover.prove_work(found.ticket.claim)
            except WorkerError:
                # As a node's own prover would begin now; here the farm's is waited for.
                await trio.sleep(AGAIN_S)
                continue
            self._verifier.verify(found.ticket.claim, proof)
            self.proven.append(found.number)
            self._news.set()
            self._news = trio.Event()
            return

    async def next_proof(self, count: int = 1) -> float:
        """Seconds until so many more finds are proven."""
        began = time.perf_counter()
        with trio.fail_after(PATIENCE_S):
            for _ in range(count):
                await self._news.wait()
        return time.perf_counter() - began

    async def until(self, what: Callable[[], bool]) -> float:
        """Seconds until something is so."""
        began = time.perf_counter()
        with trio.fail_after(PATIENCE_S):
            while not what():
                await trio.sleep(0.02)
        return time.perf_counter() - began

    def check(self) -> None:
        """Raises AssertionError unless every job was found once and proven once, in order."""
        numbers = list(range(1, len(self.found) + 1))
        assert self.found == numbers, "a job was found twice, or never"
        assert self.proven in (numbers, numbers[:-1]), "a find was lost, or proven twice"


def job(number: int) -> SearchJob:
    """A search for the first block of regtest, under another number each time."""
    chain = ProvenChain.genesis(REGTEST)
    template = TemplateMaker(REGTEST, DEMO_ADDRESS, bytes(32)).template(
        chain.context, chain.state, EMPTY_PLAN, model=REGTEST.model, time_ms=wall_ms()
    )
    return job_of(number, template, chain.context)


def driver_pid() -> int:
    """Of the driver that this process started. Raises LookupError if there is none."""
    for path in Path("/proc").iterdir():
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except (OSError, IndexError):
            continue
        if int(parent) == os.getpid() and DRIVER[-1].encode() in words:
            return int(path.name)
    raise LookupError("no driver runs")


class Head:
    """A cluster whose head can be killed and started again at the same address."""

    def __init__(self, cluster_of: Callable[..., Any]) -> None:
        self._cluster_of = cluster_of
        self.cluster = self._started()

    @property
    def address(self) -> str:
        """HOST:PORT."""
        address: str = self.cluster.address
        return address

    def _started(self) -> Any:
        arguments = {
            "num_cpus": 1,
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
        }
        return self._cluster_of(initialize_head=True, head_node_args=arguments)

    def join(self) -> None:
        """One more node."""
        self.cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)

    def kill(self) -> None:
        """SIGKILL of the head's GCS."""
        self.cluster.head_node.kill_gcs_server()

    def end(self) -> None:
        """End all of its processes."""
        self.cluster.shutdown()


def is_gone(farm: Farm, number: int) -> bool:
    """Whether the farm knows a worker no more."""
    return number not in farm.workers


def is_there(farm: Farm, role: Role) -> bool:
    """Whether a worker of a role is ready."""
    return bool(farm.ready(role))


async def measured(head: Head) -> dict[str, Any]:
    """All of it, in one life of a miner but for the head's death."""
    found: dict[str, Any] = {"load": os.getloadavg()[0]}
    miner = Miner(head.address)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(miner.run)
        found["first_s"] = await miner.next_proof()
        ready = miner.farm.ready

        before = len(ready(Role.SEARCH))
        # In this thread, as Ray wants it: what comes meanwhile waits in the driver's pipe.
        head.join()
        found["joined_s"] = await miner.until(lambda: len(ready(Role.SEARCH)) > before)
        await miner.next_proof(2)

        for name, role in (("worker_s", Role.SEARCH), ("prover_s", Role.PROVE)):
            killed = ready(role)[0]
            os.kill(killed.pid, signal.SIGKILL)
            began = time.perf_counter()
            await miner.until(partial(is_gone, miner.farm, killed.number))
            found[name.replace("_s", "_seen_s")] = time.perf_counter() - began
            await miner.until(partial(is_there, miner.farm, role))
            await miner.next_proof()
            found[name] = time.perf_counter() - began
            await miner.next_proof(2)

        starts = miner.farm.counts.starts
        os.kill(driver_pid(), signal.SIGKILL)
        began = time.perf_counter()
        await miner.until(lambda: miner.farm.counts.starts > starts)
        await miner.until(lambda: bool(ready(Role.SEARCH) and ready(Role.PROVE)))
        await miner.next_proof()
        found["driver_s"] = time.perf_counter() - began
        await miner.next_proof(2)

        head.kill()
        began = time.perf_counter()
        await miner.until(lambda: bool(miner.farm.down))
        found["head_seen_s"] = time.perf_counter() - began
        miner.check()
        found["proven"] = len(miner.proven)
        nursery.cancel_scope.cancel()
    return found


def main() -> None:
    """Print what was measured."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    try:
        from ray.cluster_utils import Cluster
    except ModuleNotFoundError as error:
        sys.exit(f"bench.farm_recovery needs Ray, and {error.name} is not installed")
    head = Head(Cluster)
    try:
        head.join()
        print(json.dumps(trio.run(measured, head), indent=2))
    finally:
        head.end()


if __name__ == "__main__":
    main()
