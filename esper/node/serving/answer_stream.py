"""Tokens of one answer on their way from the engine to whoever asked."""

from collections.abc import Sequence

import trio

from esper.gateway.engine_port import EngineError, Made


class AnswerStream:
    """An iterator over tokens, some at a time, the first alone. For one reader.

    Its reader is woken once for all that is gathered, however many frames that came in. It holds an
    answer at most: a slow reader costs nobody anything.
    """

    def __init__(self, gather_s: float = 0.0) -> None:
        """``gather_s``: as ``Job`` has it."""
        self._gather_s = gather_s
        self._due = 0.0
        self._made: list[Made] = []
        self._begun = False
        self._failed = ""
        self._news = trio.Event()
        self._over = trio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes from the engine."""
        return self._over.is_set()

    def add(self, made: Sequence[Made], *, ended: bool) -> None:
        """Tokens have come; whether they are the last."""
        self._made += made
        if ended:
            self._over.set()
        self._news.set()

    def fail(self, reason: str) -> None:
        """Nothing more comes, and nothing of what came counts."""
        self._failed = reason
        self._over.set()
        self._news.set()

    def __aiter__(self) -> "AnswerStream":
        """Itself."""
        return self

    async def __anext__(self) -> list[Made]:
        """The next tokens. Raises EngineError."""
        await trio.lowlevel.checkpoint()
        if self._begun and self._gather_s and not self.is_over:
            with trio.move_on_at(self._due):
                await self._over.wait()
        while True:
            if self._failed:
                raise EngineError(self._failed)
            if self._made:
                count = len(self._made) if self._begun else 1
                found, self._made = self._made[:count], self._made[count:]
                self._begun = True
                self._due = trio.current_time() + self._gather_s
                return found
            if self.is_over:
                raise StopAsyncIteration
            await self._news.wait()
            self._news = trio.Event()
