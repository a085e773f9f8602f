"""Checking many signatures across processes, for schemes that hold the interpreter's lock."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from types import TracebackType
from typing import Final

from esper.crypto.signatures import SequentialVerifier, SignatureClaim

DEFAULT_THRESHOLD: Final = 64
"""Shorter lists are checked in the caller's process: 64 checks take about 15 ms, and sending them
and waking the workers is not much cheaper."""

CHUNK: Final = 32
"""Claims a worker takes at a time: about 7 ms of work and 250 kB of pickles."""


class VerifierClosedError(RuntimeError):
    """The verifier was used before it was opened or after it was closed."""


def _first_invalid_in_chunk(claims: tuple[SignatureClaim, ...]) -> int | None:
    return SequentialVerifier().first_invalid(claims)


class ProcessVerifier:
    """A SignatureVerifier on worker processes. Open it, or use it in a ``with`` statement.

    Workers are spawned, never forked, and start with the first long list. One that dies makes
    ``first_invalid`` raise BrokenProcessPool: it never turns into a verdict.
    """

    def __init__(self, workers: int, threshold: int = DEFAULT_THRESHOLD) -> None:
        """``workers`` >= 1 processes for lists of ``threshold`` claims and more."""
        if workers < 1:
            raise ValueError(f"{workers} workers, must be at least 1")
        self._workers = workers
        self._threshold = threshold
        self._begun: tuple[list[SignatureClaim], Iterator[int | None]] | None = None
        self._pool: ProcessPoolExecutor | None = None

    def open(self) -> None:
        """Make the verifier usable. Opening an open one changes nothing."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(self._workers, mp_context=get_context("spawn"))

    def close(self) -> None:
        """End the workers and wait for them. Closing a closed one changes nothing."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def __enter__(self) -> "ProcessVerifier":
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
        """Let the workers begin with claims that ``first_invalid`` will soon be asked about.

        It is a hint: other claims than these are checked all the same, and short lists are not sent
        anywhere. Raises VerifierClosedError.
        """
        if self._pool is None:
            raise VerifierClosedError("open the signature verifier before using it")
        self._begun = None
        if len(claims) >= self._threshold:
            self._begun = list(claims), self._found(self._pool, claims)

    def first_invalid(self, claims: Sequence[SignatureClaim]) -> int | None:
        """The index of the first claim that does not hold, None if all do.

        Raises VerifierClosedError, and BrokenProcessPool if a worker died.
        """
        if self._pool is None:
            raise VerifierClosedError("open the signature verifier before using it")
        if len(claims) < self._threshold:
            return SequentialVerifier().first_invalid(claims)
        begun, self._begun = self._begun, None
        if begun is not None and begun[0] == list(claims):
            found = begun[1]
        else:
            found = self._found(self._pool, claims)
        # ``map`` keeps the order, so the first chunk with a failure holds the first failure.
        for start, index in zip(range(0, len(claims), CHUNK), found, strict=True):
            if index is not None:
                return start + index
        return None

    @staticmethod
    def _found(pool: ProcessPoolExecutor, claims: Sequence[SignatureClaim]) -> Iterator[int | None]:
        """Per chunk the place of its first failure; the workers begin at once."""
        starts = range(0, len(claims), CHUNK)
        chunks = [tuple(claims[start : start + CHUNK]) for start in starts]
        return pool.map(_first_invalid_in_chunk, chunks)
