"""How many threads are of use: the same bound whoever names them."""

import os
from pathlib import Path

import pytest

from esper.node.workers.threads import PER_PROCESSOR, ThreadsError, check_threads, processors
from esper.primitives import networks
from esper.rpc.errors import INVALID_PARAMS, RpcError
from esper.rpc.methods import GET_MINING, SET_THREADS
from esper.rpc.schema import ThreadsParams
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import run, use_fakes
from tests.support.node.node_world import go, grown_datadir, node_world, running

TWO = "must be at most 8 on this machine, which has 2 processors"


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 5})


def test_so_many_for_each_processor_and_no_more() -> None:
    check_threads(0)
    check_threads(2 * PER_PROCESSOR)
    with pytest.raises(ThreadsError, match=TWO):
        check_threads(2 * PER_PROCESSOR + 1)


@pytest.mark.parametrize("name", ["threads", "prove_threads"])
@pytest.mark.parametrize("command", ["mine", "node", "config"])
def test_every_source_is_held_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, name: str
) -> None:
    use_fakes(monkeypatch, fake_network(), fake_network(networks.MAINNET))
    where = ("--network", "regtest", "--datadir", tmp_path)
    flag = "--" + name.replace("_", "-")
    if command != "node":
        told = run(command, *where, flag, 100, status=2)
        assert told == f"error: command line: {name} = 100: {TWO}\n"
    monkeypatch.setenv(f"ESPER_{name.upper()}", "9")
    told = run(command, *where, status=2)
    assert told == f"error: environment: {name} = 9: {TWO}\n"
    monkeypatch.delenv(f"ESPER_{name.upper()}")
    (tmp_path / "esper.toml").write_text(f"{name} = 1024\n")
    told = run(command, *where, status=2)
    assert told == f"error: {tmp_path}/esper.toml: {name} = 1024: {TWO}\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "esper.toml"]


def test_a_request_is_held_to_it_and_changes_nothing(tmp_path: Path) -> None:
    datadir = grown_datadir(tmp_path)

    async def main() -> None:
        async with node_world(datadir) as world, running(world):
            before = await world.ask(GET_MINING)
            for wanted in (
                ThreadsParams(threads=100),
                ThreadsParams(prove_threads=9),
                ThreadsParams(threads=1, prove_threads=9),
            ):
                with pytest.raises(RpcError, match=f"threads {TWO}") as told:
                    await world.node.rpc.call(SET_THREADS, wanted)
                assert told.value.code == INVALID_PARAMS
            now = await world.ask(GET_MINING)
            assert (now.threads, now.prove_threads) == (before.threads, before.prove_threads)
            await world.ask(SET_THREADS, ThreadsParams(threads=8))

    go(main)


def test_nothing_said_is_one_for_each_processor() -> None:
    assert processors() == 2
