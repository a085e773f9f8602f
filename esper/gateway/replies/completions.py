"""Completions of text: an object, or chunks of the same kind that end in ``[DONE]``."""

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
    usage_object,
    with_note,
)
from esper.gateway.replies.stream import StreamOrder
from esper.gateway.requests.asked import Request


def completion(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The whole reply as one JSON object; ``piece`` is all of the answer."""
    choice = _choice(request, piece, 0, ending.finish)
    return one_line(
        with_note(
            {**_common(head), "choices": [choice], "usage": usage_object(ending.usage)}, ending.note
        )
    )


class CompletionStream:
    """Chunks: runs of text, then an empty one with the reason of the end."""

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._head = head
        self._offset = 0
        self._order = StreamOrder()

    def begin(self) -> bytes:
        """Nothing yet: the form has no role to tell."""
        self._order.begins()
        return b""

    def piece(self, piece: Piece) -> bytes:
        """A run of text."""
        self._order.goes_on()
        if not piece.text and not piece.logprobs:
            return b""
        found = self._chunk(_choice(self._request, piece, self._offset, None), None)
        self._offset += len(piece.text)
        return found

    def finish(self, ending: Ending) -> bytes:
        """The reason, the note, the tokens used where they are asked for, and ``[DONE]``."""
        self._order.ends()
        choice = _choice(self._request, Piece(""), self._offset, ending.finish)
        choice["logprobs"] = None
        found = self._chunk(choice, ending.note)
        if self._request.include_usage:
            found += event(
                {**_common(self._head), "choices": [], "usage": usage_object(ending.usage)}
            )
        return found + DONE

    def fail(self, refused: Refused) -> bytes:
        """An error without ``[DONE]``: SDKs raise on it, a mere end goes unnoticed."""
        self._order.ends()
        return event({"error": error_object(refused)})

    def _chunk(self, choice: dict[str, Any], note: Note | None) -> bytes:
        found = {**_common(self._head), "choices": [choice]}
        if self._request.include_usage:
            found["usage"] = None
        return event(with_note(found, note), pad=self._request.obfuscate)


def _common(head: Head) -> dict[str, Any]:
    return {
        "id": f"cmpl-{head.id}",
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
    }


def _choice(request: Request, piece: Piece, offset: int, finish: Finish | None) -> dict[str, Any]:
    return {
        "index": 0,
        "text": piece.text,
        "logprobs": _logprobs(request, piece.logprobs, offset),
        "finish_reason": None if finish is None else finish.value,
    }


def _logprobs(
    request: Request, tokens: tuple[TokenLogprob, ...], offset: int
) -> dict[str, Any] | None:
    """Lists side by side; ``offset``: characters of the answer before the first token."""
    if request.top_logprobs is None:
        return None
    offsets = []
    for one in tokens:
        offsets.append(offset)
        offset += len(one.chosen.token)
    return {
        "tokens": [one.chosen.token for one in tokens],
        "token_logprobs": [one.chosen.shown for one in tokens],
        "top_logprobs": [{top.token: top.shown for top in one.top} for one in tokens],
        "text_offset": offsets,
    }
