"""The bytes of an opening (section 13)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.opening.merkle import Row
from tests.spec.proof.opening.schedule import Schedule
from tests.spec.proof.parameters import DIGEST_BYTES

_COUNT_BYTES = 4


@dataclass(frozen=True)
class Queries:
    """Rows of a codeword, in the order in which they were drawn, and what leads to its root."""

    work: int
    rows: Sequence[Row]
    siblings: list[bytes]


@dataclass(frozen=True)
class Round:
    """A new codeword, queries to the one before, a fold."""

    root: bytes
    outside: Ext
    """The new polynomial at a point out of its domain."""
    queries: Queries
    fold: list[list[Ext]]


@dataclass(frozen=True)
class Opening:
    """All that an opening carries."""

    outside: Ext
    fold: list[list[Ext]]
    rounds: list[Round]
    last: list[Ext]
    """The values of the last polynomial."""
    last_queries: Queries
    last_fold: list[list[Ext]]


def decode(data: bytes, schedule: Schedule) -> Opening:
    """Raises MalformedError for bytes of another form."""
    reader = Reader(data)
    outside, fold = reader.ext(), reader.rounds(schedule.phases[0].fold, 2)
    rounds = []
    for index in range(len(schedule.phases) - 1):
        root, at_point = reader.digest(), reader.ext()
        queries = _queries(reader, schedule, index)
        next_fold = reader.rounds(schedule.phases[index + 1].fold, 2)
        rounds.append(Round(root, at_point, queries, next_fold))
    last = reader.exts(1 << schedule.last_vars)
    last_queries = _queries(reader, schedule, len(schedule.phases) - 1)
    last_fold = reader.rounds(schedule.last_vars, 2)
    reader.end()
    return Opening(outside, fold, rounds, last, last_queries, last_fold)


def _queries(reader: Reader, schedule: Schedule, index: int) -> Queries:
    count, width = schedule.phases[index].queries, schedule.row_length(index)
    work = reader.element()
    rows: Sequence[Row]
    if index == 0:
        rows = [reader.elements(width) for _ in range(count)]
    else:
        rows = [reader.exts(width) for _ in range(count)]
    siblings = reader.unsigned(_COUNT_BYTES)
    # No more than are there: a count is read before what it counts.
    reader.need(siblings * DIGEST_BYTES)
    return Queries(work, rows, reader.digests(siblings))
