"""What a serving process is told of a job."""

from typing import Any

import trio

from esper.gateway.engine_port import EngineModel, Job
from esper.node.serving.model_line import ModelLine
from esper.node.workers.serve_messages import Answer, Forget, Tokens

MODEL = EngineModel(
    model_id=bytes(64), tier=0, rows=64, vocabulary=100, eos=2, logit_scale=0.5, slots=2
)


class Silent:
    """A process that gives every answer one token."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._send, self._receive = trio.open_memory_channel[Any](9)

    async def send(self, message: object) -> None:
        self.heard.append(message)
        if isinstance(message, Answer):
            await self._send.send(Tokens(((message.number, 7, 70, (), 0.0, True),)))

    async def receive(self) -> object:
        return await self._receive.receive()


def test_all_of_a_job_is_told() -> None:
    async def main() -> None:
        worker = Silent()
        line = ModelLine(worker, MODEL)  # type: ignore[arg-type]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(line.run)
            with trio.fail_after(60):
                async with line.answer(Job(MODEL.model_id, (1, 2, 3), 9, 4, "ours", 2)) as tokens:
                    assert len([batch async for batch in tokens]) == 1
                while len(worker.heard) < 2:
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert worker.heard == [Answer(1, (1, 2, 3), 9, 4, "ours", 2), Forget(1)]

    trio.run(main)
