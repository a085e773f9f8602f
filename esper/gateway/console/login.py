"""POST /console/login, GET /console/session: a code becomes a cookie, a cookie a page token."""

import secrets
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.console.same_page import is_own_page
from esper.gateway.console.session_secrets import (
    COOKIE,
    SECRET_BYTES,
    SESSION_LASTS_MS,
    is_secret,
    kept_hash,
    page_token,
)
from esper.gateway.keys import Account
from esper.gateway.one_line import one_line
from esper.gateway.ports import StorePort
from esper.gateway.refusals import Refused
from esper.gateway.service.clock import Clock
from esper.gateway.service.refusing import GatewayRefusedError
from esper.http.routes import JSON
from esper.rpc.strict_json import StrictJsonError, read_json

SIGN_IN = "sign in with a new link of `esper console`: one is good once, for a minute"


@dataclass(frozen=True, slots=True)
class ConsoleLogin:
    """Signs in. Raises Refused."""

    store: StorePort
    clock: Clock

    async def login(self, http: HttpRequest, granted: None) -> Response:
        """The body is ``{"code": …}``; neither it nor the code is logged or told back."""
        try:
            body: Any = read_json(await http.body())
        except StrictJsonError:
            raise Refused("invalid_json", "send one JSON object with code") from None
        code = body.get("code") if isinstance(body, dict) and len(body) == 1 else None
        if not is_secret(code):
            raise Refused("invalid_value", SIGN_IN, "code")
        digest = kept_hash(code)
        session = secrets.token_hex(SECRET_BYTES)
        now = self.clock.now_ms()
        is_good = await self.store.ask(
            lambda store: store.sign_ins.take_code(
                digest, kept_hash(session), now, now + SESSION_LASTS_MS
            )
        )
        if not is_good:
            raise Refused("invalid_api_key", SIGN_IN)
        response = Response(one_line({"page": page_token(session)}), media_type=JSON)
        response.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_LASTS_MS // 1000,
            path="/",
            secure=http.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return response

    async def session(self, http: HttpRequest, account: Account) -> Response:
        """The page token of a page that was loaded again."""
        session = http.cookies.get(COOKIE)
        if session is None or http.headers.get("authorization") is not None:
            raise Refused("invalid_api_key", SIGN_IN)
        return Response(one_line({"page": page_token(session)}), media_type=JSON)


async def own_page_alone(request: HTTPConnection) -> None:
    """Who may sign in. Raises GatewayRefusedError."""
    if not is_own_page(request):
        raise GatewayRefusedError(Refused("origin", "only this server's own page signs in"))
