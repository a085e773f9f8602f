"""The table of methods: a row more is a method more, and whoever does not fit it is told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from esper.rpc import errors as e
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.rpc.client import NodeError, RpcClient
from esper.rpc.method import COMMON_ERRORS, Example, Method, SameNameError, method_table
from esper.rpc.port import (
    Answer,
    AnsweredTwiceError,
    NodePort,
    UnansweredMethodError,
    UnknownMethodError,
    UnlistedErrorError,
    answers,
)
from tests.support.node.fake_node import FakeNode, served, settings

ROOT = Path(__file__).resolve().parents[3]


class SumParams(s.Request, frozen=True):
    """Two numbers."""

    left: s.Height
    right: s.Height = 1


class Sum(s.Reply, frozen=True):
    """Both together."""

    total: int


GET_SUM = Method(
    "get_sum",
    SumParams,
    Sum,
    "Add two heights.",
    Example(SumParams(2, 3), Sum(5)),
    raises=(e.NOT_FOUND,),
    needs_token=True,
)


async def add(params: SumParams) -> Sum:
    if params.left == params.right:
        raise e.RpcError(e.NOT_FOUND, "equal numbers are not added here")
    return Sum(params.left + params.right)


def all_but(*left_out: Method[Any, Any]) -> list[Answer]:
    """Who answers the node's table, some methods left out."""

    async def nothing(_: s.Request) -> Any:
        raise AssertionError("nobody asks")

    left = {m.DISCOVER, *left_out}
    return [answers(row, nothing) for row in m.METHODS.values() if row not in left]


def test_one_more_row_is_served_called_and_described(tmp_path: Path) -> None:
    node = FakeNode(answers(GET_SUM, add))
    with served(node, settings(tmp_path)) as port:
        with RpcClient.from_environment({}, tmp_path) as client:
            assert client.call(GET_SUM, SumParams(4)) == Sum(5)
            with pytest.raises(NodeError, match="equal") as told:
                client.call(GET_SUM, SumParams(4, 4))
            assert told.value.code == e.NOT_FOUND
            with pytest.raises(NodeError, match="left") as told:
                client.call(GET_SUM, SumParams(-1))
            assert told.value.data == {"field": "left"}
            document = client.call(m.DISCOVER, s.NoParams())
        with (
            RpcClient(f"http://127.0.0.1:{port}/") as stranger,
            pytest.raises(NodeError) as told,
        ):
            stranger.call(GET_SUM, SumParams(4))
        assert told.value.code == e.UNAUTHORIZED
    assert node.asked == ["get_sum", "get_sum"]
    described = document["methods"][-1]
    assert (described["name"], described["summary"]) == ("get_sum", "Add two heights.")
    assert [part["name"] for part in described["params"]] == ["left", "right"]
    assert {"$ref": "#/components/errors/NOT_FOUND"} in described["errors"]
    assert described["examples"][0]["result"]["value"] == {"total": 5}


def test_what_is_no_row_is_not_answered(tmp_path: Path) -> None:
    with (
        served(FakeNode(), settings(tmp_path)),
        RpcClient.from_environment({}, tmp_path) as client,
        pytest.raises(NodeError) as told,
    ):
        client.call(GET_SUM, SumParams(4))
    assert told.value.code == e.METHOD_NOT_FOUND


def test_a_node_in_which_nobody_answers_a_row_does_not_start() -> None:
    with pytest.raises(UnansweredMethodError, match="get_block, stop") as told:
        NodePort(all_but(m.GET_BLOCK, m.STOP))
    assert told.value.names == ("get_block", "stop")
    with pytest.raises(UnansweredMethodError, match="get_sum"):
        NodePort(all_but(), method_table([*m.METHODS.values(), GET_SUM]))
    assert list(NodePort(all_but()).methods) == list(m.METHODS)


def test_an_answer_without_a_row_does_not_start() -> None:
    with pytest.raises(UnknownMethodError, match="get_sum") as told:
        NodePort([*all_but(), answers(GET_SUM, add)])
    assert told.value.name == "get_sum"


def test_a_row_of_another_table_is_another_method() -> None:
    """Its types may be others: the name alone says nothing."""
    other = Method("stop", SumParams, Sum, "Another.", Example(SumParams(1), Sum(2)))
    with pytest.raises(UnknownMethodError, match="stop"):
        NodePort([*all_but(m.STOP), answers(other, add)])


@pytest.mark.parametrize("twice", [m.STOP, m.DISCOVER])
def test_two_answers_to_a_row_do_not_start(twice: Method[s.NoParams, Any]) -> None:
    async def again(_: s.NoParams) -> Any:
        return s.Done()

    with pytest.raises(AnsweredTwiceError, match=twice.name) as told:
        NodePort([*all_but(), answers(twice, again)])
    assert told.value.name == twice.name


def test_an_error_that_its_row_does_not_list_is_a_failure_of_the_node() -> None:
    async def refuse(params: SumParams) -> Sum:
        raise e.RpcError(e.NOT_MINING if params.left else e.NOT_FOUND, "no")

    port = NodePort(
        [*all_but(), answers(GET_SUM, refuse)], method_table([*m.METHODS.values(), GET_SUM])
    )
    with pytest.raises(e.RpcError):
        trio.run(port.call, GET_SUM, SumParams(0))
    with pytest.raises(UnlistedErrorError, match="get_sum") as caught:
        trio.run(port.call, GET_SUM, SumParams(1))
    assert (caught.value.name, caught.value.code) == ("get_sum", e.NOT_MINING)


def test_two_rows_of_one_name_are_no_table() -> None:
    with pytest.raises(SameNameError, match="get_sum") as told:
        method_table([GET_SUM, *m.METHODS.values(), GET_SUM])
    assert told.value.name == "get_sum"


def test_a_port_answers_whoever_asks_in_its_process() -> None:
    async def main() -> None:
        node = FakeNode()
        assert (await node.call(m.GET_BLOCK, s.BlockParams(height=0))).height == 0
        assert (await node.call(m.DISCOVER, m.NOTHING))["openrpc"]
        with pytest.raises(UnknownMethodError, match="get_sum"):
            await node.call(GET_SUM, SumParams(1))

    trio.run(main)


@pytest.mark.parametrize("method", m.METHODS.values(), ids=list(m.METHODS))
def test_examples_are_of_the_types_of_their_rows(method: Method[Any, Any]) -> None:
    example = method.example
    assert type(example.request) is method.request
    assert method.read(example.params) == example.request
    assert method.read(list(example.params.values())) == example.request or len(method.fields) > 1
    assert msgspec.convert(msgspec.to_builtins(example.reply), method.reply) == example.reply


def test_errors_of_a_row_are_known_and_said_once() -> None:
    for method in m.METHODS.values():
        assert set(method.errors) <= e.ERRORS.keys(), method.name
        assert len(set(method.errors)) == len(method.errors), method.name
        assert e.UNAUTHORIZED in method.errors, "a wrong token is refused everywhere"
        assert not set(COMMON_ERRORS) & set(method.raises), method.name


WRONG = """
from esper.rpc import methods as m, schema as s
from esper.rpc.client import RpcClient
from esper.rpc.port import answers
from esper.wallet.node_port import Node

async def block(params: s.BlockParams) -> s.BlockReply: raise KeyError
async def takes_another(params: s.TransactionParams) -> s.BlockReply: raise KeyError
async def answers_another(params: s.BlockParams) -> s.Status: raise KeyError

answers(m.GET_BLOCK, block)
answers(m.GET_BLOCK, takes_another)
answers(m.GET_BLOCK, answers_another)

def ask(client: RpcClient, node: Node) -> None:
    client.call(m.GET_BLOCK, s.BlockParams()).reward
    client.call(m.GET_BLOCK, s.TransactionParams(""))
    client.call(m.GET_BLOCK, s.BlockParams()).issued
    for model in client.call(m.LIST_MODELS, s.NoParams()):
        model.tier
        model.issued
    node.call(m.GET_STATUS, s.NoParams()).issued
    node.call(m.GET_STATUS, s.BlockParams())
    ask(client, client)
"""


def test_mypy_holds_both_sides_to_the_types_of_a_row(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text(WRONG, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(wrong)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = WRONG.splitlines()
    refused = [lines[int(told.split(":")[1]) - 1].strip() for told in done.stdout.splitlines()]
    assert refused == [
        "answers(m.GET_BLOCK, takes_another)",
        "answers(m.GET_BLOCK, answers_another)",
        'client.call(m.GET_BLOCK, s.TransactionParams(""))',
        "client.call(m.GET_BLOCK, s.BlockParams()).issued",
        "model.issued",
        "node.call(m.GET_STATUS, s.BlockParams())",
    ], done.stdout + done.stderr
