"""Tokens that gather before their reader is woken."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from esper.gateway.engine_port import EngineError, Made
from esper.node.serving.answer_stream import AnswerStream

GATHER_S = 0.1


def made(*tokens: int) -> list[Made]:
    return [Made(token, 10 * token) for token in tokens]


class Reader:
    """Reads a stream and notes what came when, in seconds from its begin."""

    def __init__(self, gather_s: float) -> None:
        self.stream = AnswerStream(gather_s)
        self.heard: list[tuple[float, list[int]]] = []
        self.failed = ""

    async def run(self) -> None:
        began = trio.current_time()
        try:
            async for batch in self.stream:
                since = round(trio.current_time() - began, 6)
                self.heard.append((since, [one.token for one in batch]))
        except EngineError as error:
            self.failed = str(error)


def go(gather_s: float, say: Callable[[AnswerStream], Awaitable[None]]) -> Reader:
    async def main() -> Reader:
        reader = Reader(gather_s)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.run)
            await trio.testing.wait_all_tasks_blocked()
            await say(reader.stream)
        return reader

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.01))


async def frames(stream: AnswerStream) -> None:
    """A token every 20 ms, nine of them."""
    for token in range(9):
        stream.add(made(token), ended=token == 8)
        await trio.sleep(0.02)


def test_tokens_gather_behind_the_first_and_the_end_is_at_once() -> None:
    reader = go(GATHER_S, frames)
    # Two tokens fall together with the end of the time, on either side of it.
    (begun, first), (later, some), (ended, rest) = reader.heard
    assert (begun, first) == (0, [0])
    assert later == pytest.approx(0.1)
    assert [*some, *rest] == [*range(1, 9)]
    assert len(some) in (4, 5)
    # The end does not wait for its turn at 200 ms.
    assert ended == pytest.approx(0.16)


def test_nothing_gathers_where_nobody_asked_for_it() -> None:
    assert [batch for _, batch in go(0, frames).heard] == [[token] for token in range(9)]


def test_the_first_is_alone_however_many_have_come() -> None:
    async def say(stream: AnswerStream) -> None:
        stream.add(made(1, 2, 3), ended=False)
        await trio.sleep(1)
        stream.add(made(4), ended=True)

    heard = go(GATHER_S, say).heard
    assert [batch for _, batch in heard] == [[1], [2, 3], [4]]
    assert [since for since, _ in heard] == pytest.approx([0, 0.1, 1])


def test_a_fault_is_told_at_once_and_what_gathered_does_not_count() -> None:
    async def say(stream: AnswerStream) -> None:
        stream.add(made(1, 2), ended=False)
        await trio.sleep(0.02)
        stream.fail("it died")

    reader = go(3600, say)
    assert reader.heard == [(0, [1])]
    assert reader.failed == "it died"


def test_it_knows_whether_the_engine_has_ended_it() -> None:
    async def main() -> None:
        stream = AnswerStream()
        stream.add(made(1), ended=False)
        assert not stream.is_over
        stream.add(made(2), ended=True)
        assert stream.is_over

    trio.run(main)
