"""A node in one process, with its server and fake workers: start, end, and being cut off."""

import logging
import re
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from esper.http.listening import BindError
from esper.node.datadir import DataDirectory
from esper.node.log_file import LogFile
from esper.node.logs import set_up
from esper.node.mining.node_mining import MiningPlan
from esper.node.running_node import NodeParts, open_node, run_node
from esper.node.settings import Settings
from esper.node.workers.work_ports import Workers
from esper.node.workers.worker_process import WorkerError
from esper.rpc.auth import COOKIE_FILE, read_cookie
from esper.rpc.methods import GET_STATUS
from esper.rpc.schema import NoParams
from tests.support.fake_work import FakeVerifier
from tests.support.node.fake_workers import OneCrew
from tests.support.node.node_world import (
    PARAMS,
    GatedProver,
    ManualSearcher,
    node_clock,
    rest,
    spelled_texts,
    store_options,
)
from tests.support.vm_world import MINER, address


class Unit:
    """What ``run_node`` is given, once more for every run."""

    def __init__(self, datadir: Path, **settings: Any) -> None:
        self.datadir = datadir
        clock = node_clock(PARAMS)
        self.searcher = ManualSearcher(PARAMS, clock)
        self.provers = GatedProver(PARAMS), GatedProver(PARAMS)
        crew = OneCrew(Workers(self.searcher, *self.provers))
        plan = MiningPlan(address(MINER), crew, 1, 1, wanted=0)
        self.parts = NodeParts(
            DataDirectory(datadir, PARAMS),
            FakeVerifier(PARAMS.model),
            spelled_texts(PARAMS),
            clock,
            plan,
            store_options(PARAMS),
            clock,
        )
        chosen = {"rpc_port": 0, "port": 0, **settings}
        self.settings = Settings(network=PARAMS.name, datadir=datadir, **chosen)

    async def run(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        await run_node(self.settings, self.parts, task_status=task_status)


def go(test: Callable[[], Awaitable[None]], *instruments: trio.abc.Instrument) -> None:
    """Time stands still: what waits for some of it waits for ever."""
    trio.run(test, clock=trio.testing.MockClock(), instruments=instruments)


def left_open() -> tuple[list[str], object, object]:
    """Files and sockets of this process, and who hears of signals."""
    files = []
    for one in Path("/proc/self/fd").iterdir():
        # The folder that is being read is among them.
        with suppress(FileNotFoundError):
            files.append(re.sub(r"\d+", "", str(one.readlink())))
    return sorted(files), signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def nothing_left_open(datadir: Path) -> Iterator[None]:
    # Python starts one for whoever shares memory, and keeps it until this process ends.
    resource_tracker.ensure_running()
    before = left_open()
    yield
    assert left_open() == before
    assert not (datadir / COOKIE_FILE).exists()


@pytest.mark.usefixtures("nothing_left_open")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once_and_everything_is_closed(
    datadir: Path, number: signal.Signals
) -> None:
    async def main() -> None:
        unit = Unit(datadir)
        async with trio.open_nursery() as nursery:
            port = await nursery.start(unit.run)
            cookie = read_cookie(datadir)
            assert cookie is not None
            assert cookie.url == f"http://127.0.0.1:{port}/"
            await rest()
            signal.raise_signal(number)
        assert unit.searcher.starts == 1
        assert [prover.asked[-1] for prover in unit.provers] == ["close", "close"]

    go(main)


@pytest.mark.usefixtures("nothing_left_open")
def test_a_port_that_is_taken_starts_no_worker(datadir: Path) -> None:
    async def main() -> None:
        [taken] = await trio.open_tcp_listeners(0, host="127.0.0.1")
        async with taken:
            unit = Unit(datadir, rpc_port=taken.socket.getsockname()[1])
            with pytest.raises(BaseExceptionGroup) as caught:
                await unit.run()
        assert caught.value.subgroup(BindError) is not None
        assert unit.searcher.starts == 0

    go(main)


@pytest.mark.usefixtures("nothing_left_open")
def test_a_service_that_fails_ends_the_node_and_is_named(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        unit = Unit(datadir)

        async def start() -> None:
            raise WorkerError("no memory for the prover")

        unit.provers[0].start = start  # type: ignore[method-assign]
        with pytest.raises(BaseExceptionGroup) as caught:
            await unit.run()
        assert caught.value.subgroup(WorkerError) is not None

    go(main)
    assert "mining ends the node: no memory for the prover" in caplog.text


@pytest.mark.usefixtures("nothing_left_open")
def test_hosts_of_the_settings_are_let_in_and_no_others(datadir: Path) -> None:
    async def main() -> None:
        unit = Unit(datadir, rpc_hosts=("node.lan",))
        async with trio.open_nursery() as nursery:
            port = await nursery.start(unit.run)
            async with httpx.AsyncClient() as client:
                for host, status in (("node.lan", 200), ("other.lan", 421), ("localhost", 200)):
                    url = f"http://127.0.0.1:{port}/health"
                    answer = await client.get(url, headers={"Host": f"{host}:{port}"})
                    assert (host, answer.status_code) == (host, status)
            nursery.cancel_scope.cancel()

    go(main)


class CutOff(trio.abc.Instrument):
    """Cancels a scope after so many steps of tasks, counted from ``arm`` on."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.armed = False
        self.scope = trio.CancelScope()

    def arm(self) -> None:
        self.armed = True

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.armed:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


@pytest.fixture
def late_signals() -> Iterator[None]:
    """Trio raises a signal again that nobody took: it would end the tests."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("nothing_left_open", "late_signals")
@pytest.mark.parametrize("during", ["start", "stop"])
def test_cut_off_anywhere_nothing_stays_open(datadir: Path, during: str) -> None:
    """After each single step from the first to the last of a start, or of a stop."""

    def is_cut_off(steps: int) -> bool:
        cut = CutOff(steps)

        async def main() -> None:
            unit = Unit(datadir)
            if during == "start":
                cut.arm()
            with cut.scope:
                async with trio.open_nursery() as nursery:
                    await nursery.start(unit.run)
                    await rest()
                    cut.arm()
                    signal.raise_signal(signal.SIGTERM)

        go(main, cut)
        return cut.left <= 0

    before, steps = left_open(), 1
    while is_cut_off(steps):
        # The next one finds the folder unlocked as well.
        assert left_open() == before, steps
        assert not (datadir / COOKIE_FILE).exists(), steps
        steps += 1
    assert steps > 10


@pytest.fixture
def hangups_end_it() -> Iterator[None]:
    """Under ``nohup`` a node without a log file ignores them, as it should."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("nothing_left_open", "hangups_end_it")
def test_a_hangup_opens_the_log_file_anew_and_ends_a_node_without_one(datadir: Path) -> None:
    path, moved = datadir / "esper.log", datadir / "moved.log"

    async def main(**settings: Any) -> None:
        async with trio.open_nursery() as nursery:
            unit = Unit(datadir, **settings)
            await nursery.start(unit.run)
            await rest()
            if settings:
                path.rename(moved)
                signal.raise_signal(signal.SIGHUP)
                await rest()
                assert "log file is opened anew" in path.read_text()
                signal.raise_signal(signal.SIGTERM)
            else:
                signal.raise_signal(signal.SIGHUP)

    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    file = LogFile(path, limit_bytes=1 << 20, kept=0)
    try:
        set_up("info", as_json=False, file=file)
        go(partial(main, log_file=path))
        assert "SIGTERM: closing" in path.read_text()
        assert "at height 0" in moved.read_text()
    finally:
        file.close()
        root.handlers[:] = before
        root.setLevel(level)
    go(main)


def test_a_tier_that_is_not_there_is_told_at_once_and_to_whoever_asks(
    datadir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        unit = Unit(datadir)
        assert unit.parts.mining is not None
        parts = replace(unit.parts, mining=replace(unit.parts.mining, tier=5))
        said = "there is no tier 5 at height 0: nothing is mined before a vote adds it"
        with open_node(unit.settings, parts, lambda: None) as node:
            assert said in caplog.text
            status = await node.rpc.call(GET_STATUS, NoParams())
        assert [one for one in status.warnings if said in one]

    go(main)
