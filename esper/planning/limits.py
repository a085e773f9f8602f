"""What a verifier refuses for its size: the limits of the proof's pages that a shape can break.

Section 17 of ``docs/proof.md`` and section 7 of ``docs/parts.md`` have all of them, and a test
compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from esper.model.config import Shape
from esper.planning.cells import Cells, Rows, Segment
from esper.planning.commitments import MAX_VARS, committed

MIN_ROWS: Final = 2
LIMITS: Final[Mapping[str, int]] = {
    "vocab": 1 << 18,
    "dim": 1 << 14,
    "hidden": 1 << 16,
    "heads": 1 << 8,
    "kv_heads": 1 << 8,
    "head_dim": 1 << 9,
    "max_seq": 1 << 16,
    "layers": 1 << 8,
    "layers times heads": 1 << 12,
    "cells": 1 << MAX_VARS,
    "rows": 1 << 14,
    "num_vars": MAX_VARS,
    "bytes of a proof": 1 << 22,
}
"""The most that a proof, or each part of one, may have, by the page's names."""
LIMITS_OF_PARTS: Final[Mapping[str, int]] = {
    "parts": 1 << 6,
    "layers of all parts": 1 << 10,
    "values of all residuals": 1 << 24,
    "bytes of a proof in parts": 1 << 26,
}
"""The most that all parts together may have, by the page's names."""


@dataclass(frozen=True, slots=True)
class Exceeded:
    """A limit that a plan breaks."""

    limit: str
    """By the page's name."""
    value: int
    """What the plan has."""
    most: int
    """What is allowed."""
    part: int | None
    """Which part, counted from 0; None if it is of all."""

    @property
    def times(self) -> float:
        """How many times what is allowed; of variables, their values."""
        if self.limit == "num_vars":
            return 2.0 ** (self.value - self.most)
        return self.value / self.most

    def __str__(self) -> str:
        where = "" if self.part is None else f" of segment {self.part + 1}"
        return f"`{self.limit}`{where}: {self.value:,}, at most {self.most:,}"


@dataclass(frozen=True, slots=True)
class Sized:
    """A segment with what it came to."""

    segment: Segment
    cells: Cells
    proof_bytes: int
    """Its own, without residuals."""


def exceeded(
    shape: Shape, sized: Sequence[Sized], rows: Rows, all_bytes: int
) -> tuple[Exceeded, ...]:
    """Every limit that a proof of these segments breaks, each for the segment that is worst."""
    found: dict[str, Exceeded] = {}
    for one in (*_of_model(shape, rows), *_of_segments(shape, sized)):
        before = found.get(one.limit)
        if one.value > one.most and (before is None or one.value > before.value):
            found[one.limit] = one
    if len(sized) > 1:
        values = {
            "parts": len(sized),
            "layers of all parts": shape.layers,
            "values of all residuals": (len(sized) - 1) * rows.committed * shape.dim,
            "bytes of a proof in parts": all_bytes,
        }
        for name, value in values.items():
            if value > LIMITS_OF_PARTS[name]:
                found[name] = Exceeded(name, value, LIMITS_OF_PARTS[name], None)
    return tuple(found.values())


def _of_model(shape: Shape, rows: Rows) -> Iterator[Exceeded]:
    values = {
        "vocab": shape.vocab,
        "dim": shape.dim,
        "hidden": shape.hidden,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "max_seq": shape.max_seq,
        "rows": rows.positions * rows.sequences,
    }
    for name, value in values.items():
        yield Exceeded(name, value, LIMITS[name], None)


def _of_segments(shape: Shape, sized: Sequence[Sized]) -> Iterator[Exceeded]:
    for index, one in enumerate(sized):
        values = {
            "layers": one.segment.layers,
            "layers times heads": one.segment.layers * shape.heads,
            "cells": one.cells.model,
            "num_vars": committed(one.cells.witness).variables,
            "bytes of a proof": one.proof_bytes,
        }
        for name, value in values.items():
            yield Exceeded(name, value, LIMITS[name], index if len(sized) > 1 else None)
