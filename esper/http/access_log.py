"""One line per answer, once it has ended: no headers, no bodies, no queries."""

import logging
import re
import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from esper.saying import say

ACCESS_LOG: Final = logging.getLogger("esper.http.access")

_KEY: Final = re.compile(r"esk_[0-9A-Za-z_]*")
"""Somebody's key, in a path where it has no business: a log is no place for it."""


class AccessLog:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, now: Callable[[], float] = time.monotonic) -> None:
        """``now`` counts seconds."""
        self._app = app
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, then say with what, when it began and ended, and whether it was whole."""
        begun = self._now()
        first_s = 0.0
        status = sent = 0
        whole = False

        async def counting(message: Message) -> None:
            nonlocal first_s, status, sent, whole
            await send(message)
            if message["type"] == "http.response.start":
                status, first_s = message["status"], self._now() - begun
            else:
                sent += len(message.get("body", b""))
                whole = not message.get("more_body", False)

        try:
            await self._app(scope, receive, counting)
        finally:
            say(
                ACCESS_LOG,
                "request",
                "{method} {path!r} {status} {first_ms:.1f} ms, {end} after {ms:.1f} ms, "
                "{bytes} bytes",
                method=scope["method"],
                path=_KEY.sub("esk_\u2026", scope["path"]),
                status=status,
                first_ms=1000 * first_s,
                end="ended" if whole else "broken off",
                ms=1000 * (self._now() - begun),
                bytes=sent,
            )
