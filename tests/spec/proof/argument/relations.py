"""The linear part of the relations, and their constant (section 10)."""

from __future__ import annotations

from tests.spec.proof import parameters as p
from tests.spec.proof.argument import points
from tests.spec.proof.argument.functional import Combination, Rows, WitnessFunctional, limbs, scaled
from tests.spec.proof.argument.points import RelationPoints, outer, plain
from tests.spec.proof.arithmetic.field import ONE, ZERO, Ext, ext_sum, powers
from tests.spec.proof.arithmetic.multilinear import eq_table
from tests.spec.proof.decoding import shape
from tests.spec.proof.decoding.tables import top
from tests.spec.proof.decoding.witness_layout import LayerColumns, Norm, Site, Tensor, WitnessLayout

ONE_COLUMN = [ONE]


def relation_weights(gamma: Ext, layers: int) -> list[list[Ext]]:
    """gamma^(30 l + i) for the layers, for what stands behind the last, and for the residual."""
    per = p.RELATIONS_PER_LAYER
    flat = powers(gamma, per * (layers + 1) + 1)
    return [flat[start : start + per] for start in range(0, len(flat), per)]


class Relations:
    """The functional whose value the prover sends as `linear`, and the constant."""

    def __init__(
        self, layout: WitnessLayout, point: RelationPoints, weights: list[list[Ext]]
    ) -> None:
        self._layout, self._d, self._point = layout, layout.d, point
        self.functional = WitnessFunctional(layout)
        self.constant = ZERO
        d = self._d
        self._heads = points.heads(d, point.kv, point.member)
        channels = points.channels(d, point.half, point.pair)
        self._query = outer(self._heads, channels)
        self._key = outer(eq_table(point.kv, d.kv_heads), channels)
        self._of_channels = ext_sum(channels)
        for index, columns in enumerate(layout.layers):
            self._layer(index, columns, weights[index])
        if layout.final_norm is not None:
            behind = weights[len(d.layers)]
            self._norm(layout.final_norm, behind[0:3], behind[19])
            self._answers(behind[28], behind[29])

    def _add(
        self, weight: Ext, parts: Combination, columns: list[Ext], rows: Rows | None = None
    ) -> None:
        self.functional.add(weight, parts, columns, self._point.row if rows is None else rows)

    def _constant(self, weight: Ext, value: int, columns: list[Ext]) -> None:
        self.constant = self.constant + weight * value * ext_sum(columns)

    def _site(self, weight: Ext, clamp_weight: Ext, site: Site, columns: list[Ext]) -> None:
        shift = site.shift
        self._add(weight, scaled(1 << shift, site.w), columns)
        self._add(weight, limbs(site.limbs), columns)
        rounding = (site.w_constant << shift) - (1 << (shift - 1))
        self._constant(weight, rounding, columns)
        if site.f is None or site.sigma is None:
            return
        self._add(weight, (((1 << shift) * ((1 << site.bits) - 1), site.f),), columns)
        # The clamp's relation stands at plain columns, for q and k too.
        clamped = plain(self._point.col, site.columns)
        self._add(clamp_weight, site.y, clamped)
        self._add(clamp_weight, scaled(-1, site.w), clamped)
        self._add(clamp_weight, ((-top(site.bits), site.sigma),), clamped)
        self._constant(clamp_weight, site.y_constant - site.w_constant, clamped)

    def _norm(self, norm: Norm, weights: list[Ext], clamp_weight: Ext) -> None:
        square, limbed, rounding = weights
        self._add(square, limbs(norm.rem), ONE_COLUMN)
        self._constant(square, -(self._d.eps_term << self._d.t0), ONE_COLUMN)
        self._complement(limbed, ((1, norm.p),), norm.rem, norm.complement, ONE_COLUMN)
        columns = plain(self._point.col, norm.site.columns)
        self._site(rounding, clamp_weight, norm.site, columns)

    def _complement(
        self,
        weight: Ext,
        bound: Combination,
        rem: tuple[Tensor, ...],
        complement: tuple[Tensor, ...],
        columns: list[Ext],
    ) -> None:
        """A bound minus 1 minus the remainder in limbs of its own."""
        self._add(weight, bound, columns)
        self._remainders(weight, rem, complement, columns)

    def _remainders(
        self,
        weight: Ext,
        rem: tuple[Tensor, ...],
        complement: tuple[Tensor, ...],
        columns: list[Ext],
    ) -> None:
        self._constant(weight, -1, columns)
        self._add(-weight, limbs(rem), columns)
        self._add(-weight, limbs(complement), columns)

    def _layer(self, index: int, columns: LayerColumns, w: list[Ext]) -> None:
        d, point = self._d, self._point
        clamps = dict(zip(shape.CLAMPED_SITES, w[shape.FIRST_CLAMP_RELATION :], strict=False))
        self._norm(columns.norms[0], w[0:3], clamps["norm1"])
        self._norm(columns.norms[1], w[3:6], clamps["norm2"])
        self._site(w[6], clamps["q"], columns.q, self._query)
        self._site(w[7], clamps["k"], columns.k, self._key)
        self._site(w[8], clamps["v"], columns.v, plain(point.col, d.key_width))
        self._constant(w[12], -1, self._heads)
        # Z = sum_j E, the same for every channel of a head.
        positions = range(self._layout.batch.positions)
        sums = [head * self._of_channels for head in self._heads for _ in positions]
        self._add(w[13] + w[14] + w[14], ((1, columns.exp),), sums)
        self._add(-w[13], limbs(columns.rem), self._query)
        self._remainders(w[14], columns.rem, columns.complement, self._query)
        self._site(w[15], clamps["o"], columns.o_update, plain(point.col, d.dim))
        hidden = plain(point.col, d.hidden)
        self._site(w[16], clamps["gate"], columns.gate, hidden)
        self._site(w[17], clamps["z"], columns.z, hidden)
        self._site(w[18], clamps["down"], columns.down_update, plain(point.col, d.dim))

    def hand_on(self, weight: Ext, taken: Ext, handed: Ext) -> None:
        """The residual behind a part, less that before it, less all updates between them."""
        columns = plain(self._point.col, self._d.dim)
        self.constant = self.constant + weight * (handed - taken)
        for layer in self._layout.layers:
            for site in (layer.o_update, layer.down_update):
                self._add(-weight, site.y, columns)
                self._constant(-weight, site.y_constant, columns)

    def _answers(self, logits: Ext, listed: Ext) -> None:
        """The slack of every logit below the last listed one; none for those on the list."""
        point, slack = self._point, limbs(self._layout.slack)
        vocab = eq_table(point.vocab, self._d.vocab)
        answers = self._layout.batch.answers
        rows = dict(enumerate(eq_table(point.answer, len(answers))))
        self._add(logits, slack, vocab, rows)
        below = [ZERO]
        for weight in vocab:
            below.append(below[-1] + weight)
        for index, answer in enumerate(answers):
            last_id, last_logit = answer.last
            bound = below[-1] * last_logit - below[last_id]
            for token, logit in answer.top:
                bound = bound + vocab[token] * (logit - last_logit + (token < last_id))
            self.constant = self.constant - logits * rows[index] * bound
            on_list = [ZERO] * self._d.vocab
            for token, _ in answer.top:
                on_list[token] = ONE
            self._add(listed, slack, on_list, {index: rows[index]})
