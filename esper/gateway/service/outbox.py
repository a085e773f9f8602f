"""What was made of an answer and is not sent yet."""

import trio

from esper.gateway.replies.parts import Piece, TokenLogprob


class Outbox:
    """Pieces go in as they are made, and come out together."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._logprobs: list[TokenLogprob] = []
        self._before: int | None = None
        self.is_whole = False
        """Whether all of the answer is here or was taken: its end comes soon."""
        self._changed = trio.Event()
        self.closed = trio.Event()
        """Set once nothing more comes."""

    def put(self, piece: Piece, *, is_last: bool = False) -> None:
        """A further run of the answer; whether it is the last."""
        self.is_whole |= is_last
        if piece.text or piece.logprobs:
            self._texts.append(piece.text)
            self._logprobs.extend(piece.logprobs)
            self._changed.set()

    def waits(self, before: int) -> None:
        """It waits for its turn behind so many."""
        self._before = before
        self._changed.set()

    def close(self) -> None:
        """Nothing more comes."""
        self.closed.set()
        self._changed.set()

    async def wait(self) -> None:
        """Until there is something, or the end."""
        await self._changed.wait()

    def take(self) -> Piece:
        """All that was made since the last time."""
        piece = Piece("".join(self._texts), tuple(self._logprobs))
        self._texts.clear()
        self._logprobs.clear()
        if not self.closed.is_set():
            self._changed = trio.Event()
        return piece

    def take_before(self) -> int | None:
        """How many stand before it, if that is to be told."""
        before, self._before = self._before, None
        return before
