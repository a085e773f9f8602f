"""Checking many signatures across processes, for schemes that hold the interpreter's lock."""

import errno
import logging
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Final

from esper.crypto.signatures import SequentialVerifier, SignatureClaim
from esper.saying import warn

DEFAULT_THRESHOLD: Final = 64
"""Shorter lists are checked in the caller's process: 64 checks take about 15 ms, and sending them
and waking the workers is not much cheaper."""

CHUNK: Final = 32
"""Claims a worker takes at a time: about 7 ms of work and 250 kB of pickles."""


LOG: Final = logging.getLogger("esper.node")
_OF_FILES: Final = frozenset({errno.EMFILE, errno.ENFILE})
"""Nothing is wrong with the shared memory then."""


class SharedMemoryError(Exception):
    """Processes cannot share locks on this machine: where those lie, and what the system says."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"/dev/shm cannot be used: {reason}; worker processes keep their locks there: mount a "
            "writable tmpfs with some free space on it"
        )


class VerifierClosedError(RuntimeError):
    """The verifier was used before it was opened or after it was closed."""


def _first_invalid_in_chunk(claims: tuple[SignatureClaim, ...]) -> int | None:
    return SequentialVerifier().first_invalid(claims)


@dataclass(frozen=True, slots=True)
class Checking:
    """A list that is being checked, like a future."""

    claims: tuple[SignatureClaim, ...]
    """All of it."""
    chunks: "tuple[Future[int | None], ...]"
    """Per chunk the place of its first failure; none of a list that no worker was sent."""

    def result(self) -> int | None:
        """The index of the first claim that does not hold, None if all do.

        A list that stayed here is checked now, and so is one whose workers died: that never turns
        into a verdict. Raises CancelledError if the workers were closed meanwhile.
        """
        if not self.chunks:
            return SequentialVerifier().first_invalid(self.claims)
        try:
            # In their order, so the first chunk with a failure holds the first failure.
            for start, chunk in zip(range(0, len(self.claims), CHUNK), self.chunks, strict=True):
                index = chunk.result()
                if index is not None:
                    return start + index
            return None
        except BrokenProcessPool as error:
            warn(
                LOG,
                "signature_process_died",
                "a process that checks signatures died: {error}; checking them here",
                error=str(error),
            )
            return SequentialVerifier().first_invalid(self.claims)
        finally:
            self.cancel()

    def cancel(self) -> None:
        """Nobody will ask: what no worker has begun stays undone."""
        for chunk in self.chunks:
            chunk.cancel()


class SignatureProcesses:
    """Worker processes, spawned, never forked, that start with the first long list."""

    def __init__(self, workers: int, threshold: int = DEFAULT_THRESHOLD) -> None:
        """``workers`` >= 1 processes for lists of ``threshold`` claims and more."""
        if workers < 1:
            raise ValueError(f"{workers} workers, must be at least 1")
        self._workers = workers
        self._threshold = threshold
        self._pool: ProcessPoolExecutor | None = None

    def open(self) -> None:
        """Make them usable. Opening open ones changes nothing.

        Raises SharedMemoryError and OSError.
        """
        if self._pool is None:
            self._pool = self._new_pool()

    def _new_pool(self) -> ProcessPoolExecutor:
        context = get_context("spawn")
        try:
            # The pool makes several, and would say of none where it lies.
            context.Lock()
        except (ImportError, NotImplementedError) as error:
            raise SharedMemoryError(str(error)) from error
        except OSError as error:
            if error.errno in _OF_FILES:
                raise
            raise SharedMemoryError(error.strerror or str(error)) from error
        return ProcessPoolExecutor(self._workers, mp_context=context)

    def close(self) -> None:
        """End the workers and wait for them. Closing closed ones changes nothing."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def start(self, claims: Sequence[SignatureClaim]) -> Checking:
        """Begin to check a list; a short one stays here until its result is asked for.

        Raises VerifierClosedError.
        """
        if self._pool is None:
            raise VerifierClosedError("open the signature verifier before using it")
        kept, pool = tuple(claims), self._pool
        if len(kept) < self._threshold:
            return Checking(kept, ())
        starts = range(0, len(kept), CHUNK)
        try:
            chunks = [pool.submit(_first_invalid_in_chunk, kept[at : at + CHUNK]) for at in starts]
        except (RuntimeError, OSError) as error:
            # They died with an earlier list, or cannot be started: no memory, no descriptors.
            warn(
                LOG,
                "no_signature_process",
                "no process checks signatures: {error}; checking them here",
                error=str(error),
            )
            self._start_over(pool)
            return Checking(kept, ())
        return Checking(kept, tuple(chunks))

    def _start_over(self, pool: ProcessPoolExecutor) -> None:
        """Other workers for the next list, if there can be any; the old pool takes no more."""
        pool.shutdown(wait=False, cancel_futures=True)
        try:
            fresh = self._new_pool()
        except (OSError, SharedMemoryError) as error:
            # The old one refuses every list at once, so that each is checked here.
            warn(
                LOG,
                "signature_processes_not_restarted",
                "processes that check signatures cannot be started again: {error}",
                error=str(error),
            )
            return
        if self._pool is pool:
            self._pool = fresh
        else:
            fresh.shutdown()
