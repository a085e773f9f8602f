"""The handshake of a websocket (RFC 6455, 4.2): a GET that asks for another protocol.

Who may ask at all, by host and origin, is judged before, as of any request that may change
something: a browser lets every page open sockets, and says in Origin which one does.
"""

import base64
import binascii
import hashlib
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from esper.http.routes import RefusedError

VERSION: Final = "13"
KEY_BYTES: Final = 16
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def handshake_headers(scope: Scope) -> dict[str, str]:
    """The headers of the 101. No extension is agreed to: compression is a bomb's friend.

    Raises RefusedError.
    """
    headers = Headers(scope=scope)
    if scope["method"] != "GET" or scope.get("http_version") != "1.1":
        raise RefusedError(400, "a websocket is asked for by GET in HTTP/1.1")
    if "websocket" not in _options(headers, "upgrade") or "upgrade" not in _options(
        headers, "connection"
    ):
        raise RefusedError(426, "a websocket is spoken here", {"upgrade": "websocket"})
    if headers.getlist("sec-websocket-version") != [VERSION]:
        raise RefusedError(
            426,
            f"version {VERSION} of websockets is spoken here",
            {"upgrade": "websocket", "sec-websocket-version": VERSION},
        )
    if "content-length" in headers or "transfer-encoding" in headers:
        raise RefusedError(400, "a request for a websocket has no body")
    keys = headers.getlist("sec-websocket-key")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise RefusedError(400, f"Sec-WebSocket-Key must be {KEY_BYTES} bytes in base64")
    accept = hashlib.sha1(keys[0].encode("ascii") + _GUID, usedforsecurity=False).digest()
    return {
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-accept": base64.b64encode(accept).decode("ascii"),
    }


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode("ascii"), validate=True)) == KEY_BYTES
    except (UnicodeEncodeError, binascii.Error):
        return False


def _options(headers: Headers, name: str) -> set[str]:
    return {
        option.strip(" \t").lower()
        for value in headers.getlist(name)
        for option in value.split(",")
    }
