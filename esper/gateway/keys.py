"""Keys of the gateway's users: ``esk_<8 id>_<43 base62>``, shown once and kept as a hash.

The id finds the key, the secret is compared in constant time, for unknown ids with a dummy: how
long an answer takes says neither whether an id exists nor how much of a secret was right.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

KEY_RANDOM_BYTES: Final = 38
"""Chance that makes a key: 6 bytes for its id, 32 for its secret."""
CONSOLE_ID: Final = "console"
"""The key of whoever is signed in to the console. It has no secret either."""
WEBHOOK_KEY_BYTES: Final = 32
"""The HMAC key of a key's webhook, random."""
LOCAL_ID: Final = "local"
"""The key of a loopback peer without one. It has no secret, so that no header can name it."""

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARS: Final = 8
_SECRET_CHARS: Final = 43
_FORM: Final = re.compile(r"esk_([0-9A-Za-z]{8})_([0-9A-Za-z]{43})")
_DUMMY: Final = bytes(32)


class KeyFormError(ValueError):
    """No key of this gateway, by its form. The sentence holds nothing of it."""


class KeyFieldError(ValueError):
    """A key's setting out of its range: the sentence names it and what may be."""


class Scope(StrEnum):
    """What a key may do."""

    INFER = "infer"
    """Ask the model."""
    PROVE = "prove"
    """Have prompts and answers proven: it publishes them for ever."""
    RECEIPTS = "receipts"
    """Read the key's own receipts."""
    USAGE = "usage"
    """Read the key's own usage."""
    METRICS = "metrics"
    """Read the metrics from beyond loopback."""


@dataclass(frozen=True, slots=True)
class Account:
    """A key as it is kept: whose it is, what it may do and how much."""

    id: str
    """8 base62 characters, or ``local``. Not secret: logs and lists show it."""
    hash: bytes
    """SHA3-256 of the whole key, 32 bytes; empty for ``local``."""
    name: str
    """The account: the operator's word for whoever holds the key."""
    scopes: frozenset[Scope]
    """What it may do."""
    budget: int
    """Micro-credits in a period, answers and proofs together."""
    period_ms: int
    """Length of a period. Periods begin at multiples of it since 1970."""
    requests_per_minute: int
    """Requests let in."""
    tokens_per_minute: int
    """Tokens of prompts and answers."""
    streams: int
    """Requests that may run at once."""
    max_price: int
    """Micro-credits a token that a proof may bid at most."""
    created_ms: int
    """Milliseconds since 1970."""
    expires_ms: int | None = None
    """From then on it is refused; None: never."""
    revoked_ms: int | None = None
    """When it was revoked, None if it was not."""
    webhook: str = ""
    """The operator's https URL for this key, or none."""
    webhook_key: bytes = b""
    """32 bytes that its messages are authenticated with, empty without a webhook."""
    greedy_anyway: bool = False
    """Whether sampling fields are replaced, and told, rather than refused."""

    def check(self) -> None:
        """Raises KeyFieldError for what no key may have."""
        numbers = {
            "budget": (self.budget, 0),
            "period_ms": (self.period_ms, 1),
            "requests_per_minute": (self.requests_per_minute, 1),
            "tokens_per_minute": (self.tokens_per_minute, 1),
            "streams": (self.streams, 1),
            "max_price": (self.max_price, 0),
        }
        for field, (got, least) in numbers.items():
            if not least <= got < 2**53:
                raise KeyFieldError(f"{field} is {got}, must be {least} to 2^53 - 1")
        if not self.scopes:
            raise KeyFieldError("scopes is empty: name at least one of infer, prove, receipts, …")
        if self.webhook and not self.webhook.startswith("https://"):
            raise KeyFieldError("webhook must be an https URL")
        if len(self.webhook_key) != (WEBHOOK_KEY_BYTES if self.webhook else 0):
            raise KeyFieldError(f"webhook_key must have {WEBHOOK_KEY_BYTES} bytes, with a webhook")

    def made_with(self, key: str, digest: bytes) -> Self:
        """The same settings for another key, by its id and hash."""
        return replace(self, id=key, hash=digest)

    def usable(self, now_ms: int) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms < self.expires_ms)

    def period(self, now_ms: int) -> int:
        """The number of the period that a moment lies in."""
        return now_ms // self.period_ms


def make_key(randomness: bytes) -> str:
    """The key that 38 random bytes make. Raises ValueError for any other number of bytes.

    43 base62 characters hold all of 32 bytes.
    """
    if len(randomness) != KEY_RANDOM_BYTES:
        raise ValueError(f"{len(randomness)} bytes of randomness, a key takes {KEY_RANDOM_BYTES}")
    # Eight characters hold 47.6 bits: the remainder is even to a millionth, and an id is no secret.
    name = _base62(int.from_bytes(randomness[:6]) % 62**_ID_CHARS, _ID_CHARS)
    return f"esk_{name}_{_base62(int.from_bytes(randomness[6:]), _SECRET_CHARS)}"


def key_id(key: str) -> str:
    """The id within a key. Raises KeyFormError."""
    found = _FORM.fullmatch(key)
    if found is None:
        raise KeyFormError("a key reads esk_, 8 letters or digits, _, and 43 more")
    return found[1]


def key_hash(key: str) -> bytes:
    """What is kept of a key: 32 bytes. Its secret is random, so one hash is enough."""
    return hashlib.sha3_256(key.encode()).digest()


def is_key_of(key: str, account: Account | None) -> bool:
    """Whether a key of right form is the account's; None, an unknown id, takes as long."""
    expected = account.hash if account is not None and account.hash else _DUMMY
    same = hmac.compare_digest(key_hash(key), expected)
    return same and account is not None and bool(account.hash)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))
