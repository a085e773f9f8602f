"""Events of a stream as bytes: one line of ASCII JSON each, so that no answer ends one."""

from typing import Any, Final

from esper.gateway.one_line import one_line

DONE: Final = b"data: [DONE]\n\n"
"""What ends a whole stream of chat completions and completions."""
PAD_TO: Final = 64
"""Bytes: padded events are multiples of it."""

_PADDING: Final = "obfuscation"
_FRAME: Final = len(f',"{_PADDING}":""')


def queued(before: int) -> bytes:
    """A comment that keeps a connection alive and says how many requests stand before this one."""
    return b": queued %d\n\n" % before


def event(data: dict[str, Any], *, name: str | None = None, pad: bool = False) -> bytes:
    """One event. ``pad``: with a field that makes its length a multiple of ``PAD_TO``.

    The padding says nothing and is the same for equal lengths: it hides lengths, not texts.
    """
    head = b"" if name is None else b"event: %b\n" % name.encode("ascii")
    frame = head + b"data: %b\n\n"
    found = frame % one_line(data)
    if not pad:
        return found
    missing = -(len(found) + _FRAME) % PAD_TO
    return frame % one_line({**data, _PADDING: "0" * missing})
