"""Linear functionals of the two polynomials, and their weights at a point.

A weight polynomial takes at each cell the weight of that cell; a sumcheck of claims asks for its
value at one point. Terms are kept as they come and summed only there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.spec.proof.arithmetic.field import ZERO, Ext, dot, ext_sum
from tests.spec.proof.arithmetic.multilinear import EqRange, Point, eq_points, eq_table
from tests.spec.proof.decoding.model_layout import Matrix
from tests.spec.proof.decoding.witness_layout import Tensor, WitnessLayout

Combination = Sequence[tuple[int, Tensor]]
"""Tensors of one shape with integer factors."""
Rows = Point | Mapping[int, Ext]
"""Weights of rows: those of eq at a point, or one by one."""


def limbs(tensors: Sequence[Tensor]) -> Combination:
    """A number in limbs of 16 bits, lowest first."""
    return tuple((1 << 16 * i, tensor) for i, tensor in enumerate(tensors))


def scaled(factor: int, parts: Combination) -> Combination:
    return tuple((factor * own, tensor) for own, tensor in parts)


@dataclass(frozen=True)
class _ColumnTerm:
    factor: Ext
    tensor: Tensor
    columns: Sequence[Ext]
    rows: Rows


class WitnessFunctional:
    """A weighted sum of the witness's cells."""

    def __init__(self, layout: WitnessLayout) -> None:
        self._layout = layout
        self._terms: list[_ColumnTerm] = []
        self._multiplicities: list[Ext] | None = None

    def add(self, factor: Ext, parts: Combination, columns: Sequence[Ext], rows: Rows) -> None:
        """Cell (column, row) of each part gets factor * own factor * columns * rows."""
        for own, tensor in parts:
            assert len(columns) == tensor.columns, "weights for another number of columns"
            self._terms.append(_ColumnTerm(factor * own, tensor, columns, rows))

    def add_multiplicities(self, weights: list[Ext]) -> None:
        self._multiplicities = weights

    def at(self, end: Point) -> Ext:
        """The weight polynomial at a point."""
        high: dict[int, EqRange] = {}
        rows: dict[tuple[int, int], Ext] = {}
        total = ZERO
        for term in self._terms:
            row_bits = term.tensor.row_bits
            split = len(end) - row_bits
            if row_bits not in high:
                high[row_bits] = EqRange(end[:split])
            key = row_bits, id(term.rows)
            if key not in rows:
                rows[key] = _rows_at(term.rows, end[split:])
            columns = high[row_bits].dot(term.tensor.first, term.columns)
            total = total + term.factor * columns * rows[key]
        if self._multiplicities is not None:
            cells = EqRange(end)
            total = total + cells.dot(self._layout.multiplicities, self._multiplicities)
        return total


def _rows_at(rows: Rows, end: Point) -> Ext:
    if isinstance(rows, Mapping):
        table = eq_table(end)
        return ext_sum(weight * table[row] for row, weight in rows.items())
    return eq_points(rows, end)


@dataclass(frozen=True)
class _MatrixTerm:
    factor: Ext
    matrix: Matrix
    outputs: Sequence[Ext]
    inputs: Sequence[Ext]


@dataclass(frozen=True)
class _RangeTerm:
    factor: Ext
    start: int
    weights: Sequence[Ext]


class ModelFunctional:
    """A weighted sum of the model's cells."""

    def __init__(self) -> None:
        self._matrices: list[_MatrixTerm] = []
        self._ranges: list[_RangeTerm] = []

    def add_matrix(
        self, factor: Ext, matrix: Matrix, outputs: Sequence[Ext], inputs: Sequence[Ext]
    ) -> None:
        """Weff[output][input] gets factor * outputs * inputs."""
        assert len(outputs) == matrix.outputs
        assert len(inputs) == matrix.inputs
        self._matrices.append(_MatrixTerm(factor, matrix, outputs, inputs))

    def add_range(self, factor: Ext, start: int, weights: Sequence[Ext]) -> None:
        """Cells from `start` on get factor * weights."""
        self._ranges.append(_RangeTerm(factor, start, weights))

    def at(self, end: Point) -> Ext:
        """The weight polynomial at a point."""
        total = ZERO
        high: dict[int, EqRange] = {}
        for term in self._matrices:
            for piece in term.matrix.pieces:
                split = len(end) - piece.bits
                inputs = term.inputs[piece.first_input : piece.first_input + (1 << piece.bits)]
                inner = term.factor * dot(eq_table(end[split:]), inputs)
                if split not in high:
                    high[split] = EqRange(end[:split])
                outputs = high[split].dot(piece.start >> piece.bits, term.outputs)
                total = total + inner * outputs
        cells = EqRange(end)
        for part in self._ranges:
            total = total + part.factor * cells.dot(part.start, part.weights)
        return total
