"""What somebody without a token can cost the node: bytes that it holds, and turns of its loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from esper.http.application import application
from esper.http.connection import HEAD_BYTES, PART_BYTES
from esper.rpc import errors as e
from esper.rpc import schema as s
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.method import MAX_TOLD
from esper.rpc.methods import METHODS
from esper.rpc.routes import rpc_routes
from tests.support.http.http_world import connected, go
from tests.support.node.fake_node import FakeNode, settings

STATUS = {"jsonrpc": "2.0", "method": "get_status", "id": 1}
STOP = {"jsonrpc": "2.0", "method": "stop", "id": 2}
MEBIBYTE = 1 << 20


def post(length: int, *lines: str) -> bytes:
    head = ["POST / HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*head, f"Content-Length: {length}", *lines, "", ""]).encode()


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        ("10.0.0.9", ()),
        ("2001:db8::9", ()),
        ("10.0.0.9", ("Authorization: Bearer wrong",)),
        ("127.0.0.1", ("Authorization: Bearer wrong",)),
        ("127.0.0.1", ("Authorization: Basic d3Jvbmc=",)),
        ("127.0.0.1", ("Authorization:",)),
        ("127.0.0.1", ("Authorization: Bearer wrong", "Expect: 100-continue")),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_without_access_no_body_is_waited_for_or_held(
    address: str, lines: tuple[str, ...], batch: bool
) -> None:
    """Refused by its head: the answer comes though the body never does, or though it is endless."""
    node, config = FakeNode(), settings(Path("nowhere"), wrong_token_delay_s=0.2)
    app = application(rpc_routes(node, config), config)
    request = json.dumps([STATUS] * 50 if batch else STATUS).encode()

    async def main() -> None:
        for body in (b"", request, b"[" + request * 100):
            async with connected(app, address=address) as client:
                began = trio.current_time()
                await client.say(post(200_000, *lines))
                await client.say(body)
                await trio.testing.wait_all_tasks_blocked()
                assert len(client.connection.data) <= HEAD_BYTES + PART_BYTES
                answer = await client.hear_all()
                assert trio.current_time() - began < 0.21
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert b"100 Continue" not in answer
        assert node.asked == []

    go(main, mocked=True)


def test_of_a_batch_what_needs_a_token_is_refused_and_the_rest_is_answered() -> None:
    node = FakeNode()
    dispatcher = Dispatcher(node, settings(Path("nowhere")), new_incident=lambda: "none")
    body = json.dumps([STOP, STATUS, STOP]).encode()
    answers = json.loads(trio.run(dispatcher.answer, body, Access.READ) or b"")
    assert [answer.get("error", {}).get("code") for answer in answers] == [
        e.UNAUTHORIZED,
        None,
        e.UNAUTHORIZED,
    ]
    assert node.asked == ["get_status"]


def test_between_two_requests_of_a_batch_others_have_their_turn() -> None:
    dispatcher = Dispatcher(FakeNode(), settings(Path("nowhere")), new_incident=lambda: "none")
    turns = 0

    async def main() -> None:
        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            await dispatcher.answer(json.dumps([STATUS] * 50).encode(), Access.READ)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert turns >= 49


WRONG: dict[str, Any] = {
    "an unknown field": {"x" * 200_000: 1},
    "an unknown field of quotes": {"`" * 200_000: 1},
    "an unknown field that looks like a place": {"- at `$." * 25_000: 1},
    "a text that is too long": {"text": "a" * 200_000},
    "another type": {"text": ["a"] * 60_000},
    "a deep field": {"messages": [{"role": "user", "content": "a", "b" * 200_000: 1}]},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_refusal_repeats_little_of_what_was_sent(name: str) -> None:
    with pytest.raises(e.RpcError) as caught:
        METHODS["tokenize"].read(WRONG[name])
    assert len(caught.value.message) < 2 * MAX_TOLD
    assert caught.value.data is not None
    assert len(caught.value.data["field"]) <= MAX_TOLD + 1


def test_the_largest_honest_body_has_room() -> None:
    # Fifty chats of as many messages as one may have, and as long a list of tokens as there is.
    chat = s.TokenizeParams(messages=[s.Message("user", "hello")] * 64)
    requests = [{**STATUS, "method": "tokenize", "params": msgspec.to_builtins(chat)}] * 50
    for body in (
        json.dumps(requests).encode(),
        json.dumps(
            {**STATUS, "method": "detokenize", "params": {"tokens": [1 << 31] * 8192}}
        ).encode(),
    ):
        assert len(body) < MEBIBYTE / 4
        dispatcher = Dispatcher(FakeNode(), settings(Path("nowhere")), new_incident=lambda: "none")
        answer = trio.run(dispatcher.answer, body, Access.READ)
        assert b'"error":{"code":-32700' not in (answer or b"")
