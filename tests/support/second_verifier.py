"""Proofs for the second verifier, and its verdict beside the product's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from esper.model import load_model
from esper.model.config import Shape
from esper.model.g16_format import IntegerModel, write_integer_model
from esper.model.loaded import LoadedModel
from esper.prover import MalformedProofError, Statement, VerificationError, verify
from tests.spec.proof import verifier as second
from tests.spec.proof.errors import MalformedError, RefusedError
from tests.spec.random_checkpoint import write_tokenizer
from tests.spec.synthetic_model import synthetic_model

ACCEPTED, MALFORMED, REJECTED = "accepted", "malformed", "rejected"

ODD = Shape(
    vocab=41, dim=20, hidden=37, layers=2, heads=6, kv_heads=3, head_dim=6, max_seq=32
)  # fmt: skip
"""No size but max_seq is a power of two, nor is the number of heads to a key head."""

LOUD = {"_proj": 40, "gain": 12}
"""Factors after which a random model clamps at every site and overflows its scores."""


def random_model(
    folder: Path,
    seed: int,
    *,
    shape: Shape = ODD,
    bits: tuple[int, int, int] = (12, 16, 16),
    louder: Mapping[str, int] | None = None,
    score_shift: int | None = None,
    z_bits: Sequence[int] = (16,),
) -> LoadedModel:
    """A random model: widths of gate, o and down; multipliers and gains times factors by name.

    ``z_bits`` are widths of z layer by layer; the last one holds for the layers that are left.
    """
    gate_bits, o_bits, down_bits = bits
    model = synthetic_model(
        seed, shape, gate_bits=gate_bits, o_bits=o_bits, down_bits=down_bits, z_bits=max(z_bits)
    )
    model = _with_layers(model, z_bits=lambda index: z_bits[min(index, len(z_bits) - 1)])
    tensors = dict(model.tensors)
    for name, tensor in model.tensors.items():
        for part, factor in (louder or {}).items():
            if part in name and ("multiplier" in name or "gain" in name):
                tensors[name] = np.asarray(tensor.astype(np.int64) * factor, tensor.dtype)
    model = dataclasses.replace(model, tensors=tensors)
    if score_shift is not None:
        model = _with_layers(model, score_shift=lambda _: score_shift)
    write_integer_model(folder / "g16.safetensors", model)
    write_tokenizer(folder, shape.vocab)
    return load_model(folder)


def _with_layers(model: IntegerModel, **fields: Callable[[int], int]) -> IntegerModel:
    """The same integers with other parameters of layers, by the layer's number."""
    layers = tuple(
        dataclasses.replace(layer, **{name: of(index) for name, of in fields.items()})  # type: ignore[arg-type]
        for index, layer in enumerate(model.parameters.layers)
    )
    return dataclasses.replace(
        model, parameters=dataclasses.replace(model.parameters, layers=layers)
    )


def modes_of(proof: bytes) -> bytes:
    """The bytes of a proof's modes."""
    start = 4 + int.from_bytes(proof[:4], "little")
    layers = int.from_bytes(proof[12:20], "little")
    return proof[start : start + 2 + layers]


def product_verdict(statement: Statement, proof: bytes) -> str:
    """What the product's verifier says."""
    try:
        verify(statement, proof)
    except MalformedProofError:
        return MALFORMED
    except VerificationError:
        return REJECTED
    return ACCEPTED


def second_verdict(statement: Statement, proof: bytes) -> str:
    """What the second verifier says."""
    try:
        second.verify(statement, proof)
    except MalformedError:
        return MALFORMED
    except RefusedError:
        return REJECTED
    return ACCEPTED


def common_verdict(statement: Statement, proof: bytes) -> str:
    """What both say; they must agree."""
    product, own = product_verdict(statement, proof), second_verdict(statement, proof)
    assert product == own, f"the product: {product}, the second verifier: {own}"
    return own


def flipped(data: bytes, at: int, mask: int = 1) -> bytes:
    """The same bytes but for one."""
    changed = bytearray(data)
    changed[at] ^= mask
    return bytes(changed)
