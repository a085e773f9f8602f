"""What a serving process is told of a job, and how its frames become tokens."""

from collections.abc import Awaitable, Callable
from typing import Any

import trio
import trio.testing

from esper.gateway.engine_port import EngineModel, Job, Made
from esper.node.serving.model_line import ModelLine
from esper.node.workers.serve_messages import Answer, Forget, Likely, Run, Tokens

MODEL = EngineModel(
    model_id=bytes(64), tier=0, rows=64, vocabulary=100, eos=2, logit_scale=0.5, slots=2
)


class Silent:
    """A process that says what a test lets it say; each write is a list."""

    def __init__(self) -> None:
        self.heard: list[list[Any]] = []
        self.says, self._receive = trio.open_memory_channel[Any](9)

    async def send(self, *messages: object) -> None:
        self.heard.append([*messages])

    async def receive(self) -> object:
        return await self._receive.receive()


def go(main: Callable[[Silent, ModelLine], Awaitable[None]]) -> list[list[Any]]:
    """What the process heard."""

    async def bounded() -> list[list[Any]]:
        worker = Silent()
        line = ModelLine(worker, MODEL)  # type: ignore[arg-type]
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(line.run)
                await main(worker, line)
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        return worker.heard

    return trio.run(bounded)


def test_all_of_a_job_is_told_and_its_end_is_known() -> None:
    async def main(worker: Silent, line: ModelLine) -> None:
        async with line.answer(Job(MODEL.model_id, (1, 2, 3), 9, 4, "ours", 2)) as tokens:
            await worker.says.send(Tokens(((1, [7], [70], [], True),)))
            assert [batch async for batch in tokens] == [[Made(7, 70)]]

    # The process needs not be told to forget what it has ended itself.
    assert go(main) == [[Answer(1, (1, 2, 3), 9, 4, "ours", 2)]]


def test_who_leaves_early_is_forgotten_before_the_next_is_asked() -> None:
    async def main(worker: Silent, line: ModelLine) -> None:
        async with line.answer(Job(MODEL.model_id, (1,), 9)) as tokens:
            await trio.testing.wait_all_tasks_blocked()
            await worker.says.send(Tokens(((1, [7], [70], [], False),)))
            assert await anext(tokens) == [Made(7, 70)]
        async with line.answer(Job(MODEL.model_id, (2,), 9)):
            await trio.testing.wait_all_tasks_blocked()

    heard = [one for write in go(main) for one in write]
    first, second = Answer(1, (1,), 9, 0, "", 0), Answer(2, (2,), 9, 0, "", 0)
    assert heard == [first, Forget(1), second, Forget(2)]


def test_what_waits_together_leaves_in_one_write() -> None:
    async def main(worker: Silent, line: ModelLine) -> None:
        line._send(Forget(1))
        line._send(Forget(2))

    assert go(main) == [[Forget(1), Forget(2)]]


def test_a_frame_has_many_answers_and_those_given_up_are_passed_over() -> None:
    async def main(worker: Silent, line: ModelLine) -> None:
        job = Job(MODEL.model_id, (1,), 9, 1)
        async with line.answer(job) as one, line.answer(job) as two:
            likely: list[Likely] = [(((7, 70),), 1.5), (((8, 80),), 2.5)]
            runs: tuple[Run, ...] = (
                (1, [7, 8], [70, 80], likely, True),
                (2, [9], [90], [], False),
            )
            await worker.says.send(Tokens(((3, [1], [10], [], False), *runs)))
            assert [batch async for batch in one] == [
                [Made(7, 70, ((7, 70),), 1.5)],
                [Made(8, 80, ((8, 80),), 2.5)],
            ]
            assert await anext(two) == [Made(9, 90)]

    go(main)
