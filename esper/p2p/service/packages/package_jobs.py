"""The store of packages in threads: for the machine's jobs, and for chunks that peers ask for.

A package is called by one thread at a time; packages do not wait for each other.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import trio

from esper.p2p.faults import Offence
from esper.p2p.packages import bits
from esper.p2p.packages.offers import Offers
from esper.p2p.packages.ports import (
    BeginPackage,
    FindPackage,
    KeepChunk,
    Known,
    PackageChunks,
    PackageErrors,
    PackageJob,
    PackageShelf,
)
from esper.p2p.service.answering import NotHere
from esper.p2p.verdicts import Failure
from esper.p2p.wire.talk_messages import REFUSED_UNKNOWN
from esper.primitives.errors.rule_violation import Consequence
from esper.saying import complain

LOG: Final = logging.getLogger("esper.network")
TELL_AGAIN_S: Final = 60.0
"""A disk that fails is told so often."""


class Offload(Protocol):
    """Does something beside the event loop."""

    def __call__(self, work: Callable[[], Any], /) -> Awaitable[Any]:
        """What ``work`` returns or raises."""


async def in_thread(work: Callable[[], Any]) -> Any:
    """In a thread of trio's."""
    return await trio.to_thread.run_sync(work)


@dataclass(frozen=True, slots=True)
class PackageSource:
    """The store of a node."""

    shelf: PackageShelf
    errors: PackageErrors
    """Whom its errors blame."""


class PackageJobs:
    """Does what the machine of packages asks for. A failure is a value."""

    def __init__(self, source: PackageSource, offers: Offers, offload: Offload) -> None:
        self._source = source
        self._offers = offers
        self._offload = offload
        self._locks: dict[bytes, trio.Lock] = {}
        self._chunks: dict[bytes, PackageChunks] = {}
        self._told_s = -TELL_AGAIN_S

    async def run(self, job: PackageJob) -> object:
        """The job's value, or a Failure. Raises nothing but Cancelled."""
        try:
            async with self._lock(job.root):
                return await self._run(job)
        except self._source.errors.wrong as error:
            return Failure(Consequence.WRONG_BYTES, Offence.BYTES, str(error))
        except self._source.errors.hopeless as error:
            return Failure(Consequence.INVALID, None, str(error))
        except Exception as error:
            return Failure.of_machine(error)

    async def read(self, root: bytes, index: int) -> bytes:
        """A chunk for a peer. Raises NotHere; one that cannot be read is offered no more."""
        chunks = self._chunks.get(root)
        if chunks is None:
            raise NotHere(REFUSED_UNKNOWN)
        try:
            async with self._lock(root):
                data: bytes = await self._offload(lambda: chunks.get(index))
        except Exception as error:
            self._offers.lost(root, index)
            self._complain(error)
            raise NotHere(REFUSED_UNKNOWN) from error
        return data

    def forget(self, root: bytes) -> None:
        """A package is neither wanted nor offered any more."""
        self._chunks.pop(root, None)
        lock = self._locks.get(root)
        if lock is not None and not lock.locked():
            del self._locks[root]

    async def _run(self, job: PackageJob) -> Known | None:
        shelf = self._source.shelf
        match job:
            case FindPackage():
                return await self._look(job.root, lambda: shelf.find(job.root))
            case BeginPackage():
                return await self._look(job.root, lambda: shelf.begin(job.root, job.digests))
            case KeepChunk():
                chunks = self._chunks[job.root]
                await self._offload(lambda: chunks.put(job.index, job.data))
                self._offers.gained(job.root, job.index)
                return None

    async def _look(self, root: bytes, find: Callable[[], PackageChunks | None]) -> Known | None:
        found = await self._offload(lambda: _looked(find()))
        if found is None:
            return None
        chunks: PackageChunks = found[0]
        known: Known = found[1]
        self._chunks[root] = chunks
        if root in self._offers:
            self._offers.put(root, chunks.digests, known.here)
        return known

    def _lock(self, root: bytes) -> trio.Lock:
        return self._locks.setdefault(root, trio.Lock())

    def _complain(self, error: Exception) -> None:
        now = trio.current_time()
        if now - self._told_s >= TELL_AGAIN_S:
            self._told_s = now
            complain(
                LOG,
                "package_unread",
                "a part of a model that a peer asked for could not be read: {reason}",
                reason=f"{type(error).__name__}: {error}",
            )


def _looked(chunks: PackageChunks | None) -> tuple[PackageChunks, Known] | None:
    """What is here of a package; in a thread, for it may look at each chunk."""
    if chunks is None:
        return None
    count, missing = chunks.digest_count(), list(chunks.missing())
    lacking = bits.set_of(missing, count)
    here = bits.everything(count) & ~lacking
    if missing == [0]:
        # Perhaps only the manifest may be put yet, and nothing is here.
        here = bits.set_of((one for one in range(count) if chunks.has(one)), count)
    return chunks, Known(count, lacking, here)
