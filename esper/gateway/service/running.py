"""A call from its place in the queue to its promise.

```
waiting --wait_s-- 429
   | slot
running --error-- 500: nothing signed or charged
   | end, stop             | cancelled after a ≥ 1 tokens
promise, row, charge in ONE commit, whoever is still there to hear of it
```
"""

from collections.abc import Callable
from dataclasses import dataclass

import trio

from esper.gateway.counts import GatewayCounts
from esper.gateway.engine_port import EngineError, EnginePort, Job
from esper.gateway.refusals import Refused, jittered
from esper.gateway.replies.parts import Durations, Ending, Usage
from esper.gateway.requests.asked import Request
from esper.gateway.service.admission import FULL_MS, Admission
from esper.gateway.service.books.calls import Books, Call
from esper.gateway.service.clock import Clock
from esper.gateway.service.incidents import note_incident
from esper.gateway.service.outbox import Outbox
from esper.gateway.service.progress import AnswerProgress
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.service.waiting.joining import CallsAtWork


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs calls that were let in."""

    books: Books
    engine: EnginePort
    admission: Admission
    settings: ServiceSettings
    counts: GatewayCounts
    clock: Clock
    at_work: CallsAtWork
    incident: Callable[[BaseException], str] = note_incident
    """Notes a fault in the log; the word under which it stands there."""

    async def run(self, call: Call, out: Outbox) -> tuple[AnswerProgress, Ending]:
        """The answer and its end, signed and charged. Pieces go to ``out`` as they come.

        Whatever happens, slot, tokens and reservation are given back. Raises Refused.
        """
        try:
            progress = AnswerProgress(call.request, call.model, call.text, call.prompt, call.most)
        except BaseException:
            await self.give_up(call)
            raise
        kept = False
        try:
            await self._slot(call, out)
            ending = await self._answer(call, progress, out)
            self.admission.leave(call, _used(call, progress))
            # From here on the client's end changes nothing: what was made is signed and charged.
            with trio.CancelScope(shield=True):
                ending = await self.books.settle(call, progress, ending)
            kept = True
        except trio.Cancelled:
            if progress.tokens:
                self.admission.leave(call, _used(call, progress))
                kept = await self._keep_part(call, progress)
            raise
        finally:
            self.admission.leave(call, 0)
            if not kept:
                await self.give_up(call)
            self.at_work.end(call.id)
        self.counts.prompt_tokens += len(call.prompt)
        self.counts.answer_tokens += len(progress.tokens)
        return progress, ending

    async def give_up(self, call: Call) -> None:
        """Give everything back: it was not answered."""
        self.admission.leave(call, 0)
        try:
            with trio.CancelScope(shield=True):
                await self.books.forget(call.id)
        finally:
            self.at_work.end(call.id)

    async def _keep_part(self, call: Call, progress: AnswerProgress) -> bool:
        """Whether it was signed and charged."""
        with trio.CancelScope(shield=True), trio.move_on_after(self.settings.settle_s):
            try:
                await self.books.settle_part(call, progress)
            except Exception as error:  # nobody is there to be told
                self.incident(error)
                return False
            self.counts.prompt_tokens += len(call.prompt)
            self.counts.answer_tokens += len(progress.tokens)
            return True
        return False

    async def _slot(self, call: Call, out: Outbox) -> None:
        """Wait for a slot. Raises Refused."""
        ticket = call.ticket
        with trio.move_on_after(self.settings.wait_s):
            while not ticket.called.is_set():
                with trio.move_on_after(self.settings.told_every_s):
                    await ticket.called.wait()
                if not ticket.called.is_set():
                    out.waits(self.admission.desk.before(ticket))
        if not ticket.called.is_set():
            raise Refused(
                "engine_overloaded",
                f"no slot came free within {self.settings.wait_s:g} s: try again",
                retry_ms=jittered(FULL_MS, self.clock.chance()),
            )
        self.counts.queue.add(self._since_s(call))

    async def _answer(self, call: Call, progress: AnswerProgress, out: Outbox) -> Ending:
        """All tokens, to the end or a stop. Raises Refused if the engine fails."""
        top = call.request.top_logprobs
        job = Job(
            call.model.model_id,
            call.prompt,
            call.most,
            # A logarithm needs the sum, which the engine tells with others alone.
            top=0 if top is None else max(top, 1),
            group=call.account.id,
            public=call.public,
            gather_s=self._gather_s(call.request),
        )
        start_ns = first_ns = self.clock.now_ns()
        begun = False
        try:
            async with self.engine.answer(job) as batches:
                async for batch in batches:
                    if not begun:
                        begun, first_ns = True, self.clock.now_ns()
                        self.counts.first_token.add(self._since_s(call))
                    piece = progress.take(batch)
                    out.put(piece, is_last=progress.finish is not None)
                    if progress.finish is not None:
                        break
        except EngineError as error:
            raise self._failed(error) from None
        if progress.finish is None:
            raise self._failed(EngineError("the answer ended before its end"))
        now_ns = self.clock.now_ns()
        return Ending(
            progress.finish,
            Usage(len(call.prompt), len(progress.tokens)),
            durations=Durations(
                total=now_ns - call.begun_ns,
                prompt=first_ns - start_ns,
                answer=now_ns - first_ns,
            ),
        )

    def _gather_s(self, request: Request) -> float:
        if request.stop:
            # What is found late is computed for nobody.
            return 0.0
        pause_s = self.settings.pause_s(self.counts.streams)
        return pause_s if request.stream else max(pause_s, self.settings.whole_every_s)

    def _failed(self, error: BaseException) -> Refused:
        return server_error(self.incident(error))

    def _since_s(self, call: Call) -> float:
        return (self.clock.now_ns() - call.begun_ns) / 1e9


def server_error(incident: str) -> Refused:
    """What a client is told of a fault of the node's."""
    return Refused(
        "server_error",
        f"the node failed; its log says why under incident {incident}",
        incident=incident,
    )


def _used(call: Call, progress: AnswerProgress) -> int:
    return len(call.prompt) + len(progress.tokens)
