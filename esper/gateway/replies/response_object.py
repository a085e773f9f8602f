"""The object of a response, in each of its states."""

from typing import Any

from esper.gateway.refusals import Refused
from esper.gateway.replies.parts import (
    Finish,
    Head,
    Note,
    Piece,
    TokenLogprob,
    Usage,
    logprob_objects,
    with_note,
)
from esper.gateway.requests.asked import Request


def item_id(head: Head) -> str:
    """Of its one message."""
    return f"msg_{head.id}"


def end_status(finish: Finish) -> str:
    """How a whole answer's response and message end."""
    return "incomplete" if finish is Finish.LENGTH else "completed"


def text_part(request: Request, piece: Piece) -> dict[str, Any]:
    """The message's one part."""
    return {
        "type": "output_text",
        "text": piece.text,
        "annotations": [],
        "logprobs": part_logprobs(request, piece.logprobs),
    }


def part_logprobs(request: Request, tokens: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    """Empty where none were asked."""
    return [] if request.top_logprobs is None else logprob_objects(tokens)


def message_item(head: Head, status: str, content: list[dict[str, Any]]) -> dict[str, Any]:
    """The one item of a response's output."""
    return {
        "id": item_id(head),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


def response_object(
    request: Request,
    head: Head,
    status: str,
    output: list[dict[str, Any]],
    *,
    usage: Usage | None = None,
    note: Note | None = None,
    refused: Refused | None = None,
) -> dict[str, Any]:
    """All fields that clients know; texts of the request are not told back."""
    found = {
        "id": f"resp_{head.id}",
        "object": "response",
        "created_at": head.created,
        "status": status,
        "background": False,
        "error": None if refused is None else _error(refused),
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": request.max_tokens or None,
        "metadata": {},
        "model": head.model,
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1,
        "truncation": "disabled",
        "usage": None if usage is None else _usage(usage),
        "user": None,
    }
    return with_note(found, note)


def _error(refused: Refused) -> dict[str, str]:
    known = refused.code in ("server_error", "rate_limit_exceeded")
    return {"code": refused.code if known else "server_error", "message": refused.message}


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": usage.answer,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total,
    }
