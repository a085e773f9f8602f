"""Ollama's chat and generate: an object, or objects a line each."""

from datetime import UTC, datetime
from typing import Any

from esper.gateway.one_line import one_line
from esper.gateway.refusals import Refused, ollama_error
from esper.gateway.replies.parts import (
    Ending,
    Head,
    Piece,
    logprob_objects,
    with_note,
)
from esper.gateway.replies.stream import StreamOrder
from esper.gateway.requests.asked import Endpoint, Request


def ollama_reply(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The whole reply as one JSON object; ``piece`` is all of the answer."""
    return one_line(_last(request, head, piece, ending))


class OllamaStream:
    """Lines of JSON, the last with ``done``."""

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._head = head
        self._order = StreamOrder()

    def begin(self) -> bytes:
        """Nothing yet."""
        self._order.begins()
        return b""

    def piece(self, piece: Piece) -> bytes:
        """A run of text."""
        self._order.goes_on()
        if not piece.text and not piece.logprobs:
            return b""
        return one_line({**_text(self._request, self._head, piece), "done": False}) + b"\n"

    def finish(self, ending: Ending) -> bytes:
        """The last line: why it ended, what it took."""
        self._order.ends()
        last = _last(self._request, self._head, Piece(""), ending)
        return one_line(last) + b"\n"

    def fail(self, refused: Refused) -> bytes:
        """A line with the error instead of the last one: clients raise on it."""
        self._order.ends()
        return ollama_error(refused) + b"\n"


def _text(request: Request, head: Head, piece: Piece) -> dict[str, Any]:
    made = datetime.fromtimestamp(head.created, UTC).isoformat().replace("+00:00", "Z")
    found: dict[str, Any] = {"model": head.model, "created_at": made}
    if request.endpoint is Endpoint.OLLAMA_CHAT:
        found["message"] = {"role": "assistant", "content": piece.text}
    else:
        found["response"] = piece.text
    if request.top_logprobs is not None and piece.logprobs:
        found["logprobs"] = logprob_objects(piece.logprobs)
    return found


def _last(request: Request, head: Head, piece: Piece, ending: Ending) -> dict[str, Any]:
    found = {
        **_text(request, head, piece),
        "done": True,
        "done_reason": ending.finish.value,
        "total_duration": ending.durations.total,
        "load_duration": ending.durations.load,
        "prompt_eval_count": ending.usage.prompt,
        "prompt_eval_duration": ending.durations.prompt,
        "eval_count": ending.usage.answer,
        "eval_duration": ending.durations.answer,
    }
    return with_note(found, ending.note)
