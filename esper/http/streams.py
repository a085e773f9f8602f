"""Answers that last, and one whose parts are sent as they come, for as long as they come."""

from collections.abc import Awaitable, Callable, Mapping

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from esper.http.connection import CONNECTION, ClientGoneError, ConnectionFacts

Write = Callable[[bytes], Awaitable[None]]
"""Sends a part at once. Raises ClientGoneError if the client does not take it in time."""


class StreamBrokenError(ClientGoneError):
    """The answer was cut off before its end, so that its client sees that it is not whole."""


class LastingAnswer(Response):
    """An answer that may last: it begins once there is a slot for it, and holds no request's."""


class StreamedAnswer(LastingAnswer):
    """An answer that ``produce`` writes part by part; it begins once there is a slot for it.

    What ``produce`` returns is the last part, and leaves with the answer's end in one send.

    ``produce`` is cancelled as soon as the client goes away or the server closes. What ends too
    early so, or by an error of ``produce``, is told by ``farewell``, such as a last event that
    names an error, and then ends in order; without one the connection is cut, which every client
    of HTTP sees as a broken answer.
    """

    def __init__(
        self,
        produce: Callable[[Write], Awaitable[bytes | None]],
        *,
        media_type: str,
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        farewell: bytes = b"",
    ) -> None:
        super().__init__(None, status_code, headers, media_type)
        # The parts end with the answer, and nobody knows their length before.
        del self.headers["content-length"]
        self._produce = produce
        self._farewell = farewell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ClientGoneError, and whatever ``produce`` raises."""
        facts: ConnectionFacts | None = scope.get("extensions", {}).get(CONNECTION)
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body"})
            return
        await send(_part(b""))

        is_gone = is_done = False
        last = b""
        error: Exception | None = None

        async def write(part: bytes) -> None:
            nonlocal is_gone
            if part:
                try:
                    await send(_part(part))
                except ClientGoneError:
                    is_gone = True
                    raise

        async with trio.open_nursery() as nursery:

            async def watch_client() -> None:
                nonlocal is_gone
                while (await receive())["type"] != "http.disconnect":
                    pass
                is_gone = True
                nursery.cancel_scope.cancel()

            async def watch_server(closing: trio.Event) -> None:
                await closing.wait()
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch_client)
            if facts is not None:
                nursery.start_soon(watch_server, facts.closing)
            try:
                last = await self._produce(write) or b""
                is_done = True
            except Exception as found:
                error = found
            nursery.cancel_scope.cancel()
        if is_gone:
            raise ClientGoneError
        if not is_done and not self._farewell:
            raise error or StreamBrokenError()
        await send({"type": "http.response.body", "body": last if is_done else self._farewell})
        if error is not None:
            raise error


def _part(data: bytes) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": True}
