"""Random points for each kind of index, and the weights they give to columns (section 10)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.arithmetic.multilinear import Point, eq_table
from tests.spec.proof.arithmetic.transcript import Transcript
from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.shape import column_vars
from tests.spec.proof.decoding.statement import Batch
from tests.spec.proof.parameters import bits


@dataclass(frozen=True)
class RelationPoints:
    """p: where the relations are taken."""

    col: Point
    row: Point
    kv: Point
    member: Point
    half: Point
    pair: Point
    key: Point
    vocab: Point
    answer: Point


def draw(transcript: Transcript, d: Descriptor, batch: Batch) -> RelationPoints:
    """The points in their order."""
    return RelationPoints(
        col=transcript.point(column_vars(d)),
        row=transcript.point(batch.row_bits),
        kv=transcript.point(bits(d.kv_heads)),
        member=transcript.point(bits(d.group)),
        half=transcript.point(1),
        pair=transcript.point(bits(d.pairs)),
        key=transcript.point(batch.position_bits),
        vocab=transcript.point(bits(d.vocab)),
        answer=transcript.point(batch.answer_bits),
    )


def last(point: Point, count: int) -> Point:
    """The last coordinates."""
    return point[len(point) - count :]


def plain(col: Point, columns: int) -> list[Ext]:
    """Of n plain columns, under the last coordinates of a point."""
    return eq_table(last(col, bits(columns)), columns)


def heads(d: Descriptor, kv: Point, member: Point) -> list[Ext]:
    """Of query heads: each digit by itself."""
    outer, inner = eq_table(kv, d.kv_heads), eq_table(member, d.group)
    return [a * b for a in outer for b in inner]


def channels(d: Descriptor, half: Point, pair: Point) -> list[Ext]:
    """Of the channels of a head."""
    outer, inner = eq_table(half), eq_table(pair, d.pairs)
    return [a * b for a in outer for b in inner]


def outer(left: list[Ext], right: list[Ext]) -> list[Ext]:
    """Of columns with two digits, the left one more significant."""
    return [a * b for a in left for b in right]
