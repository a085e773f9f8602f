"""Requests mean the same however the network cuts them, and nothing of theirs is a failure."""

from __future__ import annotations

import logging
from itertools import pairwise

import pytest
import trio
from hypothesis import HealthCheck, given
from hypothesis import settings as quick
from hypothesis import strategies as st

from tests.support.http.http_world import Reader, connected, failures, go, status_of

PIECES = (
    b"GET / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.0\r\n",
    b"Host: h\r\n",
    b"Content-Length: 5\r\n",
    b"Connection: close\r\n",
    b"Expect: 100-continue\r\n",
    b"5\r\nhello\r\n",
    b"5;a=b\r\nhello\r\n",
    b"0\r\n\r\n",
    b"0\r\nA: b\r\n\r\n",
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b":",
    b"hello",
    b"\x00",
)


def answers(*parts: bytes) -> tuple[bytes, bytes]:
    """What a client is told that sends these, and the last body that was read."""
    app = Reader()
    heard: list[bytes] = []

    async def main() -> None:
        async with connected(app) as client:
            for part in parts:
                if not client.ended.is_set():
                    await client.say(part)
                    # All that can be done with it is done, and no timeout has come.
                    await trio.sleep(0.001)
            await client.stream.send_eof()
            heard.append(await client.hear_all())

    go(main, mocked=True)
    told = heard[0].replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    # Of a body that turns out to be none, how much was read depends on the cuts.
    return told, b"".join(app.parts) if b"HTTP/1.1 400" not in told else b""


@quick(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map(b"".join),
    st.lists(st.integers(0, 400), max_size=4),
)
def test_requests_mean_the_same_however_they_are_cut(
    caplog: pytest.LogCaptureFixture, data: bytes, cuts: list[int]
) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    parts = [data[a:b] for a, b in pairwise(places) if a < b]
    with caplog.at_level(logging.WARNING):
        whole = answers(data)
        assert answers(*parts) == whole
    assert failures(caplog.records) == []
    assert status_of(whole[0]) in (0, 200, 400, 501, 505)
