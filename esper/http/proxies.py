"""Whether a request was passed on: behind a proxy everybody seems to be on this machine."""

from typing import Final

from starlette.requests import HTTPConnection

HEADERS: Final = ("forwarded", "x-real-ip", "via")
"""What proxies add, beside all that begin with ``x-forwarded``."""


def is_passed_on(request: HTTPConnection) -> bool:
    """Whether a header says so. Their absence proves nothing: who opens a proxy says it."""
    return any(name in HEADERS or name.startswith("x-forwarded") for name in request.headers)
