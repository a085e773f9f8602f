"""The products of the relations at the end of their sumcheck (section 11)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.spec.proof.argument.points import RelationPoints, last
from tests.spec.proof.arithmetic.field import ONE, ZERO, Ext
from tests.spec.proof.arithmetic.multilinear import Point, eq_points, eq_table
from tests.spec.proof.decoding import shape
from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.decoding.modes import Modes
from tests.spec.proof.decoding.shape import FIRST_CLAMP_RELATION, Name
from tests.spec.proof.decoding.statement import Batch
from tests.spec.proof.parameters import ACTIVATION_TOP, bits

Values = Mapping[Name, Ext]


@dataclass(frozen=True)
class EndPoint:
    """q, the end of the products' sumcheck, cut into the coordinates of each group."""

    whole: Point
    row: Point
    position: Point
    sequence: Point
    key: Point
    """Of the attention group, as the next two."""
    kv: Point
    member: Point
    division_kv: Point
    division_member: Point
    half: Point
    pair: Point
    col: Point


def cut(q: Point, d: Descriptor, batch: Batch) -> EndPoint:
    """The groups' coordinates: the row is lowest in all of them."""
    row = last(q, batch.row_bits)
    above = q[: len(q) - batch.row_bits]
    kv_bits, member_bits, key_bits = bits(d.kv_heads), bits(d.group), batch.position_bits
    heads = last(above, kv_bits + member_bits + key_bits)
    division = last(above, kv_bits + member_bits)
    rotary = last(above, 1 + bits(d.pairs))
    return EndPoint(
        whole=q,
        row=row,
        position=last(row, batch.position_bits),
        sequence=row[: batch.sequence_bits],
        key=last(heads, key_bits),
        kv=heads[:kv_bits],
        member=heads[kv_bits : kv_bits + member_bits],
        division_kv=division[:kv_bits],
        division_member=division[kv_bits:],
        half=rotary[:1],
        pair=rotary[1:],
        col=above,
    )


class Products:
    """The summand of the products' sumcheck at its end point."""

    def __init__(self, p: RelationPoints, q: EndPoint, d: Descriptor, batch: Batch) -> None:
        self._p, self._q, self._d, self._batch = p, q, d, batch
        self._same_row = eq_points(p.row, q.row)

    def _selector(self, variables: int) -> Ext:
        """1 at the corner where all coordinates above a group's are 0."""
        above = self._q.whole[: len(self._q.whole) - self._batch.row_bits - variables]
        result = ONE
        for coordinate in above:
            result = result * (1 - coordinate)
        return result

    def _attention(self) -> tuple[Ext, Ext]:
        """The weight of the attention group, and that of relation 12."""
        p, q = self._p, self._q
        same = eq_points(p.kv, q.kv) * eq_points(p.member, q.member)
        same = same * eq_points(p.row[: len(q.sequence)], q.sequence)
        p_keys, q_keys = eq_table(p.key), eq_table(q.key)
        p_positions = eq_table(p.row[len(q.sequence) :])
        q_positions = eq_table(q.position)
        with_key = any_key = total_with = total_any = ZERO
        for t in range(self._batch.positions):
            with_key = with_key + p_keys[t] * q_keys[t]
            any_key = any_key + q_keys[t]
            here = p_positions[t] * q_positions[t]
            total_with = total_with + with_key * here
            total_any = total_any + any_key * here
        selector = self._selector(len(q.kv) + len(q.member) + len(q.key))
        return selector * same * total_with, selector * same * total_any

    def _division(self) -> Ext:
        p, q = self._p, self._q
        heads = eq_points(p.kv, q.division_kv) * eq_points(p.member, q.division_member)
        return self._selector(len(p.kv) + len(p.member)) * heads * self._same_row

    def _rotary(self) -> Ext:
        p, q = self._p, self._q
        return self._selector(1 + len(q.pair)) * eq_points(p.pair, q.pair) * self._same_row

    def _columns(self, count: int) -> Ext:
        width = bits(count)
        same = eq_points(last(self._p.col, width), last(self._q.col, width))
        return self._selector(width) * same * self._same_row

    def _norm(self, values: Values, name: Name, weights: list[Ext]) -> Ext:
        """Of a norm with the weights of its relations for the square and the rounding."""
        layer, norm = name
        x, rs, quotient, gained, idx, square = (
            values[layer, f"{norm}.{value}"] for value in shape.NORM_VALUES
        )
        of_square, of_rounding = weights
        single = self._selector(0) * self._same_row
        of_columns = self._selector(bits(self._d.dim)) * self._same_row
        once = of_square * idx * square - of_rounding * rs * quotient * gained
        return single * once - of_columns * of_square * (1 << self._d.t0) * x * x

    def _rotation(self, values: Values) -> Ext:
        behind = len(self._d.layers)
        cos, sin = values[behind, "cos"], values[behind, "sin"]
        (ho,), (hi,) = self._p.half, self._q.half
        lower = (1 - ho) * cos + ho * sin
        return (1 - hi) * lower + hi * (ho * cos - (1 - ho) * sin)

    def summand(self, values: Values, weights: list[list[Ext]], modes: Modes) -> Ext:
        """All products, each with its selector and its weight."""
        d = self._d
        attention, any_key = self._attention()
        division, rotary, hidden = self._division(), self._rotary(), self._columns(d.hidden)
        rotation = self._rotation(values)
        total = ZERO
        for layer in range(len(d.layers)):
            w = weights[layer]

            def value(column: str, layer: int = layer) -> Ext:
                return values[layer, column]

            inner = w[9] * (value("M") - value("u") - value("W")) + w[11] * value("B") * value("W")
            if modes.overflow_limbs:
                inner = inner + w[10] * value("O") * (ACTIVATION_TOP - value("D"))
            total = total + attention * inner + any_key * w[12] * value("B")
            total = total - hidden * w[17] * value("silu") * value("up")
            total = total - rotary * rotation * (w[6] * value("q") + w[7] * value("k"))
            total = total - division * 2 * w[13] * value("Z") * value("o")
            total = total + self._norm(values, (layer, "norm1"), [w[0], w[2]])
            total = total + self._norm(values, (layer, "norm2"), [w[3], w[5]])
            for index, site in enumerate(shape.CLAMPED_SITES):
                if shape.class_of(site) in modes.clamped:
                    columns = self._columns(site_columns(d, site))
                    sigma, w_value = value(f"{site}.sigma"), value(f"{site}.w")
                    weight = w[FIRST_CLAMP_RELATION + index]
                    total = total + columns * weight * sigma * sigma * w_value
        if not d.has_head:
            return total
        behind, w = len(d.layers), weights[len(d.layers)]
        total = total + self._norm(values, (behind, "norm"), [w[0], w[2]])
        if "norm" in modes.clamped:
            sigma, w_value = values[behind, "norm.sigma"], values[behind, "norm.w"]
            weight = w[FIRST_CLAMP_RELATION]
            total = total + self._columns(d.dim) * weight * sigma * sigma * w_value
        return total


def site_columns(d: Descriptor, site: str) -> int:
    """Columns of a clamped site."""
    return {
        "q": d.query_width,
        "k": d.key_width,
        "v": d.key_width,
        "gate": d.hidden,
        "z": d.hidden,
    }.get(site, d.dim)
