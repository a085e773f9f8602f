"""Sends webhooks: one name looked up once, the judged address dialled, five tries."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from esper.gateway.webhooks.address_judge import (
    WebhookAddressError,
    WebhookTarget,
    WebhookURLError,
    check_address,
    read_webhook_url,
)
from esper.gateway.webhooks.webhook_message import (
    WebhookEvent,
    event_body,
    request_bytes,
    status_of,
)
from esper.saying import say

LOG: Final = logging.getLogger("esper.gateway")
TRIES: Final = 5
FIRST_WAIT_S: Final = 5.0
"""Before the second try; each further one waits four times as long."""
TIMEOUT_S: Final = 5.0
"""For one try: name, connection and the answer's first line."""
WAITING: Final = 1_024
"""Events that may wait; who is behind asks for receipts instead."""
_FIRST_LINE: Final = 256

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Addresses of a host, the preferred first. Raises OSError."""
Dial = Callable[[str, int, str], Awaitable[trio.abc.Stream]]
"""Connect to an address and port, TLS with the certificate of a host. Raises OSError and
trio.BrokenResourceError."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event and where it goes."""

    url: str
    secret: bytes
    event: WebhookEvent


class WebhookSender:
    """Sends what it is given, some at a time. Nothing waits for it."""

    def __init__(self, resolve: Resolve, dial: Dial, now_s: Callable[[], int]) -> None:
        """``now_s``: seconds since 1970, which the signature covers."""
        self._resolve = resolve
        self._dial = dial
        self._now_s = now_s
        self._send, self._receive = trio.open_memory_channel[Outgoing](WAITING)

    def offer(self, outgoing: Outgoing) -> bool:
        """Send it later; False if too many wait."""
        try:
            self._send.send_nowait(outgoing)
        except trio.WouldBlock:
            return False
        return True

    async def run(self, at_once: int = 4) -> None:
        """Work until cancelled."""
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                nursery.start_soon(self._work)

    async def _work(self) -> None:
        async for outgoing in self._receive.clone():
            await self.deliver(outgoing)

    async def deliver(self, outgoing: Outgoing) -> bool:
        """Try until it was taken, at most five times; whether it was."""
        wait_s = FIRST_WAIT_S
        reason = ""
        for attempt in range(TRIES):
            if attempt:
                await trio.sleep(wait_s)
                wait_s *= 4
            try:
                with trio.fail_after(TIMEOUT_S):
                    status = await self._try(outgoing)
            except (WebhookURLError, WebhookAddressError) as error:
                # What is judged so once is not called at all.
                reason = str(error)
                break
            except (OSError, trio.TooSlowError, trio.BrokenResourceError) as error:
                reason = type(error).__name__
                continue
            if status is not None and 200 <= status < 300:
                return True
            reason = "no HTTP" if status is None else f"status {status}"
        say(
            LOG,
            "webhook_given_up",
            "the webhook of call {call} was not taken: {reason}",
            call=outgoing.event.call,
            reason=reason,
        )
        return False

    async def _try(self, outgoing: Outgoing) -> int | None:
        target = read_webhook_url(outgoing.url)
        address = await self._judged(target)
        body = event_body(outgoing.event)
        stream = await self._dial(address, target.port, target.host)
        async with stream:
            await stream.send_all(request_bytes(target, body, outgoing.secret, self._now_s()))
            start = b""
            while b"\n" not in start and len(start) < _FIRST_LINE:
                more = await stream.receive_some(_FIRST_LINE)
                if not more:
                    break
                start += bytes(more)
        return status_of(start)

    async def _judged(self, target: WebhookTarget) -> str:
        """The address that is dialled. Raises WebhookAddressError if any of the host's may not."""
        found = await self._resolve(target.host, target.port)
        if not found:
            raise OSError("the host has no address")
        for address in found:
            check_address(address)
        return found[0]
