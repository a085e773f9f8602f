"""The integers of a model as values of one polynomial, in plain Python.

The proof commits to this polynomial once for each model. ``docs/proof.md``, section 4, describes
where each integer stands; the compiled twin is the verifier's ``model_layout.rs``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import LINEAR_NAMES
from esper.model.naming.commitment_root import MODULUS
from esper.model.safetensors_file import AnyArray

EXP_ENTRIES = 32767
"""Keys of the proof's table of exponentials: distances of 1 to 32767 half units,
the model's own 4,096 entries continued by the last."""
RSQRT_FIRST = 1024
"""First entry of the table of inverse square roots that a norm can reach."""

Integers = npt.NDArray[np.int64]
Residues = npt.NDArray[np.uint64]


def model_cells(model: IntegerModel) -> Residues:
    """All values of the model polynomial as residues, without padding behind the last.

    Matrices come first: their inputs are split into blocks whose widths are powers of two, largest
    first, and each block ``[outputs][2^b]`` starts at a multiple of ``2^b``. What lies between
    blocks is zero.
    """
    parts: list[Integers] = []
    end = 0
    for block in _matrix_blocks(model):
        width = block.shape[1]
        gap = -end % width
        parts += [np.zeros(gap, dtype=np.int64), block.reshape(-1)]
        end += gap + block.size
    parts += _vectors(model)
    return _residues(np.concatenate(parts))


def _matrix_blocks(model: IntegerModel) -> Iterator[Integers]:
    yield from _blocks(model, "lm_head")
    for index in range(len(model.parameters.layers)):
        for name in LINEAR_NAMES:
            yield from _blocks(model, f"layers.{index}.{name}")


def _blocks(model: IntegerModel, name: str) -> Iterator[Integers]:
    """Multiplier times weight, block by block of the inputs."""
    weight = model.tensors[f"{name}.weight"].astype(np.int64)
    product = weight * model.tensors[f"{name}.multiplier"].astype(np.int64)[:, None]
    first, inputs = 0, weight.shape[1]
    for bit in reversed(range(inputs.bit_length())):
        width = 1 << bit
        if inputs & width:
            yield product[:, first : first + width]
            first += width


def _vectors(model: IntegerModel) -> Iterator[Integers]:
    """Gains and tables; the lowest entry of each silu table is left out: no gate reaches it."""
    tensors = model.tensors
    for index in range(len(model.parameters.layers)):
        yield _flat(tensors[f"layers.{index}.norm1_gain"])
        yield _flat(tensors[f"layers.{index}.norm2_gain"])
        yield _flat(tensors[f"layers.{index}.silu_table"][1:])
    yield _flat(tensors["final_norm_gain"])
    yield _flat(tensors["rope_cos"].T)
    yield _flat(tensors["rope_sin"].T)
    half_units = np.minimum(np.arange(1, EXP_ENTRIES + 1) >> 1, 4095)
    yield _flat(tensors["exp_table"][half_units])
    yield _flat(tensors["rsqrt_table"][RSQRT_FIRST:])


def _flat(array: AnyArray | np.ndarray[Any, Any]) -> Integers:
    return np.ascontiguousarray(array).reshape(-1).astype(np.int64)


def _residues(values: Integers) -> Residues:
    # The unsigned view of a negative v is 2^64 + v; MODULUS + v is 2^64 - MODULUS less.
    unsigned = values.view(np.uint64)
    return np.where(values < 0, unsigned - np.uint64(2**64 - MODULUS), unsigned)
