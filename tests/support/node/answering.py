"""A node behind a client's exchange, without a socket: a function from request to response."""

from collections.abc import Callable, Iterator

import httpx

from esper.rpc.exchange import Answer

URL = "http://127.0.0.1:9334/"
Handler = Callable[[httpx.Request], httpx.Response]


class Answering:
    """Asks a function."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def post(self, body: bytes) -> Answer:
        response = self._handler(httpx.Request("POST", URL, content=body))
        return Answer(response.status_code, response.headers, parts_of(response))

    def cut(self) -> None:
        """There is no socket to shut down."""

    def close(self) -> None:
        """There is nothing to close."""


def parts_of(response: httpx.Response) -> Iterator[bytes]:
    """The body of a response as it comes."""
    assert isinstance(response.stream, httpx.SyncByteStream)
    yield from response.stream
