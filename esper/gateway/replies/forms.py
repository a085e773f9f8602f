"""Which form a reply to a request has."""

from collections.abc import Callable
from typing import Final

from esper.gateway.refusals import Refused, ollama_error, openai_error
from esper.gateway.replies.chat import ChatStream, chat_completion
from esper.gateway.replies.completions import CompletionStream, completion
from esper.gateway.replies.ollama import OllamaStream, ollama_reply
from esper.gateway.replies.parts import Ending, Head, Piece
from esper.gateway.replies.responses import ResponseStream, response
from esper.gateway.replies.stream import ReplyStream
from esper.gateway.requests.asked import Endpoint, Request

JSON: Final = b"application/json"
EVENTS: Final = b"text/event-stream; charset=utf-8"
LINES: Final = b"application/x-ndjson"

_WHOLE: Final = {
    Endpoint.CHAT: chat_completion,
    Endpoint.COMPLETIONS: completion,
    Endpoint.RESPONSES: response,
}
_STREAMS: Final[dict[Endpoint, Callable[[Request, Head], ReplyStream]]] = {
    Endpoint.CHAT: ChatStream,
    Endpoint.COMPLETIONS: CompletionStream,
    Endpoint.RESPONSES: ResponseStream,
    Endpoint.OLLAMA_CHAT: OllamaStream,
    Endpoint.OLLAMA_GENERATE: OllamaStream,
}


def whole_reply(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The body of a reply that is not streamed; ``piece`` is all of the answer."""
    if request.endpoint.is_ollama:
        return ollama_reply(request, head, piece, ending)
    return _WHOLE[request.endpoint](request, head, piece, ending)


def reply_stream(request: Request, head: Head) -> ReplyStream:
    """What makes the bytes of a streamed reply."""
    return _STREAMS[request.endpoint](request, head)


def media_type(request: Request) -> bytes:
    """Of the reply."""
    if not request.stream:
        return JSON
    return LINES if request.endpoint.is_ollama else EVENTS


def refusal_body(endpoint: Endpoint, refused: Refused) -> bytes:
    """The body of a reply with the refusal's status."""
    return ollama_error(refused) if endpoint.is_ollama else openai_error(refused)
