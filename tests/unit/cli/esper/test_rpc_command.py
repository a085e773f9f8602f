"""`esper rpc`: methods by name, parameters as they are typed, answers as JSON."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from esper.cli.esper import environment as wallet_machine
from esper.rpc.client import NodeUnreachableError, RpcClient
from esper.rpc.methods import METHODS
from tests.support.node.answering import Answering
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]


class Server:
    """Answers everything by what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Callable[[dict[str, Any]], dict[str, Any]] = lambda body: {"result": body}
        self.timeouts: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = msgspec.json.decode(request.content)
        self.asked.append(body)
        reply = {"jsonrpc": "2.0", "id": body["id"]} | self.answer(body)
        return httpx.Response(200, content=iter([json.dumps(reply).encode()]))


@pytest.fixture
def server(console: Console, monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()

    def client(_: Path, timeout_s: float) -> RpcClient:
        found.timeouts.append(timeout_s)
        return RpcClient("http://127.0.0.1:1/", exchange=Answering(found))

    monkeypatch.setattr(wallet_machine, "rpc_client", client)
    return found


@pytest.mark.parametrize(
    ("words", "params"),
    [
        ((), {}),
        (("height=7",), {"height": 7}),
        (("text=7", "max_tokens=3"), {"text": "7", "max_tokens": 3}),
        (("text=true",), {"text": "true"}),
        (('text="quoted"',), {"text": "quoted"}),
        (("text=a=b c",), {"text": "a=b c"}),
        (("text=",), {"text": ""}),
        (("tokens=[1, 2]",), {"tokens": [1, 2]}),
        (("txid=12345678",), {"txid": "12345678"}),
        (("unknown=1.5",), {"unknown": 1.5}),
        (("unknown=null",), {"unknown": None}),
        (("unknown=plain",), {"unknown": "plain"}),
        (('{"height": 3}',), {"height": 3}),
        (("[1, null]",), [1, None]),
    ],
)
def test_parameters(
    console: Console, server: Server, words: tuple[str, ...], params: dict[str, Any] | list[Any]
) -> None:
    method = "get_block"
    if any(word.startswith(("text", "tokens", "max")) for word in words):
        method = "estimate_call"
    elif any(word.startswith("txid") for word in words):
        method = "get_transaction"
    shown = json.loads(console.run("rpc", method, *words))
    assert shown["params"] == params
    assert shown["method"] == method


def test_parameters_from_standard_input(
    console: Console, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wallet_machine, "standard_input", lambda _: b'{"height": 9}\n')
    assert json.loads(console.run("rpc", "get_block", "-"))["params"] == {"height": 9}
    monkeypatch.setattr(wallet_machine, "standard_input", lambda _: b"7")
    assert "object or array" in console.error("rpc", "get_block", "-", status=2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("7",), "NAME=VALUE"),
        (("height=1", "height=2"), "twice"),
        (("{",), "not JSON"),
        (('{"a": 1, "a": 2}',), "twice"),
        (("[1", "2]"), "NAME=VALUE"),
        (("hash=\udcff",), "not UTF-8"),
        (("{\udcff}",), "not UTF-8"),
    ],
)
def test_parameters_that_are_none(
    console: Console, server: Server, words: tuple[str, ...], says: str
) -> None:
    assert says in console.error("rpc", "get_block", *words, status=2)
    assert server.asked == []


def test_answers_keep_their_digits_and_steer_nothing(console: Console, server: Server) -> None:
    server.answer = lambda _: {"result": {"big": 10**30, "text": "\x1b[2J\u202e\x9b ü"}}
    out = console.run("rpc", "get_status")
    assert json.loads(out) == {"big": 10**30, "text": "\x1b[2J\u202e\x9b ü"}
    assert not set("\x1b\u202e\x9b") & set(out)
    assert out.count("\n") > 1
    assert console.run("rpc", "get_status", "--json").count("\n") == 1


def test_errors(console: Console, server: Server) -> None:
    server.answer = lambda _: {"error": {"code": -32602, "message": "bad", "data": {"field": "x"}}}
    assert console.error("rpc", "get_block") == "bad\n"
    error = json.loads(console.error("rpc", "get_block", "--json"))["error"]
    assert error["data"] == {"code": -32602, "data": {"field": "x"}}


def test_unknown_methods(console: Console, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    # A newer node may know what this program does not.
    assert json.loads(console.run("rpc", "get_weather"))["method"] == "get_weather"
    server.answer = lambda _: {"error": {"code": -32601, "message": "no such method"}}
    said = console.error("rpc", "get_blok", status=2)
    assert "did you mean get_block" in said
    assert "esper rpc" in said

    def nobody(_: Path, timeout_s: float) -> RpcClient:
        raise NodeUnreachableError("http://127.0.0.1:1/", "refused")

    monkeypatch.setattr(wallet_machine, "rpc_client", nobody)
    assert "did you mean get_block" in console.error("rpc", "get_blok", status=2)
    assert "no node answers" in console.error("rpc", "get_block")


def test_what_mines_blocks_is_waited_for(console: Console, server: Server) -> None:
    console.run("rpc", "generate", "blocks=1")
    console.run("rpc", "get_status")
    console.run("rpc", "generate", "blocks=1", "--timeout", "5")
    assert server.timeouts == [3600, 30, 5]


def test_without_a_method_all_are_listed(console: Console) -> None:
    out = console.run("rpc")
    assert [line.split()[0] for line in out.splitlines()] == list(METHODS)
    assert "blocks= [payee=]" in out
    found = console.json("rpc")["methods"]
    assert [row["name"] for row in found] == list(METHODS)
