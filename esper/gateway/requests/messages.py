"""Messages of a conversation, in the forms of chat completions, responses and Ollama."""

from dataclasses import dataclass
from typing import Any, Final

from esper.gateway.requests.asked import Message
from esper.gateway.requests.rules import (
    Table,
    a_text,
    an_object,
    invalid,
    nothing,
    one_of,
    refused,
    unsupported,
    walk,
)

MAX_MESSAGES: Final = 256
ROLES: Final = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
"""Role as sent, and as templates know it."""
TEXT_PARTS: Final = ("text", "input_text", "output_text")

_NO_TOOLS: Final = "the model's template knows no tools; leave it out"
_TEXT_ALONE: Final = "models here read text alone; leave it out"


@dataclass(slots=True)
class _Part:
    kind: str = ""
    text: str | None = None


@dataclass(slots=True)
class _Turn:
    role: str = ""
    content: str | None = None


def _kind(part: _Part, where: str, value: Any) -> None:
    part.kind = a_text(where, value)
    if part.kind not in TEXT_PARTS:
        raise unsupported(where, "must be text: models here read nothing else")


def _part_text(part: _Part, where: str, value: Any) -> None:
    part.text = a_text(where, value)


_PART: Final[Table[_Part]] = {
    "type": _kind,
    "text": _part_text,
    # Clients send back what they were given.
    "annotations": refused(_TEXT_ALONE),
    "logprobs": nothing,
}


def read_content(where: str, value: Any) -> str:
    """Text, or the texts of a list of text parts without anything between. Raises Refused."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise invalid(where, "must be a string or a list of text parts")
    texts = []
    for at, one in enumerate(value):
        path = f"{where}[{at}]"
        # The kind first: of a picture it is to be said that it is one, not what its fields are.
        parts, part = an_object(path, one), _Part()
        if parts.get("type") is not None:
            _kind(part, f"{path}.type", parts["type"])
        walk(parts, path, _PART, part)
        if not part.kind:
            raise invalid(f"{path}.type", "is missing")
        if part.text is None:
            raise invalid(f"{path}.text", "is missing")
        texts.append(part.text)
    return "".join(texts)


def _role(turn: _Turn, where: str, value: Any) -> None:
    known = ROLES.get(a_text(where, value))
    if known is None:
        raise unsupported(where, f"must be one of {', '.join(ROLES)}")
    turn.role = known


def _content(turn: _Turn, where: str, value: Any) -> None:
    turn.content = read_content(where, value)


_MESSAGE: Final[Table[_Turn]] = {
    "role": _role,
    "content": _content,
    "name": refused("templates know roles, not names; leave it out"),
    "images": refused(_TEXT_ALONE),
    "audio": refused(_TEXT_ALONE),
    "tool_calls": refused(_NO_TOOLS),
    "tool_call_id": refused(_NO_TOOLS),
    "tool_name": refused(_NO_TOOLS),
    "function_call": refused(_NO_TOOLS),
    "refusal": refused("a refusal is no text; send it as content"),
    "annotations": refused(_TEXT_ALONE),
    "thinking": refused("models here do not reason apart; leave it out"),
}
_ITEM: Final[Table[_Turn]] = {
    **_MESSAGE,
    # Outputs of earlier responses, sent back as input.
    "type": one_of(("message",), "other items are not served"),
    "id": nothing,
    "status": nothing,
    "phase": nothing,
}


def read_messages(where: str, value: Any, *, items: bool = False) -> list[Message]:
    """The messages of a list, 1 to ``MAX_MESSAGES``. Raises Refused.

    ``items``: of responses, which also have a type and what outputs bring back.
    """
    if not isinstance(value, list):
        raise invalid(where, "must be a list of messages")
    if not 1 <= len(value) <= MAX_MESSAGES:
        raise invalid(where, f"has {len(value)} messages, must have 1 to {MAX_MESSAGES}")
    return [_read_message(f"{where}[{at}]", one, items) for at, one in enumerate(value)]


def _read_message(where: str, value: Any, items: bool) -> Message:
    found, turn = an_object(where, value), _Turn()
    if items and found.get("type") is not None:
        _ITEM["type"](turn, f"{where}.type", found["type"])
    walk(found, where, _ITEM if items else _MESSAGE, turn)
    if not turn.role:
        raise invalid(f"{where}.role", "is missing")
    if turn.content is None:
        raise invalid(f"{where}.content", "is missing")
    return Message(turn.role, turn.content)
