"""Events as a stream that browsers read (server-sent events).

event: start             how it stands: {"boot": …, "next": …}
id: 5f…-17               what a browser sends in Last-Event-ID when it comes again
data: {"seq": 17, …}     one line of ASCII: nothing in it can begin an event
event: gap               {"gap": oldest}: events before it are gone
: still here             every HEARTBEAT_S
event: end               {"error": sentence}: come again
"""

import json
from typing import Final

import trio
from starlette.requests import Request

from esper.events.log import EventLog
from esper.events.requests import SubscribeError, Wanted, event_id, read_query
from esper.events.subscription import Gap, SlowSubscriberError, Subscription
from esper.http.routes import RefusedError
from esper.http.streams import StreamedAnswer, Write

HEARTBEAT_S: Final = 15.0
"""Between two comments, so that neither side takes a silent chain for a dead connection."""
RETRY_MS: Final = 3_000
"""After which a browser comes again."""
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_BEAT: Final = b": still here\n\n"
_END: Final = b'event: end\ndata: {"error":"the node ends"}\n\n'


class EventStreams:
    """Answers requests for a stream of events."""

    def __init__(self, log: EventLog) -> None:
        self._log = log

    async def __call__(self, request: Request, granted: object) -> StreamedAnswer:
        """GET /events?topics=block,tx_in. Raises RefusedError."""
        ids = request.headers.getlist("last-event-id")
        try:
            if len(ids) > 1:
                raise SubscribeError("there is one Last-Event-ID")
            wanted = read_query(request.query_params.multi_items(), ids[0] if ids else None)
        except SubscribeError as error:
            raise RefusedError(400, str(error)) from None

        async def produce(write: Write) -> None:
            await self._produce(wanted, write)

        return StreamedAnswer(
            produce, media_type="text/event-stream", headers=_HEADERS, farewell=_END
        )

    async def _produce(self, wanted: Wanted, write: Write) -> None:
        log = self._log
        with log.subscribe(wanted.topics, wanted.start, wanted.boot) as subscription:
            standing = {"boot": log.boot, "next": subscription.next}
            await write(b"retry: %d\n" % RETRY_MS + self._event("start", standing, subscription))
            while True:
                part = _BEAT
                with trio.move_on_after(HEARTBEAT_S):
                    try:
                        part = await self._next(subscription)
                    except SlowSubscriberError as slow:
                        await write(_said("end", {"error": str(slow)}))
                        return
                    except trio.EndOfChannel:
                        await write(_END)
                        return
                await write(part)

    async def _next(self, subscription: Subscription) -> bytes:
        found = await subscription.take()
        if isinstance(found, Gap):
            return self._event("gap", {"gap": found.oldest}, subscription)
        boot = self._log.boot
        return b"".join(
            f"id: {event_id(boot, one.seq)}\ndata: {one.text}\n\n".encode("ascii") for one in found
        )

    def _event(self, name: str, data: dict[str, object], subscription: Subscription) -> bytes:
        """One that is not of the log: whoever comes again after it begins where it stands."""
        before = event_id(self._log.boot, subscription.next - 1)
        return f"id: {before}\n".encode("ascii") + _said(name, data)


def _said(name: str, data: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode("ascii")
