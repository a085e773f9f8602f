"""The claims that are left, added with powers of delta (section 12)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.argument import points
from tests.spec.proof.argument.functional import (
    Combination,
    ModelFunctional,
    Rows,
    WitnessFunctional,
    limbs,
    scaled,
)
from tests.spec.proof.argument.points import RelationPoints, outer, plain
from tests.spec.proof.argument.products import EndPoint, Values
from tests.spec.proof.argument.residual import Residual, Start
from tests.spec.proof.arithmetic.field import ONE, Ext, ext_sum
from tests.spec.proof.arithmetic.multilinear import eq_table
from tests.spec.proof.decoding import shape
from tests.spec.proof.decoding.shape import Name
from tests.spec.proof.decoding.witness_layout import LayerColumns, Norm, Site, WitnessLayout


@dataclass
class Claim:
    """A functional and its value, on the witness or on the model."""

    functional: WitnessFunctional | ModelFunctional
    value: Ext


class FinalClaims:
    """The claims on the final values of the products, in order."""

    def __init__(
        self,
        layout: WitnessLayout,
        p: RelationPoints,
        q: EndPoint,
        values: Values,
        start: Start,
    ) -> None:
        self._layout, self._d, self._p, self._q = layout, layout.d, p, q
        self._values, self._start = values, start
        self.claims: list[Claim] = []
        self._heads = points.heads(self._d, q.kv, q.member)
        self._keys = outer(self._heads, eq_table(q.key))
        # Folded embedding rows are kept by the identity of their weights.
        self._x_columns = plain(q.col, self._d.dim)
        for layer, columns in enumerate(layout.layers):
            self._layer(layer, columns)
        behind = len(self._d.layers)
        if layout.final_norm is not None:
            self._norm((behind, "norm"), layout.final_norm, behind, False)
            if "norm" in layout.modes.clamped:
                self._clamp((behind, "norm"), layout.final_norm.site)
        self._rotation((behind, "cos"), layout.model.cos)
        self._rotation((behind, "sin"), layout.model.sin)

    def _claim(
        self,
        name: Name,
        parts: Combination,
        columns: list[Ext],
        rows: Rows | None = None,
        constant: int = 0,
    ) -> None:
        residual = Residual(self._layout)
        residual.add(ONE, parts, constant, columns, self._q.row if rows is None else rows)
        self._residual(name, residual)

    def _residual(self, name: Name, residual: Residual) -> None:
        public = residual.public(self._start)
        self.claims.append(Claim(residual.witness, self._values[name] - public))

    def _layer(self, layer: int, columns: LayerColumns) -> None:
        d, p, q = self._d, self._p, self._q
        self._claim((layer, "M"), ((1, columns.m),), self._heads)
        self._claim((layer, "B"), ((1, columns.b),), self._keys)
        hidden = plain(q.col, d.hidden)
        self._claim((layer, "silu"), ((1, columns.silu),), hidden)
        division = points.heads(d, q.division_kv, q.division_member)
        channels = points.channels(d, p.half, p.pair)
        self._claim((layer, "o"), ((1, columns.o),), outer(division, channels))
        scale = 1 << (d.layers[layer].score_shift - 1)
        overflow = limbs(columns.overflow)
        w = [(scale, columns.difference), *scaled(scale, overflow)]
        if columns.r is not None:
            w.append((1, columns.r))
        self._claim((layer, "W"), w, self._keys, constant=-scale)
        if columns.overflow:
            self._claim((layer, "O"), overflow, self._keys)
            self._claim((layer, "D"), ((1, columns.difference),), self._keys)
        sums = [head for head in division for _ in range(self._layout.batch.positions)]
        self._claim((layer, "Z"), ((1, columns.exp),), sums)
        self._norm((layer, "norm1"), columns.norms[0], layer, False)
        self._norm((layer, "norm2"), columns.norms[1], layer, True)
        sites = {
            "norm1": columns.norms[0].site,
            "norm2": columns.norms[1].site,
            "q": columns.q,
            "k": columns.k,
            "v": columns.v,
            "o": columns.o_update,
            "gate": columns.gate,
            "z": columns.z,
            "down": columns.down_update,
        }
        for site in shape.clamped_sites(self._layout.modes):
            self._clamp((layer, site), sites[site])

    def _norm(self, name: Name, norm: Norm, layer: int, after_attention: bool) -> None:
        index, own = name
        x = Residual(self._layout)
        x.add_x(ONE, layer, after_attention, self._x_columns, self._q.row)
        self._residual((index, f"{own}.x"), x)
        for value, tensor in (("rs", norm.rs), ("Q", norm.q), ("idx", norm.idx), ("P", norm.p)):
            self._claim((index, f"{own}.{value}"), ((1, tensor),), [ONE])

    def _clamp(self, name: Name, site: Site) -> None:
        index, own = name
        columns = plain(self._q.col, site.columns)
        assert site.sigma is not None, "only a clamped site has a sign"
        self._claim((index, f"{own}.sigma"), ((1, site.sigma),), columns)
        self._claim((index, f"{own}.w"), site.w, columns, constant=site.w_constant)

    def _rotation(self, name: Name, start: int) -> None:
        """cos or sin at (pair, position)."""
        d, q = self._d, self._q
        functional = ModelFunctional()
        positions = eq_table(q.position)
        for pair, weight in enumerate(eq_table(q.pair, d.pairs)):
            functional.add_range(weight, start + pair * d.max_seq, positions)
        self.claims.append(Claim(functional, self._values[name]))


def combined_value(claims: list[Claim], weights: list[Ext], of_model: bool) -> Ext:
    """The sum of the claimed values of one polynomial."""
    return ext_sum(
        weight * claim.value
        for claim, weight in zip(claims, weights, strict=True)
        if isinstance(claim.functional, ModelFunctional) == of_model
    )


def witness_weight(claims: list[Claim], weights: list[Ext], end: list[Ext]) -> Ext:
    """The weight of the witness at the end point of its claims."""
    return _weight(claims, weights, end, of_model=False)


def model_weight(claims: list[Claim], weights: list[Ext], end: list[Ext]) -> Ext:
    """The weight of the model at the end point of its claims."""
    return _weight(claims, weights, end, of_model=True)


def _weight(claims: list[Claim], weights: list[Ext], end: list[Ext], of_model: bool) -> Ext:
    return ext_sum(
        weight * claim.functional.at(end)
        for claim, weight in zip(claims, weights, strict=True)
        if isinstance(claim.functional, ModelFunctional) == of_model
    )
