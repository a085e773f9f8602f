"""Whole conversations, byte for byte: what is answered, in which order, and what closes.

Each is sent at once, in two parts wherever it can be cut, and byte by byte: how bytes come apart on
their way is nobody's meaning.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import trio

from esper.http.application import application
from esper.rpc.routes import rpc_routes
from tests.support.http.http_conversations import BODY, BROKEN_OFF, CLOSED, GOOD, KEPT, LENGTH, post
from tests.support.http.http_world import App, asked_once, connected, go
from tests.support.node.fake_node import FakeNode, settings


def app_of(node: FakeNode) -> App:
    config = settings(Path("nowhere"))
    return application(rpc_routes(node, config), config)


def statuses(data: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"(?:^|[}\n])HTTP/1\.1 (\d{3}) ", data)]


def cuts(data: bytes) -> list[list[bytes]]:
    """The same bytes as they may come; long ones are cut in fewer places."""
    ways = [[data]]
    step = max(1, len(data) // 16)
    ways += [[data[:at], data[at:]] for at in range(1, len(data), step)]
    if len(data) < 1_000:
        ways.append([data[at : at + 1] for at in range(len(data))])
    return ways


@pytest.mark.parametrize("name", [*KEPT, *CLOSED, *BROKEN_OFF])
def test_what_is_said_is_answered_however_it_comes_apart(name: str) -> None:
    data, expected = (KEPT | CLOSED | BROKEN_OFF)[name]
    executed = expected.count(200)

    async def main() -> None:
        for parts in cuts(data):
            node = FakeNode()
            answer = await asked_once(app_of(node), *parts)
            assert statuses(answer) == expected, (parts, answer[:500])
            assert len(node.asked) <= executed
            if name in CLOSED:
                assert answer.lower().count(b"connection: close") == 1

    go(main, mocked=True)


@pytest.mark.parametrize("name", KEPT)
def test_after_an_answer_the_connection_stays(name: str) -> None:
    data, expected = KEPT[name]

    async def main() -> None:
        async with connected(app_of(FakeNode())) as client:
            await client.say(data)
            heard = b""
            # All that comes, whatever parts it comes in: nothing waits for a second.
            with trio.move_on_after(1):
                while part := await client.hear():
                    heard += part
            assert statuses(heard) == expected
            assert b"connection: close" not in heard
            assert b"\r\nkeep-alive: timeout=30\r\n" in heard
            await trio.sleep(28)
            await client.say(GOOD)
            assert statuses(await client.hear()) == [200]

    go(main, mocked=True)


@pytest.mark.parametrize("name", CLOSED)
def test_after_the_last_answer_the_server_ends_it_whatever_the_client_does(name: str) -> None:
    data, expected = CLOSED[name]

    async def main() -> None:
        async with connected(app_of(FakeNode())) as client:
            await client.say(data)
            assert statuses(await client.hear_all()) == expected

    go(main, mocked=True)


def test_a_client_that_waits_for_a_word_gets_it_only_where_its_body_is_wanted() -> None:
    async def main() -> None:
        waiting = post(LENGTH, b"Expect: 100-Continue\r\n", body=b"")
        async with connected(app_of(FakeNode())) as client:
            await client.say(waiting)
            assert await client.hear() == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.say(BODY)
            assert statuses(await client.hear()) == [200]
        refused = waiting.replace(b"localhost", b"a.example")
        async with connected(app_of(FakeNode())) as client:
            await client.say(refused + BODY)
            assert statuses(await client.hear_all()) == [421]

    go(main, mocked=True)
