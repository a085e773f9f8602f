"""The wallet through the real client: every answer crosses the wire in its schema."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from esper.cli.esper import environment as wallet_machine
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.wallet.node_port import RpcNode
from tests.support.fake_wallet_node import FakeNode
from tests.support.vm_world import BOB
from tests.support.wallet_console import Console, console

__all__ = ["console"]

OTHER = BOB.address.to_text("desp")


def served(node: FakeNode) -> Callable[[httpx.Request], httpx.Response]:
    """A server in the shape of JSON-RPC around a fake node."""
    methods: dict[str, tuple[Any, Any]] = {
        "get_status": (s.NoParams, lambda _: node.status()),
        "list_models": (s.NoParams, lambda _: node.models()),
        "get_block": (s.BlockParams, node.block),
        "get_transaction": (s.TransactionParams, node.transaction),
        "submit_transaction": (s.SubmitParams, node.submit),
        "get_account": (s.AccountParams, node.account),
        "get_history": (s.HistoryParams, node.history),
        "estimate_call": (s.EstimateParams, node.estimate_call),
        "get_call": (s.TransactionParams, node.call),
    }

    def handle(request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        shape, method = methods[body["method"]]
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
        try:
            answer["result"] = method(msgspec.convert(body["params"], shape))
        except NodeError as error:
            answer["error"] = {"code": error.code, "message": error.message, "data": error.data}
        # Streamed, as from a socket: the client reads raw parts.
        data = msgspec.json.encode(answer)
        return httpx.Response(200, content=iter([data]))

    return handle


@pytest.fixture
def wired(console: Console, monkeypatch: pytest.MonkeyPatch) -> Console:
    transport = httpx.MockTransport(served(console.node))

    def connect(_: Path) -> RpcNode:
        return RpcNode(RpcClient("http://127.0.0.1:9334/", transport=transport))

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


def test_nobody_answers(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("ESPER_RPC", "http://127.0.0.1:1/")
    said = console.error("status")
    assert "no node answers at http://127.0.0.1:1/" in said
    monkeypatch.setenv("ESPER_RPC", "ftp://x")
    assert "must look like" in console.error("status")
    monkeypatch.delenv("ESPER_RPC")
    assert "rpc.cookie" in console.error("status")
