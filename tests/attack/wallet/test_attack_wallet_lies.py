"""Attacks on a wallet's eyes: what a node says may be false, but neither steers nor crashes."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from esper.cli.esper import environment as wallet_machine
from esper.cli.esper.app import application
from esper.rpc import schema as s
from esper.rpc.client import RpcClient
from tests.support.node.answering import Answering
from tests.support.vm_world import BOB, World
from tests.support.wallet.fake_wallet_node import credit_rich
from tests.support.wallet.wallet_console import Console, console
from tests.unit.wallet.test_wallet_over_rpc import served

__all__ = ["console"]

OTHER = BOB.address.to_text("resp")
HUGE = 10**400
"""More than a double holds, and within what JSON's readers take for a number."""
STEERING = "\x1b]0;owned\x07\x1b[2J\u202e\x9b31m\rq"
LARGEST = 10**4300 - 1
"""The largest that those readers take: no sum with it has a text any more."""
LIES: dict[type, list[Any]] = {int: [HUGE, LARGEST, -LARGEST], str: [STEERING], bool: []}

Place = tuple[Any, ...]
Handler = Callable[[httpx.Request], httpx.Response]


def credit(world: World) -> World:
    """The same world, in which stakes earned something."""
    earned = credit_rich(world)
    for _ in range(3):
        earned.block()
    return earned


def leaves(value: Any, path: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place of a JSON value that a lie could stand in, and the lies."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, part in items:
            yield from leaves(part, (*path, key))
    else:
        yield from ((path, lie) for lie in LIES.get(type(value), [HUGE, STEERING]))


def put(value: Any, path: Place, lie: Any) -> Any:
    changed = copy.deepcopy(value)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = lie
    return changed


class Liar:
    """A server that lies in one place of one method's answers."""

    def __init__(self, honest: Handler) -> None:
        self._honest = honest
        self.method = ""
        self.lie: tuple[Place, Any] | None = None
        self.seen: dict[str, Any] = {}
        """The last honest answer of each method."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        method = json.loads(request.content)["method"]
        answer = json.loads(b"".join(self._honest(request).stream))  # type: ignore[arg-type]
        self.seen[method] = answer
        if method == self.method and self.lie is not None:
            answer = put(answer, *self.lie)
        return httpx.Response(200, content=iter([json.dumps(answer).encode()]))


@pytest.fixture
def liar(console: Console, monkeypatch: pytest.MonkeyPatch) -> Liar:
    found = Liar(served(console.node))

    def connect(_: Path) -> RpcClient:
        return RpcClient("http://127.0.0.1:9334/", exchange=Answering(found))

    monkeypatch.setattr(wallet_machine, "connect", connect)
    return found


CASES = [
    ("get_status", ["status"]),
    ("get_account", ["balance"]),
    ("get_account", ["send", OTHER, "1", "--yes"]),
    ("get_block", ["block"]),
    ("get_history", ["history"]),
    ("get_pending", ["history"]),
    ("get_transaction", ["bump", "TXID", "--yes"]),
    ("get_transaction", ["tx", "TXID"]),
    ("get_call", ["tx", "CALL"]),
    ("get_proof", ["proof", "CALL"]),
    ("get_transaction", ["proof", "CALL"]),
    ("estimate_call", ["call", "Hi", "--no-wait", "--bid", "20", "--yes"]),
    ("list_models", ["models"]),
    ("submit_transaction", ["stake", "1", "--yes"]),
]


@pytest.mark.parametrize(("method", "command"), CASES, ids=[f"{m}-{c[0]}" for m, c in CASES])
def test_no_lie_of_a_node_crashes_a_command_or_steers_the_terminal(
    console: Console, liar: Liar, method: str, command: list[str]
) -> None:
    """One place of one answer at a time: huge and negative numbers, escape sequences, nothing."""
    console.wallet()
    console.node.history_events = (s.Event(1, 1, "ab" * 64, "sent", "5", "1", OTHER),)
    ids = {"TXID": console.json("stake", "900")["txid"], "CALL": "00" * 64}
    if "CALL" in command or method == "estimate_call":
        console.node.mine()
        console.node.world = credit(console.node.world)
    if "CALL" in command:
        ids["CALL"] = console.json("call", "Hi", "--no-wait", "--bid", "20")["txid"]
    if "proof" in command:
        console.node.mine()
    arguments = [ids.get(word, word) for word in command]
    run = CliRunner()

    def told() -> str:
        pending = dict(console.node.pending)
        result = run.invoke(application(), arguments, env={"ESPER_DATADIR": str(console.datadir)})
        console.node.pending = pending
        assert result.exception is None or isinstance(result.exception, SystemExit), liar.lie
        return result.stdout + result.stderr

    told()
    liar.method = method
    tried = 0
    for lie in leaves(liar.seen[method]["result"], ("result",)):
        liar.lie = lie
        output = told()
        assert "\x1b" not in output
        assert "\u202e" not in output
        assert "\x9b" not in output
        assert "\r" not in output
        tried += 1
    assert tried > 1
