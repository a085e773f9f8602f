"""Any bytes on an open websocket: the session goes on, or ends with a word; nothing fails."""

from __future__ import annotations

import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from esper.http.routes import RouteLimits
from esper.http.slots import Slots
from esper.http.websocket import WebSocket, WebSocketAnswer
from tests.support.http.http_world import asked_once, failures, go, route, routed
from tests.support.http.socket_client import asking, frame

MOST_SAID = 12_000
"""Ten messages said back, and the head."""

frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    fin=st.booleans(),
    reserved=st.sampled_from((0, 0, 0, 1, 2, 4)),
    masked=st.sampled_from((True, True, True, False)),
    length=st.one_of(st.none(), st.none(), st.integers(0, (1 << 64) - 1)),
)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(frames, st.binary(max_size=20)), max_size=12), st.integers(1, 50))
def test_nothing_that_comes_breaks_a_socket(
    caplog: pytest.LogCaptureFixture, sent: list[bytes], step: int
) -> None:
    open_now = 0

    async def session(socket: WebSocket) -> None:
        nonlocal open_now
        open_now += 1
        try:
            async for text in socket.messages:
                await socket.send(text)
        finally:
            open_now -= 1

    async def answer(asked: Request, granted: None) -> WebSocketAnswer:
        return WebSocketAnswer(asked.scope, session)

    async def main() -> None:
        slots = Slots(1)
        app = routed([route("/ws", answer, limits=RouteLimits(Slots(1), slots))])
        data = b"".join(sent)
        parts = [data[at : at + step] for at in range(0, len(data), step)]
        said = await asked_once(app, asking() + b"".join(parts[:1]), *parts[1:])
        assert said.startswith(b"HTTP/1.1 101 ")
        assert len(said) < MOST_SAID
        assert slots.free == 1
        assert open_now == 0

    with caplog.at_level(logging.WARNING):
        go(main, mocked=True)
    assert not failures(caplog.records)
