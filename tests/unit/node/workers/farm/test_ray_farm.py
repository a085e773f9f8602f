"""Ray itself: a cluster of processes on this machine whose parts are killed while it mines."""

import os

import pytest
import trio

pytest.importorskip("ray")

from bench.farm_recovery import Head, measured

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
