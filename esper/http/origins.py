"""Which requests a web page may have made a browser send, and which of them are answered.

A page of another site can send requests to this machine. The Host must be a name of this machine,
which it is not when a page has turned its own name towards it (DNS rebinding). Then an Origin must
be the page itself, which this server sent, or one of the configuration. Browsers say in
Sec-Fetch-Site where a request comes from even where they send no Origin; what comes from another
site is answered only if its Origin is configured, or if it is a link to a page.
"""

import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers

from esper.http.addresses import LOOPBACK_NAMES, is_same_address
from esper.http.routes import RefusedError
from esper.http.settings import HttpSettings

_OURS: Final = frozenset({"same-origin", "none"})
"""Of Sec-Fetch-Site: a page of this server, and an address that a person typed. ``same-site`` is
not among them: to a browser every port of this machine is one site."""

_ASKED_ALWAYS: Final = ("authorization", "content-type", "idempotency-key")
_OF_SDKS: Final = re.compile(r"x-stainless-[a-z0-9-]{1,32}")
"""What OpenAI's clients say of themselves: a browser asks for each by name, and new ones come."""
_MOST_OF_SDKS: Final = 16
TOLD_HEADERS: Final = (
    "retry-after, retry-after-ms, x-should-retry, x-request-id, x-esper-receipt, "
    "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"
)
"""Of an answer, what a configured page may read: when and whether to ask again, and the receipt."""


class Origins:
    """Judges hosts and origins by a server's settings."""

    def __init__(self, settings: HttpSettings) -> None:
        # A request without a host must not be taken for one of a host without a name.
        self._hosts = (LOOPBACK_NAMES | settings.allowed_hosts | {settings.host.lower()}) - {""}
        self._allowed = settings.allowed_origins

    def check_hosts(self, named: Iterable[str], own_address: str | None) -> None:
        """``named``: by header or target; ``own_address``: where the client connected.

        Raises RefusedError. A host that is an address can be no page's name: the one that the
        client has connected to is served.
        """
        for given in named:
            name = host_name(given)
            if name not in self._hosts and not is_same_address(name, own_address or ""):
                raise RefusedError(
                    421,
                    "this Host is not served: use 127.0.0.1, localhost or the address that the "
                    "node listens on",
                )

    def check_origin(self, headers: Headers, scheme: str, *, to_page: bool) -> None:
        """``to_page``: a GET of a page. Raises RefusedError."""
        own = f"{scheme}://{headers.get('host', '')}".lower()
        origins = headers.getlist("origin")
        if any(origin not in self._allowed and origin.lower() != own for origin in origins):
            raise RefusedError(
                403, "this Origin may not call: allow it in the node's configuration"
            )
        if any(origin in self._allowed for origin in origins):
            return
        sites = headers.getlist("sec-fetch-site")
        if all(site in _OURS for site in sites):
            return
        if not (to_page and headers.getlist("sec-fetch-mode") == ["navigate"]):
            raise RefusedError(403, "a page of another site may not call")

    def allowed(self, origin: str | None) -> str | None:
        """The origin if it is configured: what the answer tells the browser."""
        return origin if origin in self._allowed else None


def page_headers(asked: Iterable[str]) -> str:
    """The headers that a configured page may send; ``asked``: Access-Control-Request-Headers."""
    names = (name.strip(" \t").lower() for line in asked for name in line.split(","))
    of_sdks = dict.fromkeys(name for name in names if _OF_SDKS.fullmatch(name))
    return ", ".join((*_ASKED_ALWAYS, *list(of_sdks)[:_MOST_OF_SDKS]))


def host_name(header: str) -> str:
    """The name in a Host header, without port and brackets, lower case; empty if it has none."""
    header = header.strip(" \t").lower()
    if header.startswith("["):
        name, closed, rest = header[1:].partition("]")
        return name if closed and (rest == "" or _is_port(rest)) else ""
    name, colon, digits = header.partition(":")
    return name if not colon or _is_port(colon + digits) else ""


def _is_port(text: str) -> bool:
    """A colon and digits, of which there may be none."""
    return text == ":" or (text.startswith(":") and text[1:].isascii() and text[1:].isdigit())
