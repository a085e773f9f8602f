"""What a stranger's bytes may cost the server, and what they may be taken for."""

from typing import Any

import pytest
import trio

from esper.http.application import application
from esper.http.body_reading import EXTENSION_BYTES, ChunkedBody
from esper.http.connection import EMPTY_BYTES
from esper.http.heads import BadRequestError
from esper.http.origins import host_name
from esper.http.routes import Route, RouteLimits, everyone
from esper.http.slots import Slots
from esper.http.streams import StreamedAnswer
from esper.rpc.routes import rpc_routes
from tests.support.http.http_world import Greeter, asked_once, connected, go, http_settings, request
from tests.support.node.fake_node import FakeNode, settings


def test_a_flood_of_empty_lines_is_refused() -> None:
    async def main() -> None:
        refused = await asked_once(Greeter(), b"\n" * (EMPTY_BYTES + 1))
        assert refused.startswith(b"HTTP/1.1 400 ")

    go(main)


def test_a_stream_is_not_interrupted_by_continue() -> None:
    async def answer(_request: Any, _granted: None) -> StreamedAnswer:
        async def produce(write: Any) -> None:
            await write(b"a")
            await trio.sleep(1)
            await write(b"b")

        return StreamedAnswer(produce, media_type="text/plain")

    route = Route("/", frozenset({"GET"}), everyone, answer, RouteLimits(Slots(1), Slots(1)))

    async def main() -> None:
        async with connected(application([route], http_settings())) as client:
            await client.say(request("/", "Expect: 100-continue", "Content-Length: 5"))
            assert b"100 Continue" not in await client.hear_until(b"0\r\n\r\n")

    go(main, mocked=True)


def test_blanks_of_chunks_count_as_extensions() -> None:
    body, line = ChunkedBody(), b"1" + b" " * 1000 + b"\r\na\r\n"
    for _ in range(EXTENSION_BYTES // 1000):
        body.take(bytearray(line))
    with pytest.raises(BadRequestError, match="too many extensions"):
        body.take(bytearray(line))


def test_lines_after_the_chunks_end_with_crlf() -> None:
    smuggled = bytearray(b"0\r\nX: a\n\nGET /b HTTP/1.1\r\nHost: localhost\r\n\r\n")
    with pytest.raises(BadRequestError, match="does not end with CRLF"):
        ChunkedBody().take(smuggled)


def test_clients_that_do_not_read_take_no_place_of_the_health_check(tmp_path: Any) -> None:
    config = settings(tmp_path)
    [_, health] = rpc_routes(FakeNode(), config)
    assert health.limits.slots.limit >= config.max_connections


@pytest.mark.parametrize("blank", ["\xa0", "\x85"])
def test_a_host_with_other_blanks_is_no_host_of_ours(blank: str) -> None:
    assert host_name(" localhost\t") == "localhost"
    assert host_name(f"localhost{blank}") != "localhost"
