"""The search that feeds its engine: the same attempts as call by call, and an engine never idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from esper.consensus.chain import ProvenChain
from esper.consensus.template import EMPTY_PLAN
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.feeding.stream_search import StreamSearch
from esper.node.workers.search import Searched, SearchJob, TicketSearch, WrongModelError
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.primitives.work_outputs import ProvenAnswer
from tests.support.fake_work import FakeInference, fake_network, prompt_source

FAKE = fake_network()
PARAMS = replace(FAKE, puzzle=replace(FAKE.puzzle, sequences=3))


@dataclass
class LateFeed:
    """Answers of the fake engine, the youngest sequence first, one a step."""

    inference: FakeInference
    ahead: int = 7
    running: list[tuple[int, Sequence[int], int]] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    """Sequences under way at each step."""
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.running)

    def add(self, number: int, tokens: Sequence[int], max_answer: int) -> None:
        self.running.append((number, tokens, max_answer))

    def clear(self) -> None:
        self.dropped += len(self.running)
        self.running.clear()

    def step(self) -> list[tuple[int, ProvenAnswer]]:
        self.lengths.append(len(self.running))
        number, tokens, most = self.running.pop()
        [answer] = self.inference.answer([tuple(tokens)], most, PARAMS.puzzle.top_k)
        return [(number, answer)]


class FedFake(FakeInference):
    """The fake engine, fed."""

    def __init__(self) -> None:
        super().__init__(PARAMS.model)
        self.feed = LateFeed(self)


def job(number: int = 1, *, target: bytes = bytes(63) + b"\1") -> SearchJob:
    """By default with a target that nothing meets."""
    chain = ProvenChain.genesis(PARAMS)
    maker = TemplateMaker(PARAMS, DEMO_ADDRESS, bytes(32))
    template = maker.template(
        chain.context,
        chain.state,
        EMPTY_PLAN,
        model=PARAMS.model,
        time_ms=PARAMS.genesis_time_ms + 10_000,
    )
    made = job_of(number, template, chain.context)
    return replace(made, pre=replace(made.pre, target=target))


@pytest.fixture
def engine() -> FedFake:
    return FedFake()


@pytest.fixture
def search(engine: FedFake) -> StreamSearch:
    return StreamSearch(PARAMS.puzzle, PARAMS.model, engine, prompt_source(PARAMS))


def test_the_engine_stays_full_between_calls(search: StreamSearch, engine: FedFake) -> None:
    now_ms = PARAMS.genesis_time_ms + 20_000
    assert search.step(job(), now_ms, range(2)) == Searched(0, 0, None)
    assert len(engine.feed) == 6
    total = Searched(0, 0, None)
    for start in range(2, 20, 3):
        one = search.step(job(), now_ms, range(start, start + 3))
        total = Searched(total.attempts + one.attempts, total.tokens + one.tokens, None)
        assert len(engine.feed) == engine.feed.ahead
    assert min(engine.feed.lengths) > engine.feed.ahead
    # Twenty nonces went in; those whose sequences are under way are not counted yet.
    assert 20 - engine.feed.ahead <= total.attempts <= 20 - engine.feed.ahead // 3
    alone = TicketSearch(PARAMS.puzzle, PARAMS.model, engine, prompt_source(PARAMS))
    each = alone.step(job(), now_ms, range(total.attempts))
    assert each.attempts == total.attempts


def test_a_ticket_is_that_of_the_plain_search(search: StreamSearch, engine: FedFake) -> None:
    easy = job(target=b"\x01" + b"\xff" * 63)
    now_ms = PARAMS.genesis_time_ms + 20_000
    nonce = 0
    while (found := search.step(easy, now_ms, range(nonce, nonce + 4))).ticket is None:
        nonce += 4
    ticket = found.ticket
    assert len(engine.feed) == 0
    alone = TicketSearch(PARAMS.puzzle, PARAMS.model, engine, prompt_source(PARAMS))
    won = ticket.pre.nonce
    assert alone.step(easy, now_ms, range(won, won + 1)).ticket == ticket


def test_what_runs_when_a_new_job_comes_is_dropped(search: StreamSearch, engine: FedFake) -> None:
    now_ms = PARAMS.genesis_time_ms + 20_000
    search.step(job(1), now_ms, range(2))
    searched = search.step(job(2), now_ms, range(1))
    assert searched.attempts == 0
    assert engine.feed.dropped == 6
    assert len(engine.feed) == 3
    assert all(number >= 6 for number, *_ in engine.feed.running)


def test_another_model_is_refused(engine: FedFake) -> None:
    with pytest.raises(WrongModelError):
        StreamSearch(PARAMS.puzzle, REGTEST.model, engine, prompt_source(PARAMS))
