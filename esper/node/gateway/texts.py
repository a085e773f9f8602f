"""Texts of a node's models for the gateway's service."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import trio

from esper.gateway.ports import AnswerTextPort, ChatPrompt, TextRefusedError
from esper.gateway.requests.asked import Message
from esper.model.errors import InvalidFieldError
from esper.node.calls.text_service import ChatMessage, ModelText, NoTextError, TextService
from esper.primitives.ids import ModelId

T = TypeVar("T")

AT_ONCE = 4
"""Texts that are read at once: more would only take turns on the same processors."""


class NodeText:
    """A ``TextPort``."""

    def __init__(self, text: ModelText, limiter: trio.CapacityLimiter) -> None:
        self._text = text
        self._limiter = limiter

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        return self._text.ends

    async def of_text(self, text: str) -> Sequence[int]:
        """Input of the model for a text as it is. Raises TextRefusedError."""
        return await self._read(partial(self._text.of_text, text))

    async def of_messages(self, messages: Sequence[Message]) -> ChatPrompt:
        """Input of the model by its template. Raises TextRefusedError and MachineError."""
        chat = [ChatMessage(one.role, one.content) for one in messages]
        found = await self._read(partial(self._text.of_chat, chat))
        return ChatPrompt(found.tokens, found.public)

    def answer(self, prompt: Sequence[int], stops: Sequence[str]) -> AnswerTextPort:
        """Begin the text of an answer to a prompt."""
        return self._text.answer(prompt, stops)

    def token_bytes(self, token: int) -> bytes:
        """What a token writes."""
        return self._text.token_bytes(token)

    async def _read(self, work: Callable[[], T]) -> T:
        try:
            return await trio.to_thread.run_sync(work, limiter=self._limiter)
        except InvalidFieldError as error:
            raise TextRefusedError(f"messages: {error}") from error
        except NoTextError as error:
            raise TextRefusedError(str(error)) from error


class NodeTexts:
    """A ``TextsPort``."""

    def __init__(self, texts: TextService) -> None:
        self._texts = texts
        self._limiter = trio.CapacityLimiter(AT_ONCE)

    def of(self, model_id: bytes) -> NodeText | None:
        """The text of a model, None if its tokenizer is not here."""
        named = ModelId(model_id)
        if not self._texts.knows(named):
            return None
        return NodeText(self._texts.of(named), self._limiter)
