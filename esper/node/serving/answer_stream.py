"""Tokens of one answer on their way from the engine to whoever asked."""

import trio

from esper.gateway.engine_port import EngineError, Made


class AnswerStream:
    """An iterator over tokens, some at a time, the first alone. For one reader.

    It holds an answer at most: a slow reader costs nobody anything.
    """

    def __init__(self) -> None:
        self._made: list[Made] = []
        self._begun = False
        self._ended = False
        self._failed = ""
        self._news = trio.Event()

    def add(self, made: Made, *, ended: bool) -> None:
        """A token has come; whether it is the last."""
        self._made.append(made)
        self._ended |= ended
        self._news.set()

    def fail(self, reason: str) -> None:
        """Nothing more comes, and nothing of what came counts."""
        self._failed = reason
        self._news.set()

    def __aiter__(self) -> "AnswerStream":
        """Itself."""
        return self

    async def __anext__(self) -> list[Made]:
        """The next tokens. Raises EngineError."""
        await trio.lowlevel.checkpoint()
        while True:
            if self._failed:
                raise EngineError(self._failed)
            if self._made:
                count = len(self._made) if self._begun else 1
                found, self._made = self._made[:count], self._made[count:]
                self._begun = True
                return found
            if self._ended:
                raise StopAsyncIteration
            await self._news.wait()
            self._news = trio.Event()
