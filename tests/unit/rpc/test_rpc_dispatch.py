"""JSON-RPC 2.0 as bodies: what is answered, what is refused, and that nothing else happens."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import MockClock

from esper.rpc import errors as e
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.methods import DISCOVER, METHODS
from tests.support.node.fake_node import FakeNode, settings

HASH = "ab" * 64


class Desk:
    """A dispatcher for a fake node, without sockets and without waiting."""

    def __init__(self, **changes: Any) -> None:
        self.node = FakeNode()
        self._dispatcher = Dispatcher(
            self.node,
            settings(Path("nowhere"), **changes),
            new_incident=lambda: "incident-7",
        )

    def raw(self, body: bytes, access: Access = Access.STEER) -> bytes | None:
        async def main() -> bytes | None:
            return await self._dispatcher.answer(body, access)

        return trio.run(main, clock=MockClock(autojump_threshold=0))

    def ask(self, value: Any, access: Access = Access.STEER) -> Any:
        answer = self.raw(json.dumps(value).encode(), access)
        return None if answer is None else json.loads(answer)

    def call(self, method: str, params: Any = None, access: Access = Access.STEER) -> Any:
        request = {"jsonrpc": "2.0", "method": method, "id": 1}
        return self.ask(request if params is None else {**request, "params": params}, access)


def request(method: str = "get_status", **more: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "id": 1, **more}


def code(answer: Any) -> int:
    assert "result" not in answer
    found: int = answer["error"]["code"]
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_its_example(name: str) -> None:
    example = METHODS[name].example
    answer = Desk().call(name, example.params)
    assert answer["id"] == 1
    assert answer["jsonrpc"] == "2.0"
    msgspec.convert(answer["result"], METHODS[name].reply)
    if name != DISCOVER.name:
        assert answer["result"] == msgspec.to_builtins(example.reply)


def test_what_spends_or_steers_needs_a_token() -> None:
    needing = {name for name, method in METHODS.items() if method.needs_token}
    assert needing == {
        "submit_transaction",
        "pause_mining",
        "resume_mining",
        "set_threads",
        "generate",
        "connect_peer",
        "disconnect_peer",
        "ban_peer",
        "unban_peer",
        "stop",
    }
    for name, method in METHODS.items():
        for access in Access:
            desk = Desk()
            answer = desk.call(name, method.example.params, access)
            allowed = access >= (Access.STEER if method.needs_token else Access.READ)
            assert ("result" in answer) == allowed
            if not allowed:
                assert code(answer) == e.UNAUTHORIZED
                assert desk.node.asked == []


@pytest.mark.parametrize("number", [0, 1, -3, 2.5, 10**30, "text", "", None, "\u00e9\U0001f600"])
def test_ids_come_back_as_they_are(number: Any) -> None:
    assert Desk().ask(request(id=number))["id"] == number


@pytest.mark.parametrize("number", [True, [], {}, [1]])
def test_other_ids_are_refused(number: Any) -> None:
    answer = Desk().ask(request(id=number))
    assert code(answer) == e.INVALID_REQUEST
    assert answer["id"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        3,
        "get_status",
        None,
        {},
        {"jsonrpc": "1.0", "method": "get_status", "id": 1},
        {"method": "get_status", "id": 1},
        {"jsonrpc": "2.0", "id": 1},
        {"jsonrpc": "2.0", "method": 5, "id": 1},
        {"jsonrpc": "2.0", "method": "get_status", "params": 5, "id": 1},
        {"jsonrpc": "2.0", "method": "get_status", "params": None, "id": 1},
        {"jsonrpc": "2.0", "method": "get_status", "parms": {}, "id": 1},
    ],
)
def test_requests_of_another_form_are_refused(wrong: Any) -> None:
    desk = Desk()
    answer = desk.ask(wrong)
    assert code(answer) == e.INVALID_REQUEST
    assert answer["id"] == (wrong.get("id") if isinstance(wrong, dict) else None)
    assert desk.node.asked == []


def test_a_notification_is_done_and_not_answered() -> None:
    desk = Desk()
    notification = {"jsonrpc": "2.0", "method": "submit_transaction", "params": {"hex": "aa"}}
    assert desk.ask(notification) is None
    assert desk.node.waiting == ["aa"]
    assert desk.ask({**notification, "method": "unknown"}) is None
    assert desk.ask([notification, notification]) is None


def test_a_batch_is_answered_in_order_without_its_notifications() -> None:
    answers = Desk().ask(
        [request(id="a"), {"jsonrpc": "2.0", "method": "get_mining"}, 7, request("nothing", id="b")]
    )
    assert [answer["id"] for answer in answers] == ["a", None, "b"]
    assert code(answers[1]) == e.INVALID_REQUEST
    assert code(answers[2]) == e.METHOD_NOT_FOUND


def test_a_batch_has_from_1_to_50_requests() -> None:
    desk = Desk()
    assert code(desk.ask([])) == e.INVALID_REQUEST
    assert len(desk.ask([request()] * 50)) == 50
    asked = len(desk.node.asked)
    assert code(desk.ask([request()] * 51)) == e.LIMITED
    assert len(desk.node.asked) == asked


def test_parameters_come_by_name_or_in_the_order_of_their_fields() -> None:
    desk = Desk()
    assert desk.call("get_block", [0])["result"]["height"] == 0
    assert desk.call("get_block", [None, desk.node.blocks[1].hash])["result"]["height"] == 1
    assert desk.call("get_block", [])["result"]["height"] == 1
    assert desk.call("get_status", [])["result"]["height"] == 1
    assert code(desk.call("get_block", [0, HASH, 1])) == e.INVALID_PARAMS
    assert code(desk.call("get_status", [1])) == e.INVALID_PARAMS


@pytest.mark.parametrize(
    ("method", "params", "field"),
    [
        ("get_block", {"height": "1"}, "height"),
        ("get_block", {"height": 1.0}, "height"),
        ("get_block", {"height": True}, "height"),
        ("get_block", {"height": -1}, "height"),
        ("get_block", {"height": 1 << 32}, "height"),
        ("get_block", {"hash": "AB" * 64}, "hash"),
        ("get_block", {"hash": HASH + "\n"}, "hash"),
        ("get_block", {"heigth": 1}, "heigth"),
        ("get_transaction", {}, "txid"),
        ("submit_transaction", {"hex": "abc"}, "hex"),
        ("submit_transaction", {"hex": "ab\n"}, "hex"),
        ("submit_transaction", {"hex": ""}, "hex"),
        ("get_history", {"address": "x" * 20, "limit": 201}, "limit"),
        ("detokenize", {"tokens": [1, "2"]}, "tokens[1]"),
        ("tokenize", {"messages": [{"role": "user\n", "content": ""}]}, "messages[0].role"),
        ("get_status", {"verbose": 1}, "verbose"),
    ],
)
def test_wrong_parameters_are_refused_by_name(method: str, params: Any, field: str) -> None:
    desk = Desk()
    answer = desk.call(method, params)
    assert code(answer) == e.INVALID_PARAMS
    assert answer["error"]["data"] == {"field": field}
    assert method in answer["error"]["message"]
    assert desk.node.asked == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1,]", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'"\xed\xa0\x80"', "UTF-8"),
        (b'{"jsonrpc":"2.0","jsonrpc":"2.0","method":"get_status","id":1}', "twice"),
        (
            b'{"jsonrpc":"2.0","method":"get_block","params":{"height":0,"height":1},"id":1}',
            "twice",
        ),
        (b'{"jsonrpc":"2.0","method":"get_status","id":NaN}', "NaN"),
        (b'{"jsonrpc":"2.0","method":"get_status","id":-Infinity}', "Infinity"),
        (b'{"jsonrpc":"2.0","method":"get_status","id":1e999}', "double"),
        (b'{"jsonrpc":"2.0","method":"get_status","id":1%s}' % (b"0" * 5000), "digits"),
        (b'{"jsonrpc":"2.0","method":"get_status","id":1.%s}' % (b"0" * 5000), "digits"),
        (b'{"jsonrpc":"2.0","method":"get_status","id":"\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b"[" * 100_000, "nests"),
        (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, "nests"),
        (b'"' + b"\\" * 200_001, "not JSON"),
        (b'"a\nb"', "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
    ],
)
def test_json_of_no_meaning_or_two_is_refused(body: bytes, reason: str) -> None:
    desk = Desk()
    answer = json.loads(desk.raw(body) or b"")
    assert code(answer) == e.PARSE_ERROR
    assert reason in answer["error"]["message"]
    assert answer["id"] is None
    assert desk.node.asked == []


def test_brackets_within_strings_are_no_depth() -> None:
    assert Desk().ask(request(id='"[\\"' * 500))["id"] == '"[\\"' * 500
    assert Desk().ask(request(id="[{" * 500))["id"] == "[{" * 500
    assert Desk().raw(b'{"jsonrpc":"2.0","method":"get_status","id":"\\ud83d\\ude00"}')


def test_the_nodes_own_errors_reach_the_client() -> None:
    answer = Desk().call("get_block", {"height": 9})
    assert code(answer) == e.NOT_FOUND
    assert "height 1" in answer["error"]["message"]
    assert "data" not in answer["error"]


def raising(error: Exception) -> Callable[[str], None]:
    def behave(name: str) -> None:
        raise error

    return behave


@pytest.mark.parametrize(
    "error",
    [
        e.RpcError(e.NOT_MINING, "secret-of-the-node: no error of this method's row"),
        KeyError("secret-of-the-node"),
        RecursionError("secret-of-the-node"),
        ExceptionGroup("secret-of-the-node", [ValueError("secret-of-the-node")]),
        e.RpcError(e.INVALID_PARAMS, "secret-of-the-node", {"unencodable": object()}),
        e.RpcError(e.INVALID_PARAMS, "secret-of-the-node \ud800"),
    ],
)
def test_an_unforeseen_error_tells_the_client_a_number_and_the_log_the_rest(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk()
    desk.node.behave = raising(error)
    with caplog.at_level(logging.ERROR):
        answer = desk.call("get_status")
    assert code(answer) == e.INTERNAL_ERROR
    assert answer["error"]["data"] == {"incident": "incident-7"}
    assert "incident-7" in answer["error"]["message"]
    assert "secret" not in json.dumps(answer)
    assert "incident-7" in caplog.text
    assert "Traceback" in caplog.text


def test_a_result_that_cannot_be_written_is_an_incident() -> None:
    desk = Desk()
    desk.node.blocks = [msgspec.structs.replace(desk.node.blocks[0], payee="\ud800")]
    assert code(desk.call("get_block")) == e.INTERNAL_ERROR


def test_a_method_that_takes_too_long_is_ended() -> None:
    desk = Desk()
    desk.node.behave = lambda name: trio.sleep_forever()
    answer = desk.call("get_status")
    assert code(answer) == e.TIMEOUT
    assert answer["error"]["data"] == {"timeout_s": 10.0}


def test_generate_may_take_longer() -> None:
    desk = Desk()
    desk.node.behave = lambda name: trio.sleep(599)
    assert "result" in desk.call("generate", {"blocks": 1})
    desk.node.behave = lambda name: trio.sleep(601)
    assert code(desk.call("generate", {"blocks": 1})) == e.TIMEOUT


def test_a_batch_of_slow_requests_ends() -> None:
    desk = Desk()
    desk.node.behave = lambda name: trio.sleep(4)
    answers = desk.ask([request()] * 50)
    assert len(answers) == 50
    assert ["result" in answer for answer in answers].count(True) == 3
    assert {code(answer) for answer in answers[3:]} == {e.TIMEOUT}
    assert len(desk.node.asked) == 3


def test_answers_have_room_for_so_much_and_no_more() -> None:
    size = len(json.dumps(Desk().call("get_block"), separators=(",", ":")))
    desk = Desk(max_reply_bytes=3 * size)
    answers = desk.ask([request("get_block")] * 5)
    assert ["result" in answer for answer in answers] == [True, True, True, False, False]
    assert {code(answer) for answer in answers[3:]} == {e.LIMITED}
    assert len(desk.node.asked) == 3, "the node was asked for what could not be answered"
    assert code(Desk(max_reply_bytes=100).call("get_block")) == e.LIMITED
