"""One serving process while it lives: who waits for which answer of it."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from esper.gateway.engine_port import EngineError, EngineModel, Job, Made
from esper.node.serving.answer_stream import AnswerStream
from esper.node.serving.job_check import check_job
from esper.node.workers.serve_messages import Answer, Forget, Likely, Refused, Tokens
from esper.node.workers.worker_process import WorkerError, WorkerProcess


class ModelLine:
    """Answers of a process, by number. All of it belongs to the event loop."""

    def __init__(self, worker: WorkerProcess, model: EngineModel) -> None:
        self.model = model
        """What it serves."""
        self._worker = worker
        self._slots = trio.Semaphore(model.slots, max_value=model.slots)
        self._streams: dict[int, AnswerStream] = {}
        self._last = 0
        # At most a request and its end for each slot that is or was taken since the last was sent.
        self._outbox: deque[object] = deque()
        self._news = trio.Event()
        self._ended = ""

    @property
    def running(self) -> int:
        """Answers that hold a slot."""
        return len(self._streams)

    async def run(self) -> None:
        """Carry messages until cancelled. Raises WorkerError, in groups, once the process ends."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._say)
            while True:
                self._hear(await self._worker.receive())

    def end(self, reason: str) -> None:
        """Every answer that is not read to its end fails, and so does who waits for a slot."""
        self._ended = reason
        for stream in self._streams.values():
            stream.fail(reason)

    @asynccontextmanager
    async def answer(self, job: Job) -> AsyncIterator[AnswerStream]:
        """Tokens of an answer. Raises EngineError, and JobError for what does not fit."""
        check_job(job, self.model)
        async with self._slots:
            if self._ended:
                raise EngineError(self._ended)
            self._last += 1
            number, stream = self._last, AnswerStream(job.gather_s)
            self._streams[number] = stream
            asked = Answer(number, job.prompt, job.max_tokens, job.top, job.group, job.public)
            self._send(asked)
            try:
                yield stream
            finally:
                del self._streams[number]
                # Before the slot is free: the process hears of both in this order.
                if not stream.is_over:
                    self._send(Forget(number))

    def _send(self, message: object) -> None:
        if not self._ended:
            self._outbox.append(message)
            self._news.set()

    async def _say(self) -> None:
        # Whoever asks may be cancelled at any time, but never in the middle of a frame.
        while True:
            await self._news.wait()
            self._news = trio.Event()
            messages = tuple(self._outbox)
            self._outbox.clear()
            await self._worker.send(*messages)

    def _hear(self, message: object) -> None:
        match message:
            case Tokens(runs):
                for number, tokens, logits, likely, ended in runs:
                    # Of one that was given up there may be some on the way.
                    if (stream := self._streams.get(number)) is not None:
                        stream.add(_made(tokens, logits, likely), ended=ended)
            case Refused(number, reason):
                if (stream := self._streams.get(number)) is not None:
                    stream.fail(f"the engine refuses this: {reason}")
            case _:
                raise WorkerError(f"serve worker said {type(message).__name__}")


def _made(tokens: Sequence[int], logits: Sequence[int], likely: Sequence[Likely]) -> list[Made]:
    if not likely:
        return list(map(Made, tokens, logits))
    places = zip(tokens, logits, likely, strict=True)
    return [Made(token, logit, top, logsumexp) for token, logit, (top, logsumexp) in places]
