"""Checking many signatures at once: ML-DSA-65 on threads of the extension, the rest in processes.

The rules know nothing of this: they ask the ``SignatureVerifier`` that they are given.

The extension checks outside the interpreter's lock, so its threads need no copies of what they
check and work beside the interpreter. Other schemes hold the lock while they check: long lists of
theirs go to ``processes``.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, NamedTuple

from esper._native import ml_dsa_65_first_invalid
from esper.crypto.signatures import DIGEST_BYTES, SequentialVerifier, SignatureClaim
from esper.node.signatures.processes import Checking, SignatureProcesses, VerifierClosedError
from esper.primitives.address import SUITE_ML_DSA_65

DEFAULT_THRESHOLD: Final = 8
"""Shorter lists are checked where they are asked about: that takes less than a millisecond."""


class _Begun(NamedTuple):
    """A list that is being checked."""

    claims: list[SignatureClaim]
    """All of it."""
    threaded: list[int]
    """Places of those that the extension checks."""
    others: list[int]
    """Places of the rest."""
    first_threaded: "Future[int | None]"
    """Which of the threaded ones fails first."""
    first_other: Checking
    """Which of the others does."""

    @property
    def first_invalid(self) -> int | None:
        """The place of the first claim that does not hold, None if all do."""
        other, threaded = self.first_other.result(), self.first_threaded.result()
        failed = [] if other is None else [self.others[other]]
        if threaded is not None:
            failed.append(self.threaded[threaded])
        return min(failed, default=None)

    def cancel(self) -> None:
        """Nobody will ask: what has not begun stays undone."""
        self.first_threaded.cancel()
        self.first_other.cancel()


class BatchVerifier:
    """A SignatureVerifier on threads and processes. Open it, or use it in a ``with`` statement.

    It has one user at a time. Closed from another thread, it gives who asked meanwhile the answer
    or an error.
    """

    def __init__(
        self, threads: int, processes: SignatureProcesses, threshold: int = DEFAULT_THRESHOLD
    ) -> None:
        """``threads`` >= 1 of the extension for lists of ``threshold`` claims and more.

        ``processes`` are opened and closed with it.
        """
        if threads < 1:
            raise ValueError(f"{threads} threads, must be at least 1")
        self._threads = threads
        self._processes = processes
        self._threshold = threshold
        self._begun: _Begun | None = None
        self._pool: ThreadPoolExecutor | None = None

    def open(self) -> None:
        """Make the verifier usable. Opening an open one changes nothing."""
        if self._pool is None:
            self._processes.open()
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="signatures")

    def close(self) -> None:
        """Wait for what is being checked and end. Closing a closed one changes nothing."""
        if self._pool is not None:
            self._forget()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            self._processes.close()

    def __enter__(self) -> "BatchVerifier":
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self, claims: Sequence[SignatureClaim]) -> None:
        """Begin with claims that ``first_invalid`` will soon be asked about.

        It is a hint: other claims than these are checked all the same, and short lists wait until
        they are asked about. Raises VerifierClosedError.
        """
        pool = self._opened()
        self._forget()
        if len(claims) >= self._threshold:
            self._begun = self._start(pool, claims)

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        """The index of the first claim that does not hold, None if all do.

        Raises VerifierClosedError.
        """
        pool = self._opened()
        begun = self._begun
        if begun is None or begun.claims != list(claims):
            self._forget()
            if len(claims) < self._threshold:
                return SequentialVerifier().first_invalid(claims)
            begun = self._start(pool, claims)
        self._begun = None
        return begun.first_invalid

    def _forget(self) -> None:
        """Nobody will ask about what was begun: if it waits, it is not checked."""
        if self._begun is not None:
            self._begun.cancel()
            self._begun = None

    def _opened(self) -> ThreadPoolExecutor:
        if self._pool is None:
            raise VerifierClosedError("open the signature verifier before using it")
        return self._pool

    def _start(self, pool: ThreadPoolExecutor, claims: Sequence[SignatureClaim]) -> _Begun:
        threaded: list[int] = []
        others: list[int] = []
        for place, claim in enumerate(claims):
            # The extension checks messages of any length; whether one is a digest is told here.
            known = claim.suite == SUITE_ML_DSA_65 and len(claim.digest) == DIGEST_BYTES
            (threaded if known else others).append(place)
        parts = [
            (claims[place].key, claims[place].digest, claims[place].signature) for place in threaded
        ]
        first_other = self._processes.start([claims[place] for place in others])
        first_threaded = pool.submit(ml_dsa_65_first_invalid, parts, self._threads)
        return _Begun(list(claims), threaded, others, first_threaded, first_other)
