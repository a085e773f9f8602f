"""``esperd farm status``: a table for people, an object for programs, and when it fails."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.rpc.errors import NOT_MINING
from esper.rpc.examples import FARM_WORKER, OWN_WORKER, WORKERS
from esper.rpc.method import Method

replaced = msgspec.structs.replace


class FakeClient:
    """A node that answers what a test says."""

    def __init__(self) -> None:
        self.answer: s.WorkersReply | NodeError = WORKERS

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: Method[Any, Any], request: Any) -> Any:
        assert (method.name, request) == ("get_workers", s.NoParams())
        if isinstance(self.answer, NodeError):
            raise self.answer
        return self.answer


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(RpcClient, "from_environment", lambda *_: made)
    return made


def asked(*words: str) -> tuple[int, str, str]:
    """Status, standard output, standard error."""
    done = CliRunner().invoke(esperd.application(), ["farm", "status", *words])
    return done.exit_code, done.stdout, done.stderr


def test_a_farm_that_works(client: FakeClient) -> None:
    status, told, errors = asked()
    assert (status, errors) == (0, "")
    assert told.splitlines() == [
        "farm        head.example:6379, there for 1 h 6 m",
        "search      by the farm",
        "proofs      by the farm",
        "lost        1 died, 0 were replaced because they were at fault",
        "recovered   in 3.1 s, the last time last",
        "",
        "worker           on                state  up         done       restarts  in hand",
        "prove 1 (no. 7)  rack-2, pid 4711  busy   10 m 10 s  31 proofs  1         "
        "proof of a ticket, 2 s",
        "own prove 1      here, pid 912     idle   1 h 6 m    1 proof    0         -",
        "",
        "lost last, and why",
        "10 m 13 s ago  prove 1 (no. 1) on rack-3: its process died",
    ]


def test_workers_that_are_not_there_yet_or_no_more(client: FakeClient) -> None:
    search = replaced(FARM_WORKER, kind="search", host="", pid=0, in_hand="", attempts=12_345)
    client.answer = s.WorkersReply(
        WORKERS.farm,
        [
            replaced(search, slot=1, worker=9, state="starting", lost=None),
            replaced(search, slot=2, worker=0, state="none", attempts=1),
            replaced(OWN_WORKER, pid=0, state="none"),
        ],
    )
    rows = [line.split() for line in asked()[1].splitlines()[7:10]]
    assert rows == [
        ["search", "1", "(no.", "9)", "-", "starting", "-", "12,345", "attempts", "1", "-"],
        ["search", "2", "-", "none", "-", "1", "attempts", "1", "-"],
        ["own", "prove", "1", "here", "none", "-", "1", "proof", "0", "-"],
    ]


def test_lost_workers_are_told_the_newest_first(client: FakeClient) -> None:
    own = s.LostWorker(0, "", 2, "prove worker ended with status -9")
    client.answer = replaced(WORKERS, workers=[FARM_WORKER, replaced(OWN_WORKER, lost=own)])
    assert asked()[1].splitlines()[-2:] == [
        "2 s ago  own prove 1: prove worker ended with status -9",
        "10 m 13 s ago  prove 1 (no. 1) on rack-3: its process died",
    ]


def test_a_cluster_that_is_gone_is_status_1(client: FakeClient) -> None:
    assert WORKERS.farm is not None
    farm = replaced(
        WORKERS.farm, up=False, why_down="no head", since_s=5, searches=False, proves=False
    )
    client.answer = s.WorkersReply(farm, [OWN_WORKER])
    status, told, errors = asked()
    assert status == 1
    assert errors == "the farm at head.example:6379 is not there: no head\n"
    assert told.splitlines()[:3] == [
        "farm        head.example:6379, not there for 5 s: no head",
        "search      by local processes: no worker of the farm is ready",
        "proofs      by local processes: no worker of the farm is ready",
    ]
    status, told, errors = asked("--json")
    assert status == 1
    assert json.loads(told)["farm"]["why_down"] == "no head"


def test_a_farm_whose_workers_are_not_ready_is_there_all_the_same(client: FakeClient) -> None:
    assert WORKERS.farm is not None
    farm = replaced(WORKERS.farm, searches=True, proves=False, recovery_ms=[])
    client.answer = s.WorkersReply(farm, [])
    status, told, _ = asked()
    assert status == 0
    assert told.splitlines()[1:] == [
        "search      by the farm",
        "proofs      by local processes: no worker of the farm is ready",
        "lost        1 died, 0 were replaced because they were at fault",
        "",
        "no worker is known",
    ]


def test_a_node_without_a_farm_shows_its_own_processes(client: FakeClient) -> None:
    client.answer = s.WorkersReply(None, [OWN_WORKER])
    status, told, errors = asked()
    assert (status, errors) == (0, "")
    first, _, _, own = told.splitlines()
    assert first.startswith("farm        none: this node mines with processes of its own machine")
    assert "`ray`" in first
    assert own.startswith("own prove 1  here, pid 912")


def test_a_node_that_does_not_mine_says_so(client: FakeClient) -> None:
    client.answer = NodeError(NOT_MINING, "this node does not mine: start it with `esperd mine`")
    status, told, errors = asked()
    assert (status, told) == (1, "")
    assert errors == "error: this node does not mine: start it with `esperd mine`\n"
    status, told, errors = asked("--json")
    assert (status, told) == (1, "")
    assert "esperd mine" in json.loads(errors)["error"]["message"]


def test_an_object_is_what_the_node_says(client: FakeClient) -> None:
    status, told, errors = asked("--json")
    assert (status, errors) == (0, "")
    assert json.loads(told) == msgspec.to_builtins(WORKERS)
