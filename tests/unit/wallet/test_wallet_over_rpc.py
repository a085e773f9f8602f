"""The wallet through the real client: every answer crosses the wire in its schema."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

import esper.cli.esper
import esper.wallet
from esper.cli.esper import environment as wallet_machine
from esper.rpc.client import NodeError, RpcClient
from esper.rpc.method import Method
from esper.rpc.methods import METHODS
from tests.support.node.answering import Answering
from tests.support.vm_world import BOB
from tests.support.wallet.fake_wallet_node import FakeNode
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

OTHER = BOB.address.to_text("resp")


def served(node: FakeNode) -> Callable[[httpx.Request], httpx.Response]:
    """A server in the shape of JSON-RPC around a fake node."""

    def handle(request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        method = METHODS[body["method"]]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        try:
            answer["result"] = node.call(method, method.read(body["params"]))
        except NodeError as error:
            answer["error"] = {"code": error.code, "message": error.message, "data": error.data}
        # Streamed, as from a socket: the client reads raw parts.
        data = msgspec.json.encode(answer)
        return httpx.Response(200, content=iter([data]))

    return handle


@pytest.fixture
def wired(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    exchange = Answering(served(console.node))

    def connect(_: Path) -> RpcClient:
        return RpcClient("http://127.0.0.1:9334/", exchange=exchange)

    monkeypatch.setattr(wallet_machine, "connect", connect)
    return console


def test_all_commands_cross_the_wire(wired: Console) -> None:
    wired.wallet()
    txid = wired.run("send", OTHER, "1.5").strip()
    txid = wired.json("bump", txid)["txid"]
    wired.node.mine()
    assert "confirmed" in wired.run("tx", txid)
    wired.run("stake", "100")
    for _ in range(12):
        wired.node.mine()
    assert wired.json("balance")["stake"] == "10000000000"
    found = wired.json("call", "Hi", "--max-tokens", "4", "--chat")
    assert found["status"] == "answered"
    for arguments in (("status",), ("models",), ("history",), ("block", "1"), ("credits",)):
        assert wired.run(*arguments)
    assert "height 999" in wired.error("block", "999")


def test_all_that_a_wallet_asks_of_a_node_but_one_needs_no_token() -> None:
    named: set[Method[Any, Any]] = set()
    for package in (esper.wallet, esper.cli.esper):
        for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            parts = vars(importlib.import_module(found.name)).values()
            named |= {part for part in parts if isinstance(part, Method)}
    assert {method.name for method in named if method.needs_token} == {"submit_transaction"}
    assert len(named) == 25


def test_nobody_answers(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("ESPER_RPC", "http://127.0.0.1:1/")
    said = console.error("status")
    assert "no node answers at http://127.0.0.1:1/" in said
    monkeypatch.setenv("ESPER_RPC", "ftp://x")
    assert "must look like" in console.error("status")
    monkeypatch.delenv("ESPER_RPC")
    assert "rpc.cookie" in console.error("status")
