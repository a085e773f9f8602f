"""Ray itself: a cluster of processes on this machine whose parts are killed while it mines."""

import os
import signal
from functools import partial

import pytest
import trio

pytest.importorskip("ray")

from bench.farm_recovery import Head, Miner, measured
from esper.node.views.workers.known_workers import KnownWorker, known_workers
from esper.node.workers.worker_slot import WorkerState

pytestmark = pytest.mark.nodes


def test_no_find_is_lost_whatever_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    from ray.cluster_utils import Cluster

    head = Head(Cluster)
    try:
        head.join()
        found = trio.run(measured, head)
    finally:
        head.end()
    # `measured` has seen that each job was found once, and each find proven once.
    assert found["proven"] >= 10
    print({name: value for name, value in found.items() if name != "load"}, os.getloadavg())


def test_a_worker_that_is_killed_is_told_and_another_comes_in_its_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    head = Head(Cluster)
    try:
        head.join()
        for kind in ("search", "prove"):
            trio.run(killed, head, kind)
    finally:
        head.end()


async def killed(head: Head, kind: str) -> None:
    miner = Miner(head.address)

    def first() -> KnownWorker:
        """The first slot of the kind."""
        return next(one for one in known_workers(miner.farm, ()) if one.kind == kind)

    def is_busy() -> bool:
        return first().standing.state is WorkerState.BUSY

    def is_lost(pid: int) -> bool:
        return first().standing.pid != pid

    async with trio.open_nursery() as nursery:
        nursery.start_soon(miner.run)
        await miner.next_proof()
        await miner.until(is_busy)
        before = first()
        assert before.where == "farm"
        assert before.entry == miner.farm.entry
        assert before.standing.host == os.uname().nodename
        assert before.standing.restarts == 0
        os.kill(before.standing.pid, signal.SIGKILL)
        await miner.until(partial(is_lost, before.standing.pid))
        lost = first().standing.lost
        assert lost is not None
        assert (lost.worker, lost.host) == (before.standing.worker, before.standing.host)
        assert "died unexpectedly" in lost.why
        await miner.until(lambda: first().standing.restarts == 1)
        await miner.next_proof(2)
        now = first().standing
        assert (now.attempts if kind == "search" else now.proofs) > 0
        assert now.busy_ms > 0
        miner.check()
        nursery.cancel_scope.cancel()
