"""Responses: an object, or the sequence of events that its helpers need all of."""

from typing import Any

from esper.gateway.one_line import one_line
from esper.gateway.refusals import Refused, error_object
from esper.gateway.replies.events import event
from esper.gateway.replies.parts import Ending, Head, Piece, TokenLogprob
from esper.gateway.replies.response_object import (
    end_status,
    item_id,
    message_item,
    part_logprobs,
    response_object,
    text_part,
)
from esper.gateway.replies.stream import StreamOrder
from esper.gateway.requests.asked import Request


def response(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The whole reply as one JSON object; ``piece`` is all of the answer."""
    status = end_status(ending.finish)
    output = [message_item(head, status, [text_part(request, piece)])]
    return one_line(
        response_object(request, head, status, output, usage=ending.usage, note=ending.note)
    )


class ResponseStream:
    """Events, numbered from 0: the response, its message, its part, deltas, and each one's end."""

    def __init__(self, request: Request, head: Head) -> None:
        self._request = request
        self._head = head
        self._number = 0
        self._texts: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._order = StreamOrder()

    def begin(self) -> bytes:
        """The response, its message and its part, all still empty."""
        self._order.begins()
        empty = response_object(self._request, self._head, "in_progress", [])
        item = message_item(self._head, "in_progress", [])
        return b"".join(
            (
                self._event("response.created", {"response": empty}),
                self._event("response.in_progress", {"response": empty}),
                self._event("response.output_item.added", {"output_index": 0, "item": item}),
                self._event(
                    "response.content_part.added",
                    {**self._place(), "part": text_part(self._request, Piece(""))},
                ),
            )
        )

    def piece(self, piece: Piece) -> bytes:
        """A run of text."""
        self._order.goes_on()
        if not piece.text and not piece.logprobs:
            return b""
        self._texts.append(piece.text)
        self._logprobs.extend(piece.logprobs)
        return self._event(
            "response.output_text.delta",
            {
                **self._place(),
                "delta": piece.text,
                "logprobs": part_logprobs(self._request, piece.logprobs),
            },
            pad=self._request.obfuscate,
        )

    def finish(self, ending: Ending) -> bytes:
        """The ends of text, part, message and response; no ``[DONE]`` in this form."""
        self._order.ends()
        status = end_status(ending.finish)
        part = text_part(self._request, self._so_far())
        item = message_item(self._head, status, [part])
        whole = response_object(
            self._request, self._head, status, [item], usage=ending.usage, note=ending.note
        )
        return b"".join(
            (
                self._event(
                    "response.output_text.done",
                    {**self._place(), "text": part["text"], "logprobs": part["logprobs"]},
                ),
                self._event("response.content_part.done", {**self._place(), "part": part}),
                self._event("response.output_item.done", {"output_index": 0, "item": item}),
                self._event(f"response.{status}", {"response": whole}),
            )
        )

    def fail(self, refused: Refused) -> bytes:
        """The failed response, then an error: Python's SDK raises on the key ``error`` alone."""
        self._order.ends()
        item = message_item(self._head, "incomplete", [text_part(self._request, self._so_far())])
        failed = response_object(self._request, self._head, "failed", [item], refused=refused)
        error = error_object(refused)
        return self._event("response.failed", {"response": failed}) + self._event(
            "error",
            {
                "code": error["code"],
                "message": error["message"],
                "param": error["param"],
                "error": error,
            },
        )

    def _so_far(self) -> Piece:
        return Piece("".join(self._texts), tuple(self._logprobs))

    def _place(self) -> dict[str, Any]:
        return {"item_id": item_id(self._head), "output_index": 0, "content_index": 0}

    def _event(self, kind: str, data: dict[str, Any], *, pad: bool = False) -> bytes:
        found = {"type": kind, "sequence_number": self._number, **data}
        self._number += 1
        return event(found, name=kind, pad=pad)
