"""Calls to replies: whole, or as streams whose parts are sent together.

The first token goes out at once; then a stream sends what it has every ``send_every_s``, and more
rarely the more streams there are: a send costs as much as many tokens. The engine gathers tokens
for as long, but those of an answer with stops, which are looked at as they come. What is left at
the end leaves with it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from esper.gateway.counts import GatewayCounts
from esper.gateway.refusals import Refused, error_object, ollama_error
from esper.gateway.replies.events import event, queued
from esper.gateway.replies.forms import media_type, reply_stream, whole_reply
from esper.gateway.replies.parts import Ending
from esper.gateway.replies.stream import ReplyStream
from esper.gateway.requests.asked import Endpoint, Request, Wait
from esper.gateway.service.books.calls import Call
from esper.gateway.service.call_log import log_call
from esper.gateway.service.outbox import Outbox
from esper.gateway.service.progress import AnswerProgress
from esper.gateway.service.running import Runner, server_error
from esper.gateway.service.settings import ServiceSettings
from esper.http.connection import ClientGoneError
from esper.http.streams import StreamedAnswer, Write

PROVING = b": proving\n\n"
"""A comment that keeps a stream alive while its proof is waited for."""
CLOSING = "the node stops: send it again"


@dataclass(frozen=True, slots=True)
class Replier:
    """Makes the answers of HTTP."""

    runner: Runner
    settings: ServiceSettings
    counts: GatewayCounts

    async def whole(self, call: Call, receive: Receive) -> Response:
        """The reply in one piece. Raises Refused, and ClientGoneError where nobody waits for it."""
        is_gone = False
        ending: Ending | None = None
        failed: Exception | None = None
        async with trio.open_nursery() as nursery:

            async def watch_client() -> None:
                nonlocal is_gone
                while (await receive())["type"] != "http.disconnect":
                    pass
                is_gone = True
                nursery.cancel_scope.cancel()

            nursery.start_soon(watch_client)
            try:
                progress, ending = await self.runner.run(call, Outbox())
                ending = await self._proven(call, progress, ending)
            except Exception as error:
                failed = error
            nursery.cancel_scope.cancel()
        if is_gone:
            log_call(call, "gone", ending)
            raise ClientGoneError
        if failed is not None:
            log_call(call, failed.code if isinstance(failed, Refused) else "server_error", None)
            raise failed
        assert ending is not None
        log_call(call, "ok", ending)
        body = whole_reply(call.request, call.head, progress.whole, ending)
        return Response(body, media_type=media_type(call.request).decode())

    def streamed(self, call: Call) -> "CallStream":
        """The reply as it is made."""
        return CallStream(self, call)

    async def write(self, stream: "CallStream", call: Call, write: Write) -> bytes:
        """All of a streamed reply but its last part, which is returned. Raises ClientGoneError."""
        self.counts.streams += 1
        code, ending = "gone", None
        try:
            reply, out = reply_stream(call.request, call.head), Outbox()
            await write(reply.begin())
            stream.is_begun = True
            found = await self._run(call, reply, out, write)
            rest = reply.piece(out.take())
            if isinstance(found, Refused):
                code = found.code
                return rest + reply.fail(found)
            if call.request.wait is Wait.PROVEN:
                await write(rest)
                rest = b""
            ending = await self._waiting_proven(call, *found, write)
            code = "ok"
            return rest + reply.finish(ending)
        finally:
            self.counts.streams -= 1
            log_call(call, code, ending)

    async def _run(
        self, call: Call, reply: ReplyStream, out: Outbox, write: Write
    ) -> tuple[AnswerProgress, Ending] | Refused:
        found: tuple[AnswerProgress, Ending] | Refused
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, call.request, reply, out, write)
            try:
                found = await self.runner.run(call, out)
            except Refused as refused:
                found = refused
            except Exception as error:
                found = server_error(self.runner.incident(error))
            finally:
                out.close()
        return found

    async def _send(self, request: Request, reply: ReplyStream, out: Outbox, write: Write) -> None:
        """What comes, until the outbox is closed: what is in it then leaves with the end."""
        is_begun = False
        while True:
            await out.wait()
            if is_begun and out.is_whole:
                # The end is near, unless the disk is slow.
                await self._pause(out)
            if out.closed.is_set():
                return
            before = out.take_before()
            if before is not None and not request.endpoint.is_ollama:
                await write(queued(before))
            part = reply.piece(out.take())
            if part:
                await write(part)
                is_begun = True
                if request.stop:
                    await self._pause(out)

    async def _pause(self, out: Outbox) -> None:
        with trio.move_on_after(self.settings.pause_s(self.counts.streams)):
            await out.closed.wait()

    async def _waiting_proven(
        self, call: Call, progress: AnswerProgress, ending: Ending, write: Write
    ) -> Ending:
        async with trio.open_nursery() as nursery:
            if call.request.wait is Wait.PROVEN and not call.request.endpoint.is_ollama:
                nursery.start_soon(_keep_alive, write, self.settings.told_every_s)
            ending = await self._proven(call, progress, ending)
            nursery.cancel_scope.cancel()
        return ending

    async def _proven(self, call: Call, progress: AnswerProgress, ending: Ending) -> Ending:
        """With ``wait: proven`` the end as it is then, or as it stands when patience ends."""
        if call.request.wait is Wait.PROVEN:
            with trio.move_on_after(self.settings.proof_wait_s):
                return await self.runner.books.proven(call, progress, ending)
        return ending


class CallStream(StreamedAnswer):
    """A streamed reply; gives everything back if it never comes to the answer."""

    def __init__(self, replier: Replier, call: Call) -> None:
        async def produce(write: Write) -> bytes:
            return await replier.write(self, call, write)

        super().__init__(
            produce,
            media_type=media_type(call.request).decode(),
            farewell=_farewell(call.request.endpoint),
        )
        self.is_begun = False
        """Whether the call runs, and so gives back by itself what it holds."""
        self._give_up: Callable[[], Awaitable[None]] = lambda: replier.runner.give_up(call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ClientGoneError."""
        try:
            await StreamedAnswer.__call__(self, scope, receive, send)
        finally:
            if not self.is_begun:
                await self._give_up()


async def _keep_alive(write: Write, every_s: float) -> None:
    while True:
        await trio.sleep(every_s)
        await write(PROVING)


def _farewell(endpoint: Endpoint) -> bytes:
    """What a stream ends with when the node stops: clients raise on it."""
    refused = Refused("not_ready", CLOSING, retry_ms=1_000)
    if endpoint.is_ollama:
        return ollama_error(refused) + b"\n"
    error = error_object(refused)
    if endpoint is Endpoint.RESPONSES:
        return event({"type": "error", **error, "error": error}, name="error")
    return event({"error": error})
