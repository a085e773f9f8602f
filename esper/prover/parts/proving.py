"""Proving part after part, or several at once in processes: each has its own layers alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as AbstractSequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Final

from esper.primitives.ids import ModelId
from esper.prover.errors import ProvingError
from esper.prover.parts.planning import COMMITTED, PROVEN, READ, proving_order, told
from esper.prover.proving import release_memory
from esper.prover.statement import Statement

if TYPE_CHECKING:
    from esper._native import PartKey

Tell = Callable[[str], None]
_PROCESSORS: Final = "RAYON_NUM_THREADS"


@dataclass(frozen=True, slots=True)
class Outline:
    """A part of a model that was checked as a whole."""

    descriptor: bytes
    """Without its root."""
    integers: bytes
    """64 bytes: hash of the integers that are to be found in the folder."""


@dataclass(frozen=True, slots=True)
class ReadyParts:
    """All that parts need of each other; the whole model is needed no more."""

    directory: Path
    """Folder of the model."""
    outlines: tuple[Outline, ...]
    unnamed: Statement
    """The statement, with zeros for the model's id."""
    residuals: tuple[bytes, ...]
    """Packed, between the parts: one less than parts."""

    def named(self, model_id: ModelId) -> Statement:
        """The statement."""
        return replace(self.unnamed, model_id=model_id)


def prove_ready(
    ready: ReadyParts, *, workers: int = 1, done: Tell | None = None
) -> tuple[Statement, bytes]:
    """Prove all parts; the statement's model id is that of the model in these parts.

    Args:
        ready: of :meth:`CutModel.ready`.
        workers: parts that are proven at the same time, each in a process of its own.
        done: hears the name of every stage that is over, as the plan has them.

    Raises:
        ProvingError: a part does not bear the statement out, or a worker ended.
        OSError: a file of the model cannot be read.
    """
    from esper._native import join_parts, parts_id

    tell = done or (lambda stage: None)
    prove_all = _one_by_one if min(workers, len(ready.outlines)) == 1 else _in_processes
    try:
        descriptors, proofs, statement = prove_all(ready, workers, tell)
    except BrokenProcessPool as error:
        raise ProvingError(
            "a worker ended before its segment was proven; if memory ran out, fewer --workers or "
            "more --segments help"
        ) from error
    except (ValueError, OverflowError) as error:
        raise ProvingError(str(error)) from error
    assert statement.model_id == parts_id(descriptors)
    return statement, join_parts(descriptors, ready.residuals, proofs)


Proven = tuple[list[bytes], list[bytes], Statement]
"""Descriptors of all parts, their proofs, what they show."""


def _one_by_one(ready: ReadyParts, _workers: int, tell: Tell) -> Proven:
    from esper._native import PartKey, parts_id

    count = len(ready.outlines)
    descriptors: list[bytes] = []
    key: PartKey | None = None
    for index, outline in enumerate(ready.outlines):
        # Two keys at once would be twice the memory.
        key = None
        release_memory()
        key = PartKey(ready.directory, outline.descriptor, outline.integers)
        descriptors.append(key.descriptor)
        tell(told(index, count, COMMITTED))
    statement = ready.named(ModelId(parts_id(descriptors)))
    proofs = [b""] * count
    for index in proving_order(count):
        if key is None:
            release_memory()
            key = PartKey(ready.directory, descriptors[index], ready.outlines[index].integers)
            tell(told(index, count, READ))
        proofs[index] = key.prove(
            statement.model_id,
            statement.binding,
            statement.shape(),
            statement.fields(),
            descriptors,
            ready.residuals,
            _of_part(tell, index, count),
        )
        key = None
    return descriptors, proofs, statement


def _of_part(tell: Tell, index: int, count: int) -> Tell:
    return lambda stage: tell(told(index, count, stage))


def _in_processes(ready: ReadyParts, workers: int, tell: Tell) -> Proven:
    from esper._native import parts_id

    count = len(ready.outlines)
    with _pool(min(workers, count)) as pool:
        named = [pool.submit(committed, ready.directory, outline) for outline in ready.outlines]
        descriptors = _gathered(named, tell, COMMITTED)
        statement = ready.named(ModelId(parts_id(descriptors)))
        work = (ready.directory, statement, descriptors, ready.residuals)
        proving = [
            pool.submit(_proven, index, outline.integers, *work)
            for index, outline in enumerate(ready.outlines)
        ]
        return descriptors, _gathered(proving, tell, PROVEN), statement


def _gathered(tasks: Iterable[Future[bytes]], tell: Tell, stage: str) -> list[bytes]:
    """Results in the order of the parts; told is how many are there."""
    listed = list(tasks)
    for number, task in enumerate(as_completed(listed)):
        task.result()
        tell(told(number, len(listed), stage))
    return [task.result() for task in listed]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (threads,))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(threads: int) -> None:
    """In a worker: its share of the processors; ctrl-C ends it at once."""
    os.environ[_PROCESSORS] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def committed(directory: Path, outline: Outline) -> bytes:
    """The descriptor of a part, root included.

    Raises ValueError, also for other integers than were checked, and OSError.
    """
    from esper._native import PartKey

    found = PartKey(directory, outline.descriptor, outline.integers).descriptor
    release_memory()
    return found


def _proven(
    index: int,
    integers: bytes,
    directory: Path,
    statement: Statement,
    descriptors: AbstractSequence[bytes],
    residuals: AbstractSequence[bytes],
) -> bytes:
    from esper._native import PartKey

    key = PartKey(directory, descriptors[index], integers)
    proof = key.prove(
        statement.model_id,
        statement.binding,
        statement.shape(),
        statement.fields(),
        descriptors,
        residuals,
    )
    del key
    release_memory()
    return proof
