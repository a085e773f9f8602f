"""One search by several workers: nobody's nonces twice, and no find that is not true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from esper.consensus.chain import ProvenChain
from esper.consensus.template import EMPTY_PLAN
from esper.node.mining.templates import TemplateMaker, job_of
from esper.node.workers.farm.found_record import FoundRecord, found_bytes
from esper.node.workers.farm.shared_search import (
    KEPT_JOBS,
    LOCAL_SHARE,
    SHARE,
    SHARES,
    SharedSearch,
)
from esper.node.workers.farm.ticket_check import MOST_AHEAD_MS, StrangeResultError, TicketCheck
from esper.node.workers.search import SearchJob, Ticket, TicketSearch
from esper.node.workers.worker_messages import Found, Search
from esper.primitives.ids import BlockId
from esper.primitives.networks import DEMO_ADDRESS
from esper.primitives.work_outputs import Candidate, ProvenAnswer
from tests.support.fake_work import FakeInference, fake_network, prompt_source

PARAMS = fake_network()
NOW_MS = PARAMS.genesis_time_ms + 20_000
EASY = b"\x01" + b"\xff" * 63
HARD = bytes(63) + b"\1"

Change = Callable[[FoundRecord], FoundRecord]


def job(number: int = 1, *, target: bytes = EASY, parent: bytes | None = None) -> SearchJob:
    """The first block's, with a target that some attempt in a hundred meets.

    ``parent`` is the genesis block if it is not given.
    """
    chain = ProvenChain.genesis(PARAMS)
    template = TemplateMaker(PARAMS, DEMO_ADDRESS, bytes(32)).template(
        chain.context,
        chain.state,
        EMPTY_PLAN,
        model=PARAMS.model,
        time_ms=PARAMS.genesis_time_ms + 10_000,
    )
    made = job_of(number, template, chain.context)
    on = made.pre.parent if parent is None else BlockId(parent)
    return replace(made, pre=replace(made.pre, target=target, parent=on))


def mined(told: Search) -> Ticket:
    """What a worker finds that does as it is told."""
    assert told.job is not None
    inference = FakeInference(PARAMS.model)
    worker = TicketSearch(PARAMS.puzzle, PARAMS.model, inference, prompt_source(PARAMS))
    for start in range(told.first_nonce, told.first_nonce + 10_000, 16):
        ticket = worker.step(told.job, NOW_MS, range(start, start + 16)).ticket
        if ticket is not None:
            return ticket
    raise AssertionError("none of ten thousand nonces wins")


def record_of(number: int, ticket: Ticket) -> FoundRecord:
    return FoundRecord(number, ticket.pre.time_ms, ticket.pre.nonce, ticket.outputs.answers)


@pytest.fixture
def search() -> SharedSearch:
    return SharedSearch(TicketCheck(PARAMS.puzzle, PARAMS.model, prompt_source(PARAMS)))


@pytest.fixture(scope="module")
def honest() -> FoundRecord:
    """What the first worker of a search finds for job 1."""
    first = (LOCAL_SHARE + 1) * SHARE
    return record_of(1, mined(Search(job(), first)))


def test_workers_have_nonces_that_nobody_else_ever_has(search: SharedSearch) -> None:
    search.search(job())
    begins = [search.join(worker).first_nonce for worker in "abc"]
    search.leave("b")
    begins += [search.join("b").first_nonce, search.join("d").first_nonce]
    assert len(set(begins)) == 5
    assert all(begin % SHARE == 0 for begin in begins)
    # Whoever searches on the node's machine begins at nonce 0.
    assert LOCAL_SHARE * SHARE == 0 not in begins
    search.search(job(2))
    assert [search.told(worker).first_nonce for worker in "ac"] == [begins[0], begins[2]]
    with pytest.raises(ValueError, match="a is there already"):
        search.join("a")


def test_shares_end_before_nonces_do(search: SharedSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SHARES * SHARE == 1 << 64
    monkeypatch.setattr("esper.node.workers.farm.shared_search.SHARES", 3)
    search.join("a")
    search.join("b")
    with pytest.raises(ValueError, match="all shares"):
        search.join("c")


def test_who_joins_is_told_what_is_searched(search: SharedSearch) -> None:
    assert search.join("a").job is None
    search.search(job())
    assert search.told("a").job == search.join("b").job == job()
    search.search(None)
    assert search.told("a") == Search(None)


def test_a_find_is_the_ticket_that_the_worker_had(search: SharedSearch) -> None:
    search.search(job())
    search.join("a")
    ticket = mined(search.join("b"))
    found = search.heard("b", 1, found_bytes(record_of(1, ticket)), NOW_MS)
    assert found == Found(1, ticket)
    assert search.told("a") == Search(None)


def test_a_job_is_won_once(search: SharedSearch) -> None:
    search.search(job())
    first, second = mined(search.join("a")), mined(search.join("b"))
    assert search.heard("a", 1, found_bytes(record_of(1, first)), NOW_MS) is not None
    assert search.heard("a", 1, found_bytes(record_of(1, first)), NOW_MS) is None
    assert search.heard("b", 1, found_bytes(record_of(1, second)), NOW_MS) is None


def test_finds_for_an_old_tip_are_dropped_unread(search: SharedSearch, honest: FoundRecord) -> None:
    search.search(job())
    search.join("a")
    search.search(job(2, parent=bytes(64)))
    assert not search.is_searched(1)
    assert search.heard("a", 1, found_bytes(honest), NOW_MS) is None
    assert search.heard("a", 1, b"nonsense", NOW_MS) is None
    search.search(None)
    assert search.heard("a", 2, found_bytes(replace(honest, number=2)), NOW_MS) is None


def test_a_find_for_an_older_template_of_the_same_parent_counts(
    search: SharedSearch, honest: FoundRecord
) -> None:
    search.search(job())
    search.join("a")
    search.search(job(2))
    found = search.heard("a", 1, found_bytes(honest), NOW_MS)
    assert found is not None
    assert (found.number, found.ticket.pre.parent) == (1, job().pre.parent)
    # The parent has its ticket, whichever template it is of.
    assert not search.is_searched(2)
    assert search.told("a") == Search(None)


def test_few_templates_of_a_parent_are_kept(search: SharedSearch, honest: FoundRecord) -> None:
    search.join("a")
    for number in range(1, KEPT_JOBS + 2):
        search.search(job(number))
    assert [one for one in range(KEPT_JOBS + 3) if search.is_searched(one)] == list(
        range(2, KEPT_JOBS + 2)
    )
    assert search.heard("a", 1, found_bytes(honest), NOW_MS) is None


def test_a_worker_that_left_is_not_heard(search: SharedSearch, honest: FoundRecord) -> None:
    search.search(job())
    search.join("a")
    search.leave("a")
    search.leave("a")
    with pytest.raises(StrangeResultError, match="given no nonces"):
        search.heard("a", 1, found_bytes(honest), NOW_MS)


def answers(change: Callable[[ProvenAnswer], ProvenAnswer]) -> Change:
    """A record with its last answer changed."""
    return lambda found: replace(found, answers=(*found.answers[:-1], change(found.answers[-1])))


def first_top(change: Callable[[tuple[Candidate, ...]], tuple[Candidate, ...]]) -> Change:
    """A record with the candidates of a token changed."""
    return answers(lambda one: replace(one, top=(change(one.top[0]), *one.top[1:])))


LONG = PARAMS.puzzle.max_answer + 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda found: replace(found, number=2), "job 2 was not asked for, 1 was"),
        (lambda found: replace(found, nonce=found.nonce + SHARE), "is not the worker's"),
        (lambda found: replace(found, nonce=0), "is not the worker's"),
        (lambda found: replace(found, nonce=found.nonce + 1), "does not win"),
        (lambda found: replace(found, time_ms=0), "before the job's earliest"),
        (lambda found: replace(found, time_ms=found.time_ms + 1), "does not win"),
        (
            lambda found: replace(found, time_ms=NOW_MS + MOST_AHEAD_MS + 1),
            "5001 ms ahead of this machine's: set the clock",
        ),
        (lambda found: replace(found, answers=()), "0 answers to 2 sequences"),
        (lambda found: replace(found, answers=found.answers[:1]), "1 answers to 2 sequences"),
        (answers(lambda one: ProvenAnswer((), ())), "answer 1 has 0 tokens"),
        (
            answers(lambda one: ProvenAnswer(one.tokens[:1] * LONG, one.top[:1] * LONG)),
            f"answer 1 has {LONG} tokens",
        ),
        (answers(lambda one: replace(one, top=one.top[:-1])), "has candidates for"),
        (first_top(lambda top: top[:-1]), "candidates of a token, not"),
        (first_top(lambda top: (*top[1:], top[0])), "not its own best candidates"),
        (
            first_top(lambda top: (replace(top[0], logit=top[0].logit + 1), *top[1:])),
            "does not win",
        ),
    ],
)
def test_what_no_worker_of_this_program_says_is_refused(
    search: SharedSearch, honest: FoundRecord, change: Change, why: str
) -> None:
    search.search(job())
    search.join("a")
    with pytest.raises(StrangeResultError, match=why):
        search.heard("a", 1, found_bytes(change(honest)), NOW_MS)
    # It spoils nothing: the true one still counts.
    assert search.heard("a", 1, found_bytes(honest), NOW_MS) is not None


def test_a_ticket_that_misses_the_target_is_refused(
    search: SharedSearch, honest: FoundRecord
) -> None:
    search.search(job(target=HARD))
    search.join("a")
    with pytest.raises(StrangeResultError, match="does not win"):
        search.heard("a", 1, found_bytes(honest), NOW_MS)


@pytest.mark.parametrize("data", [b"", b"\x95", b"\xc1" * 100, bytes(1 << 17)])
def test_bytes_that_are_no_record_are_refused(search: SharedSearch, data: bytes) -> None:
    search.search(job())
    search.join("a")
    with pytest.raises(StrangeResultError, match="found ticket"):
        search.heard("a", 1, data, NOW_MS)
