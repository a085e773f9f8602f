"""Codes, cookies and page tokens of the console: what they are made of and what is kept.

Each is 32 random bytes in hex; the database holds hashes alone.
"""

import hashlib
import hmac
import re
from typing import Final, TypeGuard

SECRET_BYTES: Final = 32
CODE_LASTS_MS: Final = 60_000
SESSION_LASTS_MS: Final = 12 * 3600 * 1000
COOKIE: Final = "esper_console"
PAGE_HEADER: Final = "x-esper-page"

_FORM: Final = re.compile("[0-9a-f]{64}")
_PAGE: Final = b"esper/gateway/console/page/v1"


def is_secret(text: object) -> TypeGuard[str]:
    """Whether it has the form of a code or a session."""
    return isinstance(text, str) and _FORM.fullmatch(text) is not None


def kept_hash(secret: str) -> bytes:
    """What is kept of a code or a session: 32 bytes. It is random, so one hash is enough."""
    return hashlib.sha3_256(secret.encode()).digest()


def page_token(session: str) -> str:
    """What the pages of a session send with each POST: no other site can read it. Hex."""
    return hmac.new(session.encode(), _PAGE, hashlib.sha3_256).hexdigest()


def is_page_token(token: str, session: str) -> bool:
    """In constant time."""
    return hmac.compare_digest(token.encode(), page_token(session).encode())
