"""Checking signatures in bulk: the same verdicts as the plain way."""

import errno
import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.context import SpawnContext
from pathlib import Path

import pytest

from esper.crypto.signatures import SequentialVerifier, SignatureClaim
from esper.crypto.signing import key_from_seed
from esper.node.signatures.batch import BatchVerifier
from esper.node.signatures.processes import (
    CHUNK,
    Checking,
    SharedMemoryError,
    SignatureProcesses,
    VerifierClosedError,
)

VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "signatures.json").read_text())
KEY = key_from_seed(1, bytes(range(32)))
DIGEST = bytes(range(64))
CLAIM = SignatureClaim(1, KEY.public, DIGEST, KEY.sign(DIGEST))


@contextmanager
def opened(workers: int, threshold: int) -> Iterator[SignatureProcesses]:
    processes = SignatureProcesses(workers, threshold)
    processes.open()
    try:
        yield processes
    finally:
        processes.close()


def test_processes_agree_with_the_plain_way() -> None:
    wrong = replace(CLAIM, signature=bytes(3309))
    with opened(2, threshold=2) as processes:
        good = [CLAIM] * (2 * CHUNK + 3)
        assert processes.start(good).result() is None
        for place in (0, CHUNK - 1, CHUNK, 2 * CHUNK + 2):
            claims = list(good)
            claims[place] = wrong
            assert processes.start(claims).result() == place
            claims[-1] = wrong
            assert processes.start(claims).result() == place


def test_each_start_is_judged_by_itself() -> None:
    wrong = replace(CLAIM, signature=bytes(3309))
    good = [CLAIM] * (CHUNK + 1)
    with opened(1, threshold=2) as processes:
        one, two = processes.start(good), processes.start([*good[:-1], wrong])
        # What happens to a list after it was started makes no difference.
        good[0] = wrong
        three, four = processes.start([wrong, CLAIM]), processes.start([wrong])
        assert [found.result() for found in (four, two, three, one)] == [0, CHUNK, 0, None]
        assert one.result() is None
    with pytest.raises(VerifierClosedError):
        processes.start(good)


def test_what_nobody_asks_about_is_left_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Future[int | None]] = []

    def keep(*_: object) -> Future[int | None]:
        sent.append(Future())
        return sent[-1]

    monkeypatch.setattr(ProcessPoolExecutor, "submit", keep)
    with opened(1, threshold=2) as processes:
        processes.start([CLAIM] * (CHUNK + 1)).cancel()
        assert [chunk.cancelled() for chunk in sent] == [True, True]
        checking = processes.start([CLAIM] * 3 * CHUNK)
        sent[2].set_result(None)
        sent[3].set_result(5)
        assert checking.result() == CHUNK + 5
        assert [chunk.cancelled() for chunk in sent[2:]] == [False, False, True]


def test_short_lists_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a short list went to the workers")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", refuse)
    with opened(1, threshold=3) as processes:
        assert processes.start([CLAIM, replace(CLAIM, suite=2)]).result() == 1
        with pytest.raises(AssertionError, match="went to the workers"):
            processes.start([CLAIM] * 3)


def test_closed_processes_give_no_verdict() -> None:
    processes = SignatureProcesses(workers=1)
    with pytest.raises(VerifierClosedError):
        processes.start([])
    processes.open()
    processes.open()
    assert processes.start([]).result() is None
    processes.close()
    processes.close()
    with pytest.raises(VerifierClosedError):
        processes.start([CLAIM])
    with pytest.raises(ValueError, match="0 workers"):
        SignatureProcesses(workers=0)


def slh_claim() -> SignatureClaim:
    vector = next(vector for vector in VECTORS if vector["suite"] == 2)
    parts = (bytes.fromhex(vector[name]) for name in ("key", "digest", "signature"))
    return SignatureClaim(2, *parts)


def spoilt(claim: SignatureClaim) -> SignatureClaim:
    return replace(claim, digest=bytes(64))


@pytest.mark.parametrize("begun", [False, True])
def test_a_batch_agrees_with_the_plain_way(begun: bool) -> None:
    other = slh_claim()
    good = [CLAIM, other, CLAIM, CLAIM, other, CLAIM]
    lists = [[], [CLAIM], good, [CLAIM] * 6, [other] * 6]
    # Both kinds of failures before, behind and beside each other.
    for first in range(6):
        for second in range(first, 6):
            claims = list(good)
            claims[first], claims[second] = spoilt(claims[first]), spoilt(claims[second])
            lists.append(claims)
    # What no scheme is asked about.
    lists += [[*good, replace(CLAIM, suite=3)], [*good, replace(CLAIM, digest=bytes(32))]]
    lists += [[*good, replace(CLAIM, key=b"")], [*good, replace(CLAIM, signature=b"")]]
    with BatchVerifier(2, SignatureProcesses(1, threshold=100), threshold=2) as verifier:
        for claims in lists:
            if begun:
                verifier.begin(claims)
            assert verifier.first_invalid(claims) == SequentialVerifier().first_invalid(claims)


def test_a_digest_of_another_size_is_no_digest_in_a_batch_either() -> None:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

    short = MLDSA65PrivateKey.from_seed_bytes(KEY.secret).sign(DIGEST[:32])
    claims = [CLAIM, replace(CLAIM, digest=DIGEST[:32], signature=short)]
    with BatchVerifier(1, SignatureProcesses(1), threshold=2) as verifier:
        assert verifier.first_invalid(claims) == 1


def test_a_batch_that_was_begun_is_no_verdict_on_another() -> None:
    good, bad = [CLAIM] * 4, [CLAIM, CLAIM, spoilt(CLAIM), CLAIM]
    with BatchVerifier(1, SignatureProcesses(1), threshold=2) as verifier:
        for begun, asked, answer in ((good, bad, 2), (bad, good, None), (bad, bad[1:], 1)):
            verifier.begin(begun)
            assert verifier.first_invalid(asked) == answer
        verifier.begin(bad)
        assert verifier.first_invalid([CLAIM]) is None
        assert verifier.first_invalid(good) is None


def test_the_threads_take_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def count(claims: list[tuple[bytes, bytes, bytes]], threads: int) -> None:
        asked.append((len(claims), threads))

    monkeypatch.setattr("esper.node.signatures.batch.ml_dsa_65_first_invalid", count)
    with BatchVerifier(3, SignatureProcesses(1), threshold=2) as verifier:
        verifier.begin([CLAIM])
        assert verifier.first_invalid([CLAIM]) is None
        verifier.begin([CLAIM, CLAIM])
        assert verifier.first_invalid([CLAIM, CLAIM]) is None
        assert asked == [(2, 3)]
        assert verifier.first_invalid([CLAIM, CLAIM]) is None
        assert asked == [(2, 3), (2, 3)]


def test_long_lists_of_the_second_suite_go_to_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    lists: list[int] = []

    start = SignatureProcesses.start

    def count(processes: SignatureProcesses, claims: list[SignatureClaim]) -> Checking:
        lists.append(len(claims))
        return start(processes, claims)

    monkeypatch.setattr(SignatureProcesses, "start", count)
    with BatchVerifier(1, SignatureProcesses(1), threshold=2) as verifier:
        verifier.begin([CLAIM, slh_claim(), slh_claim()])
        assert lists == [2]


def test_a_closed_batch_gives_no_verdict() -> None:
    processes = SignatureProcesses(1)
    verifier = BatchVerifier(1, processes)
    with pytest.raises(VerifierClosedError):
        verifier.first_invalid([])
    verifier.open()
    verifier.open()
    assert verifier.first_invalid([]) is None
    assert processes.start([]).result() is None
    verifier.begin([CLAIM] * 10)
    verifier.close()
    verifier.close()
    with pytest.raises(VerifierClosedError):
        verifier.begin([CLAIM] * 10)
    with pytest.raises(VerifierClosedError):
        processes.start([])
    with pytest.raises(ValueError, match="0 threads"):
        BatchVerifier(0, processes)


def dying(*_: object) -> None:
    """What a worker is given when the system ends it for its memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("place", [None, 1])
def test_workers_that_die_leave_no_verdict_and_others_come(
    monkeypatch: pytest.MonkeyPatch, place: int | None
) -> None:
    claims = [CLAIM if at != place else spoilt(CLAIM) for at in range(3)]
    with opened(1, threshold=2) as processes:
        with monkeypatch.context() as patched:
            patched.setattr("esper.node.signatures.processes._first_invalid_in_chunk", dying)
            # Neither the list that they died with, nor the next, on the pool that they broke.
            assert processes.start(claims).result() == place
        assert processes.start(claims).result() == place
        broken = processes._pool
        checking = processes.start(claims)
        assert processes._pool is broken
        assert len(checking.chunks) == 1
        assert checking.result() == place


def test_workers_that_cannot_start_are_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(ProcessPoolExecutor, "submit", refuse)
    with opened(1, threshold=2) as processes:
        for _ in range(2):
            assert processes.start([CLAIM, spoilt(CLAIM)]).result() == 1


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EROFS, "Read-only file system"),
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.ENOENT, "No such file or directory"),
        OSError(errno.EACCES, "Permission denied"),
        ImportError("this platform has no semaphores"),
    ],
)
def test_shared_memory_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(SpawnContext, "Lock", refuse)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    with pytest.raises(SharedMemoryError, match=f"^/dev/shm cannot be used: {reason}; "):
        SignatureProcesses(1).open()


def test_a_lack_of_descriptors_is_not_the_shared_memory_s(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(SpawnContext, "Lock", refuse)
    with pytest.raises(OSError, match="Too many open files"):
        SignatureProcesses(1).open()
