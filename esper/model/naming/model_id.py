"""The name of a model, in plain Python: the slow twin of the native ``model_id``.

A model's descriptor holds everything a verifier of proofs needs to know of it: sizes, shifts,
bounds, and commitments to its integers. Its hash is the model's name. ``docs/proof.md``, sections
3 to 5, describes the bytes. Nothing here uses the compiled extension.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from blake3 import blake3

from esper.model.bounds import Bound, check_bounds, width_top
from esper.model.errors import BoundExceededError, InvalidFieldError
from esper.model.g16_format import IntegerModel, read_integer_model
from esper.model.g16_parameters import LINEAR_NAMES, LayerParameters, Parameters
from esper.model.naming.commitment_root import MODULUS, commitment_root, variables_of
from esper.model.naming.integers_hash import integers_hash
from esper.model.naming.model_polynomial import model_cells
from esper.model.safetensors_file import AnyArray
from esper.primitives.hashing import make_tag, tagged_hash
from esper.primitives.ids import ModelId

SPEC_VERSION: Final = 2
"""Version of relations, layout and transcript of the proof."""
MAX_CELLS: Final = 2**30
"""Most cells of a model polynomial."""
MODEL_ID_TAG: Final = make_tag("esper/model/id/v1")
CLAMP_CLASSES: Final = ("norm", "qk", "v", "gate", "z", "o_update", "down_update")
"""Groups of rounding sites; each group shares one table of clamp quotients."""

_REACH_LIMIT = 2**15 - 1
_RATES = ((20, 3), (26, 2))
"""Most variables of a polynomial, logarithm of the inverse rate of its code; 1 above the last."""


def model_id(directory: Path) -> ModelId:
    """The 64 bytes that name the model in ``directory`` together with the proof system.

    Raises:
        ModelError: the directory does not follow the format, or the model cannot be proven.
    """
    return ModelId(tagged_hash(MODEL_ID_TAG, descriptor(read_integer_model(directory))))


def descriptor(model: IntegerModel) -> bytes:
    """Canonical bytes of everything about ``model`` that a verifier of proofs needs.

    Raises:
        BoundExceededError: a worst case passes its limit.
        InvalidFieldError: a size or width lies outside what the proof takes.
    """
    p = model.parameters
    _check_ranges(p)
    bounds = {(bound.site, bound.name): bound for bound in check_bounds(model)}
    cells = model_cells(model)
    _require("cells", len(cells), 1, MAX_CELLS)
    variables = variables_of(len(cells))
    rate = next((rate for most, rate in _RATES if variables <= most), 1)
    root = commitment_root(cells.tolist(), rate)
    shape = p.shape
    words = [SPEC_VERSION, shape.layers]
    words += [shape.vocab, shape.dim, shape.hidden, shape.heads, shape.kv_heads]
    words += [shape.head_dim, shape.max_seq, p.bos, p.eos, p.emax, p.final_norm_shift]
    words += [p.eps_term, max(1, bounds["model", "logits"].value), len(cells)]
    embed = model.tensors["embed_tokens"]
    words += [embed_bits(embed)]
    words += clamp_reach(p, bounds)
    for layer in p.layers:
        words += [layer.norm1_shift, layer.norm2_shift, layer.score_shift]
        words += [layer.gate_bits, layer.z_bits, layer.o_bits, layer.down_bits]
        words += [layer.linear_shift[name] for name in LINEAR_NAMES]
    encoded = struct.pack(f"<{len(words)}Q", *words) + root
    return encoded + embedding_root(embed) + integers_hash(model)


@dataclass(frozen=True, slots=True)
class _Site:
    """One rounding shift and clamp."""

    clamp_class: str
    """Its group, of :data:`CLAMP_CLASSES`."""
    bound: Bound
    """Worst case before the shift."""
    bits: int
    """Width after the clamp."""
    shift: int
    """Bits dropped."""

    def quotient(self) -> int:
        """How many times the width fits into the worst case: for z, a width of 16 bits."""
        bits = 16 if self.clamp_class == "z" else self.bits
        rounded = (self.bound.value + (1 << (self.shift - 1))) >> self.shift
        return (rounded + width_top(bits)) // ((1 << bits) - 1)

    def span(self, reach: int) -> int:
        """Largest difference of the two sides of the clamp's equation.

        Its quotients go to ``reach``, those of z at a width above 16 bits as far as that takes.
        """
        if self.clamp_class == "z":
            reach = -(-reach >> (self.bits - 16))
        shifted = ((1 << self.bits) - 1) * reach + width_top(self.bits)
        return self.bound.value + (shifted << self.shift) + (1 << self.shift)


def clamp_reach(p: Parameters, bounds: dict[tuple[str, str], Bound]) -> list[int]:
    """Largest clamp quotient of each class, in the order of :data:`CLAMP_CLASSES`, at least 1.

    Args:
        p: the model's parameters.
        bounds: worst cases by (site, name).

    Raises:
        BoundExceededError: with the quotients of its class, a site's equation could hold modulo the
            field's prime without holding over the integers.
    """
    sites = list(_sites(p, bounds))
    reach = dict.fromkeys(CLAMP_CLASSES, 1)
    for site in sites:
        reach[site.clamp_class] = max(reach[site.clamp_class], site.quotient())
    for site in sites:
        limits = (
            (reach[site.clamp_class], _REACH_LIMIT),
            (site.span(reach[site.clamp_class]), MODULUS - 1),
        )
        for value, limit in limits:
            if value > limit:
                name = f"clamp of {site.bound.name} with the quotients of its class"
                raise BoundExceededError(site.bound.site, name, value, limit)
    return list(reach.values())


def _sites(p: Parameters, bounds: dict[tuple[str, str], Bound]) -> Iterator[_Site]:
    final = bounds["model", "final norm x * R * gain"]
    yield _Site("norm", final, 16, p.final_norm_shift)
    for index, layer in enumerate(p.layers):
        for clamp_class, name, bits, shift in _layer_sites(layer):
            yield _Site(clamp_class, bounds[f"layer {index}", name], bits, shift)


def _layer_sites(layer: LayerParameters) -> Iterator[tuple[str, str, int, int]]:
    shift = layer.linear_shift
    yield "norm", "norm1 x * R * gain", 16, layer.norm1_shift
    yield "norm", "norm2 x * R * gain", 16, layer.norm2_shift
    yield "qk", "q rotary", 16, shift["q_proj"] + 16
    yield "qk", "k rotary", 16, shift["k_proj"] + 16
    yield "v", "v_proj A", 16, shift["v_proj"]
    yield "gate", "gate_proj A", layer.gate_bits, shift["gate_proj"]
    yield "z", "silu * A_up", layer.z_bits, shift["up_proj"]
    yield "o_update", "o_proj A", layer.o_bits, shift["o_proj"]
    yield "down_update", "down_proj A", layer.down_bits, shift["down_proj"]


def embed_bits(embed: AnyArray) -> int:
    """The least width, 1 to 32, of which all values are two's complement numbers."""
    least, most = int(embed.min()), int(embed.max())
    return 1 + max(most.bit_length() if most > 0 else 0, (~least).bit_length() if least < 0 else 0)


def embedding_root(embed: AnyArray) -> bytes:
    """Root of the tree over the rows of ``embed``, shape (vocab, dim): 32 bytes.

    A row's values stand one after the other at :func:`embed_bits`, lowest bit first, the last byte
    filled up with zeros. A level of odd length passes its last node up unchanged.
    """
    vocab, dim = embed.shape
    places = np.arange(embed_bits(embed))
    level = []
    for index, row in enumerate(embed):
        bits = (row.astype(np.int64)[:, None] >> places & 1).astype(np.uint8)
        packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
        level.append(_keyed("esper embedding row v2", struct.pack("<I", index), packed))
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        above = [_keyed("esper embedding node v1", left, right) for left, right in pairs]
        level = above + level[len(level) & ~1 :]
    return _keyed("esper embedding root v1", struct.pack("<QQ", vocab, dim), level[0])


def _keyed(context: str, *parts: bytes) -> bytes:
    return blake3(b"".join(parts), derive_key_context=context).digest()


def _check_ranges(p: Parameters) -> None:
    """Refuse what no descriptor admits; the bounds of the integers are checked apart."""
    shape = p.shape
    _require("vocab", shape.vocab, 2, 1 << 18)
    _require("dim", shape.dim, 1, 1 << 14)
    _require("hidden", shape.hidden, 1, 1 << 16)
    _require("heads", shape.heads, 1, 1 << 8)
    _require("head_dim", shape.head_dim, 2, 1 << 9)
    _require("max_seq", shape.max_seq, 1, 1 << 16)
    _require("layers", shape.layers, 1, 1 << 8)
    _require("layers times heads", shape.layers * shape.heads, 1, 1 << 12)
    _require("final_norm_shift", p.final_norm_shift, 1, 46)
    smallest_exponent = (p.eps_term.bit_length() - 1) >> 1
    _require("eps_term", p.eps_term, 1, (1 << 60) - 1)
    _require("emax", p.emax, smallest_exponent, 30)
    for index, layer in enumerate(p.layers):
        where = f"layer[{index}]."
        for name, shift in layer.linear_shift.items():
            lowest, highest = (16, 16) if name in ("q_proj", "k_proj") else (1, 36)
            _require(f"{where}linear_shift.{name}", shift, lowest, highest)


def _require(field: str, value: int, lowest: int, highest: int) -> None:
    if not lowest <= value <= highest:
        expected = f"an integer from {lowest} to {highest}, which the proof takes"
        raise InvalidFieldError(field, value, expected)
