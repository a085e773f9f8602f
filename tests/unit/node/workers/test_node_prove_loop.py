"""The loop of a proving worker: every request answered in its order, memory let go of when idle."""

import queue

import pytest

from esper.node.workers.prove_loop import ProveLoop


class Given(queue.SimpleQueue[str]):
    """Requests that come by a script: None is a silence that outlasts any patience."""

    def __init__(self, *script: str | None) -> None:
        super().__init__()
        self._script = list(script)
        self.patience: list[float | None] = []

    def get(self, block: bool = True, timeout: float | None = None) -> str:
        self.patience.append(timeout)
        come = self._script.pop(0)
        if come is None:
            assert timeout is not None, "it would wait for ever"
            raise queue.Empty
        return come


def served(given: Given, count: int) -> list[str]:
    """What happens while so many requests are served."""
    events: list[str] = []
    loop = ProveLoop(
        given,
        answer=lambda request: f"proof of {request}",
        tell=lambda message: events.append(f"told {message}"),
        release=lambda: events.append("released"),
        idle_s=7.0,
    )
    for _ in range(count):
        loop.serve_one()
    return events


def test_requests_without_pause_keep_the_memory() -> None:
    given = Given("a", "b")
    assert served(given, 2) == ["told proof of a", "told proof of b"]
    assert given.patience == [7.0, 7.0]


def test_a_pause_lets_go_of_the_memory_once_and_waits_on() -> None:
    given = Given("a", None, "b", None, "c")
    assert served(given, 3) == [
        "told proof of a",
        "released",
        "told proof of b",
        "released",
        "told proof of c",
    ]
    assert given.patience == [7.0, 7.0, None, 7.0, None]


def test_run_serves_until_it_is_ended() -> None:
    given = Given("a", "b", "c")
    told: list[object] = []
    loop = ProveLoop(given, lambda request: request, told.append, lambda: None)
    with pytest.raises(IndexError):
        loop.run()
    assert told == ["a", "b", "c"]
