"""Who asks: by a key, or by where the request comes from."""

from typing import Final
from urllib.parse import unquote_to_bytes

import trio
from starlette.requests import HTTPConnection

from esper.gateway.console.same_page import is_own_page
from esper.gateway.console.session_secrets import COOKIE, PAGE_HEADER, is_page_token
from esper.gateway.keys import Account, Scope
from esper.gateway.refusals import Refused
from esper.gateway.service.books.calls import Books
from esper.gateway.service.refusing import GatewayRefusedError
from esper.gateway.service.settings import ServiceSettings
from esper.http.addresses import is_loopback
from esper.http.proxies import is_passed_on

KEY_PREFIX: Final = "esk_"

_NO_KEY: Final = "send a key of this gateway as 'Authorization: Bearer esk_…'"


class KeyAuthority:
    """Judges a request by its head. Raises GatewayRefusedError."""

    def __init__(self, books: Books, settings: ServiceSettings, scope: Scope) -> None:
        """``scope``: what the route takes."""
        self._books = books
        self._settings = settings
        self._scope = scope

    async def __call__(self, request: HTTPConnection) -> Account:
        """The account that pays."""
        if key_in_url(request):
            # It stands in somebody's log by now.
            raise _refused("invalid_value", f"a key stands in the URL: revoke it, and {_NO_KEY}")
        account = await self._account(request)
        if self._scope not in account.scopes:
            raise _refused("scope", f"this key was made without the scope {self._scope}")
        return account

    async def _account(self, request: HTTPConnection) -> Account:
        headers = request.headers.getlist("authorization")
        key = _bearer(headers[0]) if len(headers) == 1 else None
        if key is not None and key.startswith(KEY_PREFIX):
            found = await self._books.account(key)
            if found is None:
                await trio.sleep(self._settings.wrong_key_delay_s)
                raise _refused("invalid_api_key", "this key is not known, expired or revoked")
            return found
        session = request.cookies.get(COOKIE)
        if not headers and session is not None:
            return await self._signed_in(request, session)
        # Other tokens are what clients send that must send something.
        if len(headers) <= 1 and self._settings.is_open and _is_here(request):
            local = await self._books.local()
            if local is not None:
                return local
        if headers:
            await trio.sleep(self._settings.wrong_key_delay_s)
        raise _refused("invalid_api_key", _NO_KEY)

    async def _signed_in(self, request: HTTPConnection, session: str) -> Account:
        """A browser sends the cookie whoever makes it ask: that it is our page is shown apart."""
        if not is_own_page(request):
            raise _refused("origin", "a cookie is taken from this server's own pages alone")
        found = await self._books.signed_in(session)
        if found is None:
            await trio.sleep(self._settings.wrong_key_delay_s)
            raise _refused("invalid_api_key", "sign in with a new link of `esper console`")
        if self._scope is Scope.PROVE:
            # Each publication is asked for with its question.
            raise _refused("scope", "the console publishes with esper.prove always alone")
        is_reading = request.scope["method"] in ("GET", "HEAD")
        if not is_reading and not is_page_token(request.headers.get(PAGE_HEADER, ""), session):
            raise _refused("origin", f"send the page's token as {PAGE_HEADER}: load it again")
        return found


def key_in_url(request: HTTPConnection) -> bool:
    """Whether a key, or what looks like one, stands in path or query."""
    url = request.scope["path"] + unquote_to_bytes(request.scope["query_string"]).decode("latin-1")
    return KEY_PREFIX in url


async def no_authority(request: HTTPConnection) -> None:
    """Of routes that tell everyone the same, for which a key in the URL is none the better."""
    if key_in_url(request):
        raise _refused("invalid_value", f"a key stands in the URL: revoke it, and {_NO_KEY}")


def _is_here(request: HTTPConnection) -> bool:
    """Whether the peer is of this machine, and no proxy of others."""
    if request.client is None or not is_loopback(request.client.host):
        return False
    return not is_passed_on(request)


def _bearer(header: str) -> str | None:
    scheme, _, value = header.strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def _refused(code: str, message: str) -> GatewayRefusedError:
    return GatewayRefusedError(Refused(code, message))
