"""What passes between a node and the process that runs its templates.

A request is its length and JSON. A reply is a fixed head, a text and the text's mask
(``own_text``): the reader knows from the head whether there is too much, and reads nothing then.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from esper.model.errors import TemplateKilledError
from esper.model.templates.own_text import OwnText, mask_of

READY: Final = b"\1"
"""The first byte of the process: it waits for work."""
LENGTH: Final = struct.Struct(">I")
HEAD: Final = struct.Struct(">cII")
"""Kind, bytes of the text in UTF-8, bytes of the mask."""
LONGEST_OUTPUT: Final = 1 << 20
"""Bytes of a laid out chat in UTF-8: 1 MiB."""
LONGEST_REASON: Final = 8 << 10
"""Bytes of a refusal."""
_TEXT: Final = b"T"
_REFUSED: Final = b"R"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a reply, within the limits."""

    refused: bool
    text: int
    """Bytes."""
    mask: int
    """Bytes, one for each character."""


def encode_request(
    source: str, tokens: Mapping[str, str], messages: Sequence[Mapping[str, str]]
) -> bytes:
    """A template, its named tokens and the messages to lay out."""
    data = json.dumps([source, dict(tokens), [dict(one) for one in messages]]).encode()
    return LENGTH.pack(len(data)) + data


def request_of(data: bytes) -> tuple[str, dict[str, str], list[dict[str, str]]]:
    """What ``encode_request`` was given; ``data`` without the length."""
    source, tokens, messages = json.loads(data)
    return source, tokens, messages


def encode_text_reply(text: str) -> bytes:
    """A laid out chat; a refusal if it is too long, or no UTF-8."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        return encode_refusal(f"it writes half a surrogate pair at character {error.start}")
    if len(data) > LONGEST_OUTPUT:
        return encode_refusal(f"it writes {len(data):,} bytes, at most {LONGEST_OUTPUT:,}")
    return HEAD.pack(_TEXT, len(data), len(text)) + data + mask_of(text)


def encode_refusal(reason: str) -> bytes:
    """Why there is no text."""
    data = reason.encode(errors="backslashreplace")[:LONGEST_REASON]
    return HEAD.pack(_REFUSED, len(data), 0) + data


def head_of(data: bytes) -> Head:
    """Read ``HEAD.size`` bytes. Raises TemplateKilledError if what follows is not to be read."""
    kind, text, mask = HEAD.unpack(data)
    longest = {_TEXT: LONGEST_OUTPUT, _REFUSED: LONGEST_REASON}.get(kind, -1)
    if longest < 0:
        raise TemplateKilledError("its process answers with something else than a text")
    if text > longest or mask > text:
        raise TemplateKilledError(f"its process announces {text:,} bytes, at most {longest:,}")
    return Head(refused=kind == _REFUSED, text=text, mask=mask)


def text_of(head: Head, text: bytes, mask: bytes) -> str:
    """The laid out chat, or the reason. Raises TemplateKilledError for what is neither."""
    if head.refused:
        return text.decode(errors="replace")
    try:
        plain = text.decode()
    except UnicodeDecodeError as error:
        raise TemplateKilledError("its process answers with no UTF-8") from error
    if len(mask) != len(plain) or mask.strip(b"\0\1"):
        raise TemplateKilledError("its process does not say which characters are its own")
    return OwnText(plain, mask)
