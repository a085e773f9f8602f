"""Functionals of values that are only partly committed: outputs of wide sites, the residual x.

x before a norm is the row that it starts with, of the embedding or of what the part before hands
on, plus all updates so far. What is public of a value, rows and
constants, is kept apart: a claim on the witness is for what is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from tests.spec.proof.argument.functional import Combination, Rows, WitnessFunctional
from tests.spec.proof.arithmetic.field import ONE, ZERO, Ext, ext_sum
from tests.spec.proof.arithmetic.multilinear import Point, eq_table
from tests.spec.proof.decoding.witness_layout import Site, WitnessLayout


class Start(Protocol):
    """What x is before the first layer: rows by their names."""

    @property
    def rows(self) -> Mapping[int, Sequence[int]]: ...

    def named(self, tokens: Sequence[int]) -> Sequence[int]:
        """The name of each row of the batch, by its tokens."""


class Residual:
    """A functional of the witness, and the public part of its value."""

    def __init__(self, layout: WitnessLayout) -> None:
        self.witness = WitnessFunctional(layout)
        self._layout = layout
        self._constant = ZERO
        self._started: list[tuple[Ext, Sequence[Ext], Point]] = []

    def add(
        self,
        factor: Ext,
        parts: Combination,
        constant: int,
        columns: Sequence[Ext],
        rows: Rows,
        row_total: Ext = ONE,
    ) -> None:
        """Parts plus a constant at each real column."""
        self.witness.add(factor, parts, columns, rows)
        if constant:
            self._constant = self._constant + factor * constant * ext_sum(columns) * row_total

    def add_output(
        self,
        factor: Ext,
        site: Site,
        columns: Sequence[Ext],
        rows: Rows,
        row_total: Ext = ONE,
    ) -> None:
        """The y of a site."""
        self.add(factor, site.y, site.y_constant, columns, rows, row_total)

    def add_x(
        self, factor: Ext, layer: int, after_attention: bool, columns: Sequence[Ext], row: Point
    ) -> None:
        """x before the first norm of a layer, or the second; before the final one."""
        layers = self._layout.layers
        sites = [site for own in layers[:layer] for site in (own.o_update, own.down_update)]
        if after_attention:
            sites.append(layers[layer].o_update)
        for site in sites:
            self.add_output(factor, site, columns, row)
        self._started.append((factor, columns, row))

    def public(self, start: Start) -> Ext:
        """What of the value is not committed."""
        total = self._constant
        names = start.named(self._layout.batch.tokens)
        folded: dict[tuple[int, int], Ext] = {}
        for factor, columns, row in self._started:
            key = id(columns), id(row)
            if key not in folded:
                folded[key] = folded_rows(start.rows, names, columns, row)
            total = total + factor * folded[key]
        return total


def folded_rows(
    rows: Mapping[int, Sequence[int]],
    names: Sequence[int],
    columns: Sequence[Ext],
    point: Point,
) -> Ext:
    """The rows of these names under weights of columns and a point of rows."""
    of_name = {
        name: ext_sum(weight * value for weight, value in zip(columns, row, strict=True))
        for name, row in rows.items()
    }
    return ext_sum(
        weight * of_name[name] for weight, name in zip(eq_table(point), names, strict=True)
    )
