"""Killed at each commit of its database, the gateway loses no answer, and pays and charges once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from esper.gateway.proving_rows import Status
from esper.gateway.store.budget import PeriodState
from esper.gateway.store.gateway_store import GatewayStore
from tests.support.gateway.accounts import NOW, account
from tests.support.gateway.store_child import CALLS

REPOSITORY = Path(__file__).parents[2]
HANGS_AFTER_S = 600
"""The hundred lives of a database, which take seconds."""


@contextmanager
def gateways() -> Iterator[Callable[[Path, int, str], int]]:
    """Runs a gateway on a folder, killed at a commit; how it ended."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.gateway.store_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ESPER_STALE_NATIVE": "allow", "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        orders, ends = process.stdin, process.stdout

        def run(folder: Path, number: int, when: str) -> int:
            print(number, when, folder, file=orders, flush=True)
            return int(ends.readline())

        killer = threading.Timer(HANGS_AFTER_S, process.kill)
        killer.start()
        try:
            yield run
        finally:
            killer.cancel()
            orders.close()


def check_after_kill(folder: Path) -> None:
    """What a client saw is kept and charged; what it did not see may have fallen away."""
    world = folder / "world.json"
    seen = json.loads(world.read_text())["chunks"] if world.exists() else []
    with GatewayStore(folder / "gateway.db") as store:
        store.recover()
        reserved = 0
        for call in CALLS:
            kept = store.receipts.find(call)
            charges = store.budget.charges(call)
            assert (kept is not None) == ("serve" in charges)
            assert kept is not None or call not in seen
            reserved += 200 if kept is not None and "proof" not in charges else 0
        state = store.budget.state(account().id, account().period(NOW))
        assert state.reserved == reserved


def check_end(folder: Path) -> None:
    world = json.loads((folder / "world.json").read_text())
    spent = [one for block in world["blocks"] for one in block]
    assert [nonce for nonce, _ in spent] == [0, 1]
    # The same bytes again: a nonce was never sent with other ones.
    assert len({tuple(one) for one in world["sent"]}) == 2
    with GatewayStore(folder / "gateway.db") as store:
        rows = store.line.load(0).rows
        assert sorted(row.call for row in rows) == sorted(CALLS)
        assert {row.status for row in rows} == {Status.FINAL}
        assert sorted(row.nonce for row in rows if row.nonce is not None) == [0, 1]
        for call in CALLS:
            assert store.budget.charges(call) == {"serve": 10, "proof": 100}
        assert store.budget.state(account().id, account().period(NOW)) == PeriodState(220, 0)


def test_kill_at_each_commit(tmp_path: Path) -> None:
    kills = 0
    with gateways() as run:
        for when in ("before", "after"):
            for number in range(1, 200):
                folder = tmp_path / f"{when}{number}"
                folder.mkdir()
                code = run(folder, number, when)
                if code == 0:
                    check_end(folder)
                    break
                assert code == -9
                kills += 1
                check_after_kill(folder)
                assert run(folder, 0, when) == 0
                check_end(folder)
    # Reservation, promise, signing, blocks: fewer would mean that it was not killed.
    assert kills > 40
