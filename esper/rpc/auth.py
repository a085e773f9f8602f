"""Who may spend and steer: the cookie file, and tokens of the configuration.

rpc.cookie   {"url": ..., "token": 64 hex digits}, readable by the owner only, new at every start
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

COOKIE_FILE: Final = "rpc.cookie"
COOKIE_USER: Final = "__cookie__"
"""The user name that comes with a token in Basic authorization."""
LARGEST_COOKIE: Final = 4096
"""Bytes of a cookie file that are read; a longer one is broken JSON then."""


class CookieError(Exception):
    """A cookie file that cannot be written or read; the message names it."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """Where a node answers, and the token that it takes."""

    url: str
    """Such as ``http://127.0.0.1:9334/``."""
    token: str = field(repr=False)
    """Hex."""


def write_cookie(folder: Path, cookie: Cookie) -> None:
    """Make the cookie file, whole or not at all, mode 0600. Raises CookieError."""
    path = folder / COOKIE_FILE
    unfinished = path.with_name(f"{COOKIE_FILE}.new")
    data = json.dumps({"url": cookie.url, "token": cookie.token}).encode()
    try:
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            stream.write(data)
        unfinished.replace(path)
    except OSError as error:
        raise CookieError(f"{path} cannot be written: {error.strerror}") from error
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def read_cookie(folder: Path) -> Cookie | None:
    """The cookie of a node that runs in this data directory, None if none does.

    Raises CookieError for a file that is none.
    """
    path = folder / COOKIE_FILE
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST_COOKIE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CookieError(f"{path} cannot be read: {error.strerror}") from error
    try:
        fields: Any = json.loads(data)
        url, token = fields["url"], fields["token"]
        if not (isinstance(url, str) and isinstance(token, str)):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        # The bytes may hold a token: the message must not show them, nor the error before it.
        raise CookieError(f"{path} is no cookie file; restart the node for a new one") from None
    return Cookie(url, token)


def remove_cookie(folder: Path, token: str) -> None:
    """Take the cookie file away, unless another node has written its own meanwhile."""
    try:
        found = read_cookie(folder)
    except CookieError:
        return
    if found is not None and hmac.compare_digest(token_hash(found.token), token_hash(token)):
        (folder / COOKIE_FILE).unlink(missing_ok=True)


def token_hash(token: str) -> str:
    """SHA3-256 in hex: how a configuration names a token that it does not hold."""
    return hashlib.sha3_256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Authority:
    """Judges Authorization headers. Holds hashes alone."""

    def __init__(
        self,
        hashes: Iterable[str],
        same: Callable[[str, str], bool] = hmac.compare_digest,
    ) -> None:
        """``hashes``: SHA3-256 in hex of the tokens. ``same`` takes the same time for any two."""
        self._hashes = tuple(sorted(hashes))
        self._same = same

    def accepts(self, header: bytes) -> bool:
        """Whether a header carries a token. All are compared, so the time tells nothing."""
        token = _token_in(header)
        if token is None:
            return False
        digest = token_hash(token)
        matches = [self._same(digest, known) for known in self._hashes]
        return any(matches)


def _token_in(header: bytes) -> str | None:
    """The token of ``Bearer TOKEN`` or ``Basic base64(__cookie__:TOKEN)``, None in other forms."""
    scheme, _, value = header.decode("latin-1").strip().partition(" ")
    value = value.strip()
    match scheme.lower():
        case "bearer":
            return value or None
        case "basic":
            try:
                user, _, token = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, ValueError):
                return None
            return token if user == COOKIE_USER and token else None
        case _:
            return None
