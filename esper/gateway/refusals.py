"""Why a request is not answered, in the forms that OpenAI's and Ollama's clients read.

What a client does follows from status and headers: SDKs send what met 408, 409, 429 and 5xx again
unless ``x-should-retry`` says otherwise, and all else is an error of the caller. Sentences
name fields and numbers, never a prompt, a key or any other text of the request.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from esper.gateway.one_line import one_line

MAX_RETRY_MS: Final = 60_000
"""Longest wait that is asked for. SDKs give up on more than 120 s."""

_INVALID: Final = "invalid_request_error"
_RATE: Final = "rate_limit_error"
_SERVER: Final = "server_error"


class Retry(Enum):
    """What a client is told about sending the same again."""

    SAME = "by the status"
    """No header: the status says it."""
    LATER = "after a while"
    """With ``retry-after``: the refusal must say how long."""
    NEVER = "never"
    """With ``x-should-retry: false``: the status alone would make SDKs try again."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What one code means to a client."""

    status: int
    """Of HTTP."""
    type: str
    """OpenAI's family of errors."""
    retry: Retry = Retry.SAME


KINDS: Final = MappingProxyType(
    {
        "unsupported_value": Kind(400, _INVALID),
        "unknown_parameter": Kind(400, _INVALID),
        "invalid_value": Kind(400, _INVALID),
        "invalid_json": Kind(400, _INVALID),
        "context_length_exceeded": Kind(400, _INVALID),
        # 409 would be sent again, with the same mismatch.
        "idempotency_mismatch": Kind(400, _INVALID),
        "invalid_api_key": Kind(401, _INVALID),
        "scope": Kind(403, _INVALID),
        "origin": Kind(403, _INVALID),
        "model_not_found": Kind(404, _INVALID),
        "receipt_not_found": Kind(404, _INVALID),
        "unknown_url": Kind(404, _INVALID),
        "method_not_allowed": Kind(405, _INVALID),
        "body_timeout": Kind(408, _INVALID),
        "idempotency_in_progress": Kind(409, _INVALID),
        "receipt_dropped": Kind(410, _INVALID),
        "request_too_large": Kind(413, _INVALID),
        "unsupported_media_type": Kind(415, _INVALID),
        "wrong_host": Kind(421, _INVALID),
        "head_too_large": Kind(431, _INVALID),
        "rate_limit_exceeded": Kind(429, _RATE, Retry.LATER),
        "engine_overloaded": Kind(429, _RATE, Retry.LATER),
        "proof_backlog": Kind(429, _RATE, Retry.LATER),
        "insufficient_quota": Kind(429, "insufficient_quota", Retry.NEVER),
        "server_error": Kind(500, _SERVER),
        "engine_disagrees": Kind(503, _SERVER, Retry.NEVER),
        "not_ready": Kind(503, _SERVER, Retry.LATER),
    }
)
"""Every code, by its name."""


class Refused(Exception):
    """A request that is not answered. A client is told all of it."""

    def __init__(
        self,
        code: str,
        message: str,
        param: str | None = None,
        *,
        retry_ms: int | None = None,
        incident: str | None = None,
    ) -> None:
        """``retry_ms``: milliseconds to wait, for codes that are tried again later alone.

        Raises KeyError for an unknown code and ValueError for a wait that is missing or misplaced:
        both are faults of the caller, not of a request.
        """
        super().__init__(message)
        kind = KINDS[code]
        if (retry_ms is not None) != (kind.retry is Retry.LATER):
            raise ValueError(f"{code}: a wait is told with those tried again later, and only then")
        self.code = code
        """A key of ``KINDS``."""
        self.message = message
        """A sentence that says what is wrong and what to do."""
        self.param = param
        """Path of the field: ``messages[3].content``; None: no single one."""
        self.retry_ms = None if retry_ms is None else min(max(retry_ms, 1), MAX_RETRY_MS)
        """Milliseconds, from 1 to ``MAX_RETRY_MS``."""
        self.incident = incident
        """Word under which the node's log explains a ``server_error``."""

    @property
    def kind(self) -> Kind:
        """Its status, family and advice."""
        return KINDS[self.code]

    @property
    def status(self) -> int:
        """Of HTTP."""
        return self.kind.status


def jittered(least_ms: int, chance: float) -> int:
    """Milliseconds from ``least_ms`` to twice as many, so that those refused together come apart.

    ``chance`` from 0 to 1 is the caller's throw.
    """
    return min(least_ms + int(least_ms * chance), MAX_RETRY_MS)


def refusal_headers(refused: Refused) -> list[tuple[bytes, bytes]]:
    """Headers that tell SDKs whether and when to send it again; none where the status does."""
    if refused.kind.retry is Retry.NEVER:
        return [(b"x-should-retry", b"false")]
    if refused.retry_ms is None:
        return []
    seconds = -(-refused.retry_ms // 1000)
    return [
        (b"retry-after", b"%d" % seconds),
        (b"retry-after-ms", b"%d" % refused.retry_ms),
    ]


def error_object(refused: Refused) -> dict[str, Any]:
    """What stands under ``error`` in OpenAI's form."""
    found = {
        "message": refused.message,
        "type": refused.kind.type,
        "param": refused.param,
        "code": refused.code,
    }
    if refused.incident is not None:
        found["incident"] = refused.incident
    return found


def openai_error(refused: Refused) -> bytes:
    """The body of an answer to OpenAI's clients."""
    return one_line({"error": error_object(refused)})


def ollama_error(refused: Refused) -> bytes:
    """The body of an answer to Ollama's clients."""
    return one_line({"error": refused.message})
