"""The slots of the contraction at its end point (section 11).

e is computed here; the model's and the witness's part of a, and b, become claims.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.argument import points
from tests.spec.proof.argument.functional import ModelFunctional
from tests.spec.proof.argument.points import RelationPoints, last, outer, plain
from tests.spec.proof.argument.products import EndPoint
from tests.spec.proof.argument.residual import Residual
from tests.spec.proof.arithmetic.field import ZERO, Ext
from tests.spec.proof.arithmetic.multilinear import Point, eq_index, eq_points, eq_table
from tests.spec.proof.decoding import shape
from tests.spec.proof.decoding.model_layout import Matrix
from tests.spec.proof.decoding.shape import Name
from tests.spec.proof.decoding.witness_layout import LayerColumns, Norm, Site, WitnessLayout
from tests.spec.proof.parameters import bits

FOLDED = ("q", "k", "up", "u")
"""Final values of a layer that the contraction proves, in the order of their weights."""


def folded_values(layers: int, has_head: bool = True) -> list[Name]:
    """All final values that the contraction proves, in the order of mu's powers."""
    per_layer = [(layer, name) for layer in range(layers) for name in FOLDED]
    gained = [(layer, f"{n}.gained") for layer in range(layers) for n in ("norm1", "norm2")]
    return [*per_layer, *gained, *([(layers, "norm.gained")] if has_head else [])]


@dataclass(frozen=True)
class Context:
    """What the slots are made of."""

    layout: WitnessLayout
    p: RelationPoints
    q: EndPoint
    weights: list[list[Ext]]
    mu: dict[Name, Ext]
    """Weights of the folded final values."""
    end: Point


class Slots:
    """e, and the functionals behind a and b."""

    def __init__(self, context: Context) -> None:
        self._c, self._d = context, context.layout.d
        self.e = ZERO
        self.a_model = ModelFunctional()
        self.a_witness = Residual(context.layout)
        self.b = Residual(context.layout)
        self._offsets = shape.slot_offsets(self._d, context.layout.batch)
        for layer, columns in enumerate(context.layout.layers):
            self._layer(layer, columns)
        behind = len(self._d.layers)
        final = context.layout.final_norm
        if final is not None:
            self._gain((behind, "Gain norm"), context.layout.model.final_gain, behind)
            self._logits((behind, "Logits"), final)

    def _open(self, name: Name) -> tuple[Ext, Point]:
        """A slot's factor and inner point at the end of the contraction."""
        offset, size = self._offsets[name]
        high = self._c.end[: len(self._c.end) - size]
        return eq_index(high, offset >> size), last(self._c.end, size)

    def _matrix_slot(
        self, name: Name, parts: list[tuple[Ext, Matrix, list[Ext]]], site: Site | None, row: Point
    ) -> tuple[Ext, list[Ext]]:
        """A sum over inputs: e is 1, a the matrices under weights of outputs, b a site's output."""
        factor, inner = self._open(name)
        inputs = eq_table(inner, parts[0][1].inputs)
        self.e = self.e + factor
        for weight, matrix, outputs in parts:
            self.a_model.add_matrix(factor * weight, matrix, outputs, inputs)
        if site is not None:
            self.b.add_output(factor, site, inputs, row)
        return factor, inputs

    def _layer(self, layer: int, columns: LayerColumns) -> None:
        c, d, p, q = self._c, self._d, self._c.p, self._c.q
        matrices, w = c.layout.model.matrices[layer], c.weights[layer]
        mu = {name: c.mu[layer, name] for name in FOLDED}
        rotated = points.channels(d, q.half, q.pair)
        query = outer(points.heads(d, p.kv, p.member), rotated)
        key = outer(eq_table(p.kv, d.kv_heads), rotated)
        h1, h2 = columns.norms[0].site, columns.norms[1].site
        query_key = [(mu["q"], matrices["q"], query), (mu["k"], matrices["k"], key)]
        self._matrix_slot((layer, "QueryKey"), query_key, h1, q.row)
        for slot, weight, name, site in (
            ("Value", w[8], "v", h1),
            ("Output", w[15], "o", None),
            ("Gate", w[16], "gate", h2),
            ("Down", w[18], "down", columns.z),
        ):
            outputs = plain(p.col, matrices[name].outputs)
            part = [(-weight, matrices[name], outputs)]
            factor, inputs = self._matrix_slot((layer, slot), part, site, p.row)
            if site is None:
                self.b.witness.add(factor, ((1, columns.o),), inputs, p.row)
        up = [(mu["up"], matrices["up"], plain(q.col, d.hidden))]
        self._matrix_slot((layer, "Up"), up, h2, q.row)
        self._score(layer, columns, mu["u"])
        self._weighted(layer, columns, w[13])
        gain1, gain2 = c.layout.model.gains[layer]
        self._gain((layer, "Gain norm1"), gain1, layer)
        self._gain((layer, "Gain norm2"), gain2, layer, after_attention=True)

    def _score(self, layer: int, columns: LayerColumns, mu: Ext) -> None:
        """u = q.k over the channels, for each key head and sequence."""
        d, q = self._d, self._c.q
        factor, inner = self._open((layer, "Score"))
        kv, channel, seq = self._split(inner, bits(d.kv_heads), bits(d.head_dim))
        self.e = self.e + factor * mu * eq_points(q.kv, kv) * eq_points(q.sequence, seq)
        channels = eq_table(channel, d.head_dim)
        query = outer(points.heads(d, kv, q.member), channels)
        key = outer(eq_table(kv, d.kv_heads), channels)
        self.a_witness.add_output(factor, columns.q, query, [*seq, *q.position])
        self.b.add_output(factor, columns.k, key, [*seq, *q.key])

    def _weighted(self, layer: int, columns: LayerColumns, weight: Ext) -> None:
        """N = sum_j E v, for each key head and sequence."""
        d, p, batch = self._d, self._c.p, self._c.layout.batch
        factor, inner = self._open((layer, "Weighted"))
        kv, seq, key = self._split(inner, bits(d.kv_heads), batch.sequence_bits)
        sequence, position = p.row[: batch.sequence_bits], p.row[batch.sequence_bits :]
        same = eq_points(p.kv, kv) * eq_points(sequence, seq)
        self.e = self.e + factor * 2 * weight * same
        exp = outer(points.heads(d, kv, p.member), eq_table(key))
        self.a_witness.witness.add(factor, ((1, columns.exp),), exp, [*seq, *position])
        value = outer(eq_table(kv, d.kv_heads), points.channels(d, p.half, p.pair))
        self.b.add_output(factor, columns.v, value, [*seq, *key])

    def _gain(self, name: Name, start: int, layer: int, after_attention: bool = False) -> None:
        """The sum over columns of eq gain x."""
        d, p, q = self._d, self._c.p, self._c.q
        factor, inner = self._open(name)
        layer_of, slot = name
        mu = self._c.mu[layer_of, f"{slot.removeprefix('Gain ')}.gained"]
        self.e = self.e + factor * mu * eq_points(last(p.col, len(inner)), inner)
        columns = eq_table(inner, d.dim)
        self.a_model.add_range(factor, start, columns)
        self.b.add_x(factor, layer, after_attention, columns, q.row)

    def _logits(self, name: Name, final: Norm) -> None:
        c, d = self._c, self._d
        vocab = eq_table(c.p.vocab, d.vocab)
        parts = [(c.weights[len(d.layers)][28], c.layout.model.lm_head, vocab)]
        factor, inputs = self._matrix_slot(name, parts, None, c.p.row)
        answers = c.layout.batch.answers
        rows: dict[int, Ext] = {}
        for weight, answer in zip(eq_table(c.p.answer, len(answers)), answers, strict=True):
            rows[answer.row] = rows.get(answer.row, ZERO) + weight
        self.b.add_output(factor, final.site, inputs, rows, row_total=sum(rows.values(), ZERO))

    @staticmethod
    def _split(inner: Point, first: int, second: int) -> tuple[Point, Point, Point]:
        return inner[:first], inner[first : first + second], inner[first + second :]
