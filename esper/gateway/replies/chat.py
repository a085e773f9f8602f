"""Chat completions: an object, or chunks that end in ``[DONE]``."""

from typing import Any

from esper.gateway.one_line import one_line
from esper.gateway.refusals import Refused, error_object
from esper.gateway.replies.events import DONE, event
from esper.gateway.replies.parts import (
    Ending,
    Finish,
    Head,
    Note,
    Piece,
    TokenLogprob,
    logprob_objects,
    usage_object,
    with_note,
)
from esper.gateway.replies.stream import StreamOrder
from esper.gateway.requests.asked import Request


def chat_id(head: Head) -> str:
    """The reply's id as clients see it."""
    return f"chatcmpl-{head.id}"


def chat_completion(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The whole reply as one JSON object; ``piece`` is all of the answer."""
    found = {
        "id": chat_id(head),
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": piece.text, "refusal": None},
                "logprobs": _logprobs(request, piece.logprobs),
                "finish_reason": ending.finish.value,
            }
        ],
        "usage": usage_object(ending.usage),
        "service_tier": "default",
    }
    return one_line(with_note(found, ending.note))


class ChatStream:
    """Chunks: the role at admission, runs of text, an empty one with the reason of the end."""

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._head = head
        self._order = StreamOrder()

    def begin(self) -> bytes:
        """The role, before any text."""
        self._order.begins()
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, piece: Piece) -> bytes:
        """A run of text."""
        self._order.goes_on()
        if not piece.text and not piece.logprobs:
            return b""
        return self._chunk({"content": piece.text}, logprobs=piece.logprobs)

    def finish(self, ending: Ending) -> bytes:
        """The reason, the note, the tokens used where they are asked for, and ``[DONE]``."""
        self._order.ends()
        found = self._chunk({}, finish=ending.finish, note=ending.note)
        if self._request.include_usage:
            found += event({**self._common(), "choices": [], "usage": usage_object(ending.usage)})
        return found + DONE

    def fail(self, refused: Refused) -> bytes:
        """An error without ``[DONE]``: SDKs raise on it, a mere end goes unnoticed."""
        self._order.ends()
        return event({"error": error_object(refused)})

    def _common(self) -> dict[str, Any]:
        return {
            "id": chat_id(self._head),
            "object": "chat.completion.chunk",
            "created": self._head.created,
            "model": self._head.model,
        }

    def _chunk(
        self,
        delta: dict[str, str],
        *,
        logprobs: tuple[TokenLogprob, ...] = (),
        finish: Finish | None = None,
        note: Note | None = None,
    ) -> bytes:
        choice: dict[str, Any] = {"index": 0, "delta": delta}
        if logprobs:
            choice["logprobs"] = _logprobs(self._request, logprobs)
        choice["finish_reason"] = None if finish is None else finish.value
        found = {**self._common(), "choices": [choice]}
        if self._request.include_usage:
            found["usage"] = None
        return event(with_note(found, note), pad=self._request.obfuscate)


def _logprobs(request: Request, tokens: tuple[TokenLogprob, ...]) -> dict[str, Any] | None:
    if request.top_logprobs is None:
        return None
    return {"content": logprob_objects(tokens), "refusal": None}
