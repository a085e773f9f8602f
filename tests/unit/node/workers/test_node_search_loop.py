"""The loop of a searching process, with a search whose calls take what the test says."""

import queue
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from esper.node.workers.search import Searched, SearchJob, Ticket, TicketSearch
from esper.node.workers.search_loop import (
    LONG_MS,
    MOST_ATTEMPTS,
    SHORT_MS,
    TELL_EVERY_MS,
    SearchLoop,
)
from esper.node.workers.worker_messages import Found, Progress, Search, UseThreads


def job(number: int) -> SearchJob:
    return SearchJob(number, pre=None, earliest_ms=0)  # type: ignore[arg-type]


TICKET = Ticket(None, b"r", None, None)  # type: ignore[arg-type]


@dataclass
class TimedSearch(TicketSearch):
    """Notes what is searched; the clock moves by what a call is said to take."""

    took_ms: int = SHORT_MS
    wins_at: int | None = None
    """The nonce that wins."""
    now_ms: int = 0
    wall_ms: int = 0
    """What the machine's clock says, whatever was done to it."""
    calls: list[tuple[int, range]] = field(default_factory=list)

    def step(self, job: SearchJob, now_ms: int, nonces: range) -> Searched:
        assert now_ms == self.wall_ms
        self.calls.append((job.number, nonces))
        self.now_ms += self.took_ms
        if self.wins_at is not None and self.wins_at in nonces:
            tried = nonces.index(self.wins_at) + 1
            return Searched(tried, 10 * tried, TICKET)
        return Searched(len(nonces), 10 * len(nonces), None)


class Bench:
    """A loop and both of its ends."""

    def __init__(self, **search: Any) -> None:
        self.search = TimedSearch(**search)
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.told: list[Progress | Found] = []
        self.threads: list[int] = []
        self.loop = SearchLoop(
            self.search,
            self.requests,
            self.told.append,
            self.threads.append,
            now_ms=lambda: self.search.wall_ms,
            steady_ms=lambda: self.search.now_ms,
        )

    def turns(self, count: int) -> None:
        for _ in range(count):
            self.loop.turn()


def test_nonces_follow_each_other_without_gaps() -> None:
    bench = Bench(took_ms=SHORT_MS - 1)
    bench.requests.put(Search(job(1)))
    bench.turns(4)
    assert bench.search.calls == [
        (1, range(1)), (1, range(1, 3)), (1, range(3, 7)), (1, range(7, 15)),
    ]  # fmt: skip


def test_a_search_beside_others_begins_at_its_own_nonces() -> None:
    bench = Bench(took_ms=SHORT_MS)
    bench.requests.put(Search(job(1), 1 << 40))
    bench.turns(2)
    assert bench.search.calls == [
        (1, range(1 << 40, (1 << 40) + 1)),
        (1, range((1 << 40) + 1, (1 << 40) + 2)),
    ]


@pytest.mark.parametrize(
    ("took_ms", "sizes"),
    [
        (SHORT_MS, [1, 1, 1]),
        (SHORT_MS - 1, [1, 2, 4]),
        (LONG_MS, [1, 1, 1]),
        (LONG_MS + 1, [1, 1, 1]),
    ],
)
def test_calls_grow_while_they_are_short(took_ms: int, sizes: list[int]) -> None:
    bench = Bench(took_ms=took_ms)
    bench.requests.put(Search(job(1)))
    bench.turns(3)
    assert [len(nonces) for _, nonces in bench.search.calls] == sizes


def test_calls_shrink_when_they_are_long_and_never_grow_without_end() -> None:
    bench = Bench(took_ms=0)
    bench.requests.put(Search(job(1)))
    bench.turns(12)
    assert len(bench.search.calls[-1][1]) == MOST_ATTEMPTS
    bench.search.took_ms = LONG_MS + 1
    bench.turns(3)
    assert [len(nonces) for _, nonces in bench.search.calls[-2:]] == [128, 64]


def test_a_new_job_takes_effect_between_two_calls() -> None:
    bench = Bench()
    bench.requests.put(Search(job(1)))
    bench.turns(2)
    bench.requests.put(Search(job(2)))
    bench.requests.put(Search(job(3)))
    bench.turns(1)
    # The last one counts, and begins at its own first nonce.
    assert bench.search.calls[2:] == [(3, range(1))]


def test_threads_are_taken_in_between_and_without_a_job() -> None:
    bench = Bench()
    bench.requests.put(UseThreads(3))
    bench.requests.put(Search(job(1)))
    bench.turns(1)
    bench.requests.put(UseThreads(1))
    bench.turns(1)
    assert bench.threads == [3, 1]
    assert len(bench.search.calls) == 2


def test_what_is_told_sums_up_to_what_was_tried() -> None:
    bench = Bench(took_ms=50, wins_at=40)
    bench.requests.put(Search(job(1)))
    while not bench.told or not isinstance(bench.told[-1], Found):
        bench.turns(1)
    progress = [told for told in bench.told if isinstance(told, Progress)]
    assert sum(told.attempts for told in progress) == 41
    assert sum(told.tokens for told in progress) == 410
    assert sum(told.ms for told in progress) == bench.search.now_ms
    assert all(told.ms == TELL_EVERY_MS for told in progress[:-1])
    assert bench.told[-1] == Found(1, TICKET)


def test_after_a_ticket_nothing_is_searched_until_the_next_job() -> None:
    bench = Bench(wins_at=0)
    bench.requests.put(Search(job(1)))
    bench.turns(1)
    # The next turn waits for a job: it is there at once, so that the test ends.
    bench.requests.put(Search(job(2)))
    bench.turns(1)
    assert [number for number, _ in bench.search.calls] == [1, 2]


def test_to_stop_is_told_what_was_tried_and_waits() -> None:
    bench = Bench()
    bench.requests.put(Search(job(1)))
    bench.turns(1)
    bench.requests.put(Search(None))
    bench.requests.put(Search(job(2)))
    bench.turns(1)
    assert bench.told == [Progress(1, 10, SHORT_MS)]
    assert [number for number, _ in bench.search.calls] == [1, 2]


def test_a_clock_that_steps_changes_nothing_of_what_is_measured() -> None:
    bench = Bench(took_ms=TELL_EVERY_MS)
    bench.requests.put(Search(job(1)))
    for wall_ms in (7_200_000, 0, 10**13):
        # The headers have whatever it says.
        bench.search.wall_ms = wall_ms
        bench.turns(1)
    told = [told.ms for told in bench.told if isinstance(told, Progress)]
    assert told == [TELL_EVERY_MS] * 3


def test_a_job_s_number_is_the_found_one_s() -> None:
    bench = Bench(wins_at=0)
    bench.requests.put(Search(replace(job(1), number=9)))
    bench.turns(1)
    assert [told.number for told in bench.told if isinstance(told, Found)] == [9]
