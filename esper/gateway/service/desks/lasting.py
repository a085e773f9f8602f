"""Streams that last as long as a call is on its way: so many of a key, and of all."""

from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send

from esper.gateway.refusals import Refused, jittered
from esper.gateway.service.refusing import GatewayRefusedError
from esper.http.slots import Slots
from esper.http.streams import StreamedAnswer, Write

FULL_MS = 5_000
"""Before a stream that found no place is asked for again, at least."""


def check_place(places: Slots, key: str, chance: float) -> None:
    """Raises Refused where a key has no place for another stream."""
    if places.has_room(key):
        return
    whose = f"this key has {places.per_client}" if places.free else f"there are {places.limit}"
    raise Refused(
        "rate_limit_exceeded",
        f"{whose} streams of receipts open: close one, or ask for the receipt now and then",
        retry_ms=jittered(FULL_MS, chance),
    )


class LastingStream(StreamedAnswer):
    """Has a place from its first byte until it ends or its client goes."""

    def __init__(
        self,
        produce: Callable[[Write], Awaitable[None]],
        places: Slots,
        key: str,
        chance: Callable[[], float],
        *,
        media_type: str,
    ) -> None:
        super().__init__(produce, media_type=media_type)
        self._places = places
        self._key = key
        self._chance = chance

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it. Raises ClientGoneError, and RefusedError if others took the last place."""
        with self._places.taken(self._key) as is_free:
            if is_free:
                return await super().__call__(scope, receive, send)
        try:
            check_place(self._places, self._key, self._chance())
        except Refused as refused:
            raise GatewayRefusedError(refused) from None
        return None
