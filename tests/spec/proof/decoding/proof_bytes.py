"""The bytes of a proof behind descriptor, modes and embedding rows (section 15)."""

from __future__ import annotations

from dataclasses import dataclass

from tests.spec.proof import parameters as p
from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.decoding import shape
from tests.spec.proof.decoding.reader import Reader
from tests.spec.proof.decoding.witness_layout import WitnessLayout
from tests.spec.proof.opening.schedule import Size


@dataclass(frozen=True)
class FractionLayer:
    """A layer of the fractional sum."""

    rounds: list[list[Ext]]
    n0: Ext
    d0: Ext
    n1: Ext
    d1: Ext


@dataclass(frozen=True)
class ProofBody:
    """All of a proof that the relations need."""

    witness_root: bytes
    early_value: Ext
    root_denominator: Ext
    fraction: list[FractionLayer]
    table_value: Ext
    """m: the model's part of the table keys."""
    linear: Ext
    contractions: Ext
    products: list[list[Ext]]
    final_values: list[Ext]
    contraction: list[list[Ext]]
    a_model: Ext
    a_witness: Ext
    b: Ext
    witness_claims: list[list[Ext]]
    witness_value: Ext
    model_claims: list[list[Ext]]
    model_value: Ext
    openings: list[bytes]
    """Of the witness, then of the model."""


def decode(reader: Reader, layout: WitnessLayout) -> ProofBody:
    """The rest of a proof; the openings stay bytes."""
    d, batch = layout.d, layout.batch
    return ProofBody(
        witness_root=reader.digest(),
        early_value=reader.ext(),
        root_denominator=reader.ext(),
        fraction=[
            FractionLayer(reader.rounds(layer, 2), *reader.exts(4))
            for layer in range(layout.leaf_vars)
        ],
        table_value=reader.ext(),
        linear=reader.ext(),
        contractions=reader.ext(),
        products=reader.rounds(shape.products_vars(d, batch), 4),
        final_values=reader.exts(len(shape.final_values(d, layout.modes))),
        contraction=reader.rounds(shape.contraction_vars(d, batch), 3),
        a_model=reader.ext(),
        a_witness=reader.ext(),
        b=reader.ext(),
        witness_claims=reader.rounds(layout.num_vars, 2),
        witness_value=reader.ext(),
        model_claims=reader.rounds(Size.of(d.cells).num_vars, 2),
        model_value=reader.ext(),
        openings=[reader.take(reader.unsigned(4)) for _ in range(p.OPENINGS)],
    )
