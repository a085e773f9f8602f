"""Events over a websocket.

client  {"subscribe": ["block", "result"], "boot": "5f…", "from": 17}
server  {"boot": "5f…", "next": 17}         how it stands; then
        {"seq": 17, "topic": "block", "data": {…}}
        {"gap": 40}                         events before 40 are gone
        {"error": "topics are block, …"}    the socket stays open
"""

import json
from contextlib import suppress
from typing import Final

import trio
from starlette.requests import Request

from esper.events.log import EventLog
from esper.events.requests import SubscribeError, Wanted, read_subscribe
from esper.events.subscription import Gap, SlowSubscriberError
from esper.http.connection import ClientGoneError
from esper.http.websocket import (
    GOING_AWAY,
    POLICY,
    TRY_AGAIN,
    CloseSocketError,
    WebSocket,
    WebSocketAnswer,
)

FIRST_WORD_S: Final = 10.0
"""For a client to say what it wants."""


class EventSockets:
    """Answers requests for a socket of events."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(self, request: Request, granted: object) -> WebSocketAnswer:
        """GET /ws. Raises RefusedError if it asks for no websocket."""
        return WebSocketAnswer(request.scope, self._session)

    async def _session(self, socket: WebSocket) -> None:
        wanted: Wanted | None = None
        with trio.move_on_after(FIRST_WORD_S):
            wanted = await self._wanted(socket)
        if wanted is None:
            raise CloseSocketError(POLICY, "say what to subscribe to")
        # Nothing is raised within: a nursery would put it into a group.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_answer_no, socket)
            end = await self._tell(socket, wanted)
            nursery.cancel_scope.cancel()
        raise end

    async def _wanted(self, socket: WebSocket) -> Wanted | None:
        async for text in socket.messages:
            try:
                return read_subscribe(text)
            except SubscribeError as error:
                await socket.send(json.dumps({"error": str(error)}))
        return None

    async def _tell(self, socket: WebSocket, wanted: Wanted) -> CloseSocketError | ClientGoneError:
        """Send events until there is an end to it, which is returned."""
        log = self._log
        with log.subscribe(wanted.topics, wanted.start, wanted.boot) as subscription:
            standing = {"boot": log.boot, "next": subscription.next}
            try:
                await socket.send(json.dumps(standing, separators=(",", ":")))
                while True:
                    found = await subscription.take()
                    if isinstance(found, Gap):
                        await socket.send(f'{{"gap":{found.oldest}}}')
                        continue
                    await socket.send(*(entry.text for entry in found))
            except SlowSubscriberError as slow:
                return CloseSocketError(TRY_AGAIN, str(slow))
            except trio.EndOfChannel:
                return CloseSocketError(GOING_AWAY, "the node ends")
            except ClientGoneError as gone:
                return gone


async def _answer_no(socket: WebSocket) -> None:
    """A socket has one subscription."""
    with suppress(ClientGoneError):
        async for _ in socket.messages:
            await socket.send('{"error":"this socket is subscribed already: open another one"}')
