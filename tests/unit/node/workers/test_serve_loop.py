"""The loop of a serving process: what leaves in which frame, and what is refused."""

import queue
from collections.abc import Sequence
from typing import Any

import pytest

from esper.node.workers.serve_loop import FRAME_MS, MOST_STEPS, ServeLoop
from esper.node.workers.serve_messages import Answer, Forget, Refused, Run, Tokens

BEGUN: Run = (1, [7], [70], [(((7, 70),), 1.5)], False)
"""The first token of answer 1."""


class Counting:
    """A batch that says the number of its step; each step takes so long as ``step_ms`` says."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.step_ms = 5
        self.left: dict[int, int] = {}
        self.begun: set[int] = set()
        self.wants_top = True
        self.asked_ms: list[int] = []
        self.taken: list[tuple[int, str, int]] = []

    def __len__(self) -> int:
        return len(self.left)

    def add(
        self,
        number: int,
        prompt: Sequence[int],
        max_new: int,
        top_k: int,
        group: str,
        public: int,
        /,
    ) -> int:
        if number in self.left:
            raise ValueError("already")
        self.left[number] = max_new
        self.taken.append((number, group, public))
        return 0

    def remove(self, number: int, /) -> bool:
        return self.left.pop(number, None) is not None

    def run(
        self, max_steps: int, deadline_ms: int, /
    ) -> list[tuple[int, int, int, list[tuple[int, int]], float, bool]]:
        assert max_steps == MOST_STEPS
        self.asked_ms.append(deadline_ms)
        told: list[tuple[int, int, int, list[tuple[int, int]], float, bool]] = []
        until, early = self.now_ms + deadline_ms, False
        while self.left and not early and self.now_ms < until:
            self.now_ms += self.step_ms
            for number in list(self.left):
                self.left[number] -= 1
                over = self.left[number] == 0
                early |= over or number not in self.begun
                self.begun.add(number)
                top = [(7, 70)] if self.wants_top else []
                told.append((number, 7, 70, top, 1.5, over))
                if over:
                    del self.left[number]
        return told


class World:
    """A loop with its ends."""

    def __init__(self) -> None:
        self.batch = Counting()
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.told: list[Any] = []
        self.loop = ServeLoop(
            self.batch, self.requests, self.told.append, steady_ms=lambda: self.batch.now_ms
        )

    def ask(self, number: int, max_tokens: int = 100) -> None:
        self.requests.put(Answer(number, (1,), max_tokens, 1, ""))

    def sizes(self) -> list[int]:
        """Tokens of each frame."""
        return [sum(len(run[1]) for run in one.runs) for one in self.told]


def test_the_first_token_leaves_alone_and_the_next_together() -> None:
    world = World()
    world.ask(1)
    world.loop.turn()
    assert world.told == [Tokens((BEGUN,))]
    world.loop.turn()
    assert world.sizes() == [1, FRAME_MS // 5]
    assert world.batch.asked_ms == [FRAME_MS, FRAME_MS]


def test_ends_wait_for_the_frame_unless_nothing_runs_on() -> None:
    world = World()
    world.ask(1, 3)
    world.ask(2, 100)
    world.loop.turn()
    world.loop.turn()
    # The end came two steps behind the first tokens; the frame waits for the rest of its time.
    assert world.sizes() == [2]
    world.loop.turn()
    assert world.sizes() == [2, 6]
    assert world.batch.asked_ms == [FRAME_MS, FRAME_MS, FRAME_MS - 10]
    assert [(run[0], len(run[1]), run[4]) for run in world.told[1].runs] == [
        (1, 2, True),
        (2, 4, False),
    ]
    world.requests.put(Forget(2))
    world.ask(3, 2)
    world.loop.turn()
    world.loop.turn()
    assert world.sizes() == [2, 6, 1, 1]
    assert world.told[-1].runs[0][4]


def test_a_first_token_takes_no_others_along() -> None:
    world = World()
    world.batch.wants_top = False
    world.ask(1)
    world.loop.turn()
    world.ask(2)
    world.loop.turn()
    assert world.told[1:] == [Tokens(((2, [7], [70], [], False),))]
    world.loop.turn()
    # Of the first answer since the frame before, and of the second what came behind its first.
    assert world.told[2:] == [
        Tokens(((1, [7] * 4, [70] * 4, [], False), (2, [7] * 3, [70] * 3, [], False)))
    ]
    assert world.batch.asked_ms == [FRAME_MS, FRAME_MS, FRAME_MS - 5]


def test_what_was_made_before_the_last_was_given_up_leaves() -> None:
    world = World()
    world.ask(1, 3)
    world.ask(2, 100)
    world.loop.turn()
    world.loop.turn()
    world.requests.put(Forget(2))
    world.ask(3)
    world.loop.turn()
    # Of the ended one; what was made of the one given up is nobody's.
    assert [(run[0], len(run[1])) for run in world.told[1].runs] == [(1, 2)]
    assert world.sizes() == [2, 2, 1]


def test_what_the_engine_refuses_is_told_and_others_go_on() -> None:
    world = World()
    world.ask(1)
    world.ask(1)
    world.loop.turn()
    assert world.told == [Refused(1, "already"), Tokens((BEGUN,))]


def test_the_engine_hears_whose_it_is_and_what_of_it_is_public() -> None:
    world = World()
    world.requests.put(Answer(1, (1, 2, 3), 9, 1, "ours", 2))
    world.loop.turn()
    assert world.batch.taken == [(1, "ours", 2)]


def test_nobody_serves_what_is_no_request() -> None:
    world = World()
    world.requests.put("what")
    with pytest.raises(TypeError, match="nobody serves str"):
        world.loop.turn()


def test_an_answer_that_is_asked_again_has_a_first_token_again() -> None:
    world = World()
    world.ask(1, 1)
    world.loop.turn()
    world.batch.begun.clear()
    world.ask(1, 5)
    world.loop.turn()
    assert world.sizes() == [1, 1]
