"""What the fractional sum leaves to show of keys, multiplicities and tables (section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof.argument.fraction import Leaf
from tests.spec.proof.argument.functional import ModelFunctional, WitnessFunctional
from tests.spec.proof.arithmetic.field import ZERO, Ext, dot, ext_sum
from tests.spec.proof.arithmetic.multilinear import EqRange, eq_table
from tests.spec.proof.decoding import tables
from tests.spec.proof.decoding.tables import Table
from tests.spec.proof.decoding.witness_layout import Tensor, WitnessLayout


@dataclass(frozen=True)
class LookupClaims:
    """Two claims on the witness and one on the model."""

    keys: WitnessFunctional
    keys_value: Ext
    multiplicities: WitnessFunctional
    multiplicities_value: Ext
    table_values: ModelFunctional


def claims(
    layout: WitnessLayout, alpha: Ext, beta: Ext, leaf: Leaf, table_value: Ext
) -> LookupClaims:
    """`table_value` is m, the model's part of the table keys."""
    leaves = EqRange(leaf.point)
    square = beta * beta
    cube = square * beta
    keys = WitnessFunctional(layout)
    tags = ZERO
    for tensor in layout.looked_up:
        split = len(leaf.point) - tensor.row_bits
        high, row = EqRange(leaf.point[:split]), leaf.point[split:]
        columns = [high.at(tensor.first + c) for c in range(tensor.columns)]
        keys.add(Ext(1), ((1, tensor),), columns, row)
        for factor, partner in zip((square, cube), tensor.partners, strict=False):
            keys.add(factor, ((1, partner),), columns, row)
        tags = tags + _tags(layout, tensor, columns, row)
    at, public = layout.lookup_cells, ZERO
    multiplicities: list[Ext] = []
    model = ModelFunctional()
    for table, entries in layout.tables:
        weights = [leaves.at(at + j) for j in range(len(entries.keys))]
        at += len(weights)
        multiplicities += weights
        public = public + dot(weights, entries.keys)
        tags = tags + ext_sum(weights) * table.tag
        for factor, column in ((square, entries.second), (cube, entries.third)):
            if column is not None:
                public = public + factor * dot(weights, column)
        if entries.model_start is not None:
            model.add_range(Ext(1), entries.model_start, weights)
    used = leaves.total(0, layout.lookup_cells + layout.entry_count)
    looked = leaves.total(0, layout.lookup_cells)
    counts = WitnessFunctional(layout)
    counts.add_multiplicities(multiplicities)
    value = alpha * used + 1 - used - leaf.denominator
    value = value - beta * tags - public - square * table_value
    return LookupClaims(keys, value, counts, looked - leaf.numerator, model)


def _tags(layout: WitnessLayout, tensor: Tensor, columns: list[Ext], row: list[Ext]) -> Ext:
    """The tags of a tensor's cells under the weights of their leaves."""
    assert tensor.table is not None, "only what is looked up has a tag"
    total = ext_sum(columns)
    if tensor.region != "D":
        return total * tensor.table.tag
    batch = layout.batch
    positions = eq_table(row[batch.sequence_bits :])
    # from_key[j]: the weight of the positions t >= j, where the mask is on.
    from_key = [ZERO]
    for weight in reversed(positions):
        from_key.append(from_key[-1] + weight)
    from_key = from_key[:0:-1]
    masked = ext_sum(
        weight * from_key[column % batch.positions] for column, weight in enumerate(columns)
    )
    zero = Table(tables.ZERO).tag
    return masked * (tensor.table.tag - zero) + total * zero
