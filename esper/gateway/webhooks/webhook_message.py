"""What a webhook says and how it is signed: ids and statuses, no text of anybody."""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from esper.gateway.one_line import one_line
from esper.gateway.webhooks.address_judge import WebhookTarget

TIME_HEADER: Final = "esper-time"
SIGNATURE_HEADER: Final = "esper-signature"


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What became of a call."""

    id: str
    """Of the event, 32 hex digits: the same at every try."""
    call: str
    """The receipt's id."""
    status: str
    """proven, final, reorganised or unproven."""
    reason: str = ""
    """Why it was given up, or nothing."""


def event_body(event: WebhookEvent) -> bytes:
    """One line of JSON."""
    fields = {"id": event.id, "type": f"receipt.{event.status}", "receipt": event.call}
    return one_line({**fields, "reason": event.reason} if event.reason else fields)


def signature_of(secret: bytes, time_s: int, body: bytes) -> str:
    """HMAC-SHA256 over time ‖ body, in hex. ``secret``: 32 bytes of the key's webhook."""
    return hmac.new(secret, str(time_s).encode() + body, hashlib.sha256).hexdigest()


def request_bytes(target: WebhookTarget, body: bytes, secret: bytes, time_s: int) -> bytes:
    """The whole request, HTTP/1.1, after which the connection ends."""
    head = (
        f"POST {target.path} HTTP/1.1\r\n"
        f"host: {target.host_header}\r\n"
        "content-type: application/json\r\n"
        f"content-length: {len(body)}\r\n"
        f"{TIME_HEADER}: {time_s}\r\n"
        f"{SIGNATURE_HEADER}: {signature_of(secret, time_s, body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode("ascii") + body


def status_of(start: bytes) -> int | None:
    """The status of an answer's first line, None if it is none."""
    words = start.split(b"\r\n", 1)[0].split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        return None
    return int(words[1]) if len(words[1]) == 3 else None
