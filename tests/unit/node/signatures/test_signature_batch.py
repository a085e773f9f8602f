"""Checking in bulk when things go wrong: changed lists, failing threads, closing meanwhile."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import pytest

from esper.crypto.signatures import SignatureClaim
from esper.crypto.signing import key_from_seed
from esper.node.signatures.batch import BatchVerifier
from esper.node.signatures.processes import Checking, SignatureProcesses

KEY = key_from_seed(1, bytes(range(32)))
DIGEST = bytes(range(64))
CLAIM = SignatureClaim(1, KEY.public, DIGEST, KEY.sign(DIGEST))
WRONG = replace(CLAIM, digest=bytes(64))

Parts = list[tuple[bytes, bytes, bytes]]


def batch() -> BatchVerifier:
    return BatchVerifier(2, SignatureProcesses(1), threshold=2)


def judged_by(monkeypatch: pytest.MonkeyPatch, judge: Callable[[Parts, int], int | None]) -> None:
    monkeypatch.setattr("esper.node.signatures.batch.ml_dsa_65_first_invalid", judge)


class HeldJudge:
    """Says that all claims hold, once it may."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        """Lengths of the lists it looked at."""
        self.ended = 0
        """How many lists it is done with."""
        self.began = Event()
        self.may_end = Event()

    def __call__(self, claims: Parts, threads: int) -> None:
        self.asked.append(len(claims))
        self.began.set()
        assert self.may_end.wait(60)
        self.ended += 1


@pytest.mark.parametrize(("first", "then", "answer"), [(CLAIM, WRONG, 1), (WRONG, CLAIM, None)])
def test_a_list_that_changes_after_it_was_begun(
    first: SignatureClaim, then: SignatureClaim, answer: int | None
) -> None:
    claims = [CLAIM, first, CLAIM]
    with batch() as verifier:
        verifier.begin(claims)
        claims[1] = then
        assert verifier.first_invalid(claims) == answer


def test_a_judge_that_fails_gives_no_verdict_and_the_next_question_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(claims: Parts, threads: int) -> None:
        raise MemoryError("no room")

    with batch() as verifier:
        with monkeypatch.context() as patch:
            judged_by(patch, fail)
            verifier.begin([CLAIM, CLAIM])
            with pytest.raises(MemoryError, match="no room"):
                verifier.first_invalid([CLAIM, CLAIM])
        assert verifier.first_invalid([CLAIM, CLAIM]) is None
        assert verifier.first_invalid([CLAIM, WRONG]) == 1


def test_lists_that_nobody_asks_about_any_more_do_not_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = HeldJudge()
    judged_by(monkeypatch, judge)
    with batch() as verifier:
        verifier.begin([CLAIM] * 2)
        assert judge.began.wait(60)
        verifier.begin([CLAIM] * 3)
        verifier.begin([CLAIM] * 4)
        verifier.begin([CLAIM])
        verifier.begin([CLAIM] * 5)
        judge.may_end.set()
        assert verifier.first_invalid([CLAIM] * 5) is None
    assert judge.asked == [2, 5]


def test_a_list_that_waits_is_left_out_when_another_is_asked_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = HeldJudge()
    judged_by(monkeypatch, judge)
    with batch() as verifier:
        verifier.begin([CLAIM] * 2)
        assert judge.began.wait(60)
        verifier.begin([CLAIM] * 3)
        assert verifier.first_invalid([WRONG]) == 0
        judge.may_end.set()
        assert verifier.first_invalid([CLAIM] * 4) is None
    assert judge.asked == [2, 4]


def test_closing_waits_for_what_is_being_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = HeldJudge()
    judged_by(monkeypatch, judge)
    shutdown = ThreadPoolExecutor.shutdown

    def end_then_shutdown(pool: ThreadPoolExecutor, **how: bool) -> None:
        judge.may_end.set()
        shutdown(pool, **how)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", end_then_shutdown)
    verifier = batch()
    verifier.open()
    verifier.begin([CLAIM, CLAIM])
    assert judge.began.wait(60)
    verifier.close()
    assert judge.ended == 1


def test_closing_meanwhile_leaves_the_one_who_asked_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = HeldJudge()
    judged_by(monkeypatch, judge)
    waits_for_threads = Event()
    monkeypatch.setattr(Checking, "result", lambda _: waits_for_threads.set())
    verifier = batch()
    verifier.open()
    with ThreadPoolExecutor(2) as others:
        answer = others.submit(verifier.first_invalid, [CLAIM, CLAIM])
        assert judge.began.wait(60)
        # Before this the one who asks may be told that the verifier is closed.
        assert waits_for_threads.wait(60)
        closed = others.submit(verifier.close)
        judge.may_end.set()
        assert answer.result(60) is None
        closed.result(60)
