"""A reply in one piece: what is kept for a repeat of its request, streamed or not."""

from esper.gateway.replies.forms import reply_stream, whole_reply
from esper.gateway.replies.parts import Ending, Head, Piece
from esper.gateway.requests.asked import Request


def reply_bytes(request: Request, head: Head, piece: Piece, ending: Ending) -> bytes:
    """The body of the reply; a stream has its text in one event."""
    if not request.stream:
        return whole_reply(request, head, piece, ending)
    stream = reply_stream(request, head)
    return stream.begin() + stream.piece(piece) + stream.finish(ending)
