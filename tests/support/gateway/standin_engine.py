"""An engine and a tokenizer without a model: a token is a byte, and the answer is given."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import trio

from esper.gateway.engine_port import EngineError, EngineModel, Job, Made
from esper.gateway.ports import ChatPrompt, TextPort, TextRefusedError
from esper.gateway.replies.characters import Characters
from esper.gateway.requests.asked import Message
from esper.model.answers.stop_texts import StopTexts

BOS = 256
EOS = 257
MODEL_ID = b"m" * 64
MODEL = EngineModel(
    model_id=MODEL_ID, tier=0, rows=256, vocabulary=258, eos=EOS, logit_scale=0.5, slots=64
)
ANSWER = " was a little boy named Tim. He loved to play"
REFUSED_TEXT = "\x01"
"""What the stand-in's tokenizer takes for no text."""


class StandinAnswer:
    """``AnswerTextPort`` on bytes."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._characters = Characters()
        self._stops = StopTexts(stops)
        self._tokens: list[int] = []
        self._ended = False

    @property
    def tokens(self) -> tuple[int, ...]:
        return tuple(self._tokens)

    @property
    def stop(self) -> str | None:
        return self._stops.found

    def add(self, token: int) -> str:
        if self._ended:
            return ""
        self._tokens.append(token)
        shown = self._stops.add(self._characters.add(_bytes(token)))
        self._ended = self.stop is not None
        return shown

    def add_all(self, tokens: Sequence[int]) -> str:
        return "".join(map(self.add, tokens))

    def end(self) -> str:
        if self._ended:
            return ""
        self._ended = True
        shown = self._stops.add(self._characters.end())
        return shown + ("" if self.stop is not None else self._stops.end())


@dataclass
class StandinText:
    """``TextPort`` on bytes; messages are their contents, and BOS the template's part."""

    ends: frozenset[int] = frozenset({EOS})

    async def of_text(self, text: str) -> Sequence[int]:
        if REFUSED_TEXT in text:
            raise TextRefusedError("it has a character without tokens")
        return [BOS, *text.encode("utf-8", "surrogatepass")]

    async def of_messages(self, messages: Sequence[Message]) -> ChatPrompt:
        return ChatPrompt(await self.of_text("".join(one.content for one in messages)), 1)

    def answer(self, prompt: Sequence[int], stops: Sequence[str]) -> StandinAnswer:
        return StandinAnswer(stops)

    def token_bytes(self, token: int) -> bytes:
        return _bytes(token)


class StandinTexts:
    """``TextsPort`` of one text."""

    def of(self, model_id: bytes) -> TextPort | None:
        return StandinText() if model_id == MODEL_ID else None


@dataclass
class StandinEngine:
    """``EnginePort``: gives ``answer``, the first token alone, then some at a time.

    ``gate``: what an answer passes before its token ``held_at``; ``fails_at``: the token at which
    it ends with a fault.
    """

    answer_bytes: bytes = ANSWER.encode()
    models: Sequence[EngineModel] = (MODEL,)
    batch: int = 4
    held_at: int = 0
    gate: trio.Event | None = None
    fails_at: int | None = None
    jobs: list[Job] = field(default_factory=list)
    running: int = 0
    most_running: int = 0
    left_early: int = 0
    token_s: float = 0.0

    def with_slots(self, slots: int) -> None:
        self.models = (replace(MODEL, slots=slots),)

    @asynccontextmanager
    async def answer(self, job: Job) -> AsyncIterator[AsyncIterator[list[Made]]]:
        self.jobs.append(job)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        ended = [False]
        tokens = self._tokens(job, ended)
        try:
            yield tokens
        finally:
            with trio.CancelScope(shield=True):
                await tokens.aclose()
            self.running -= 1
            self.left_early += not ended[0]

    async def _tokens(self, job: Job, ended: list[bool]) -> AsyncGenerator[list[Made], None]:
        tokens = [*self.answer_bytes, EOS][: job.max_tokens]
        at, size = 0, 1
        while at < len(tokens):
            if self.gate is not None and at + size > self.held_at:
                await self.gate.wait()
            await trio.sleep(self.token_s)
            if self.fails_at is not None and at + size > self.fails_at:
                raise EngineError("the engine died")
            yield [made(token, job.top) for token in tokens[at : at + size]]
            at, size = at + size, self.batch
        ended[0] = True


def made(token: int, top: int) -> Made:
    """A token with its own id as its logit, likelier than the one below it by a unit."""
    others = tuple((one, one) for one in range(token, max(token - top, -1), -1))
    return Made(token, token, others, math.log(2) + token * MODEL.logit_scale if top else 0.0)


def _bytes(token: int) -> bytes:
    return bytes([token]) if token < 256 else b""
