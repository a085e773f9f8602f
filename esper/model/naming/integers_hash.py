"""The hash that names a model's integers, in plain Python: the twin of the native one.

The canonical bytes are described in ``docs/g16-format.md``.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import LINEAR_NAMES, VERSION, Parameters

TAG = b"esper/model/integers/v1"
_ELEMENT_CODES = {np.dtype(np.int8): 0, np.dtype(np.int16): 1, np.dtype(np.int32): 2}


def integers_hash(model: IntegerModel) -> bytes:
    """SHA3-512, under the tag :data:`TAG`, of every hashed integer and every tensor: 64 bytes."""
    hasher = hashlib.sha3_512(TAG.ljust(32, b"\0"))
    for integer in _integers(model.parameters):
        hasher.update(struct.pack("<q", integer))
    hasher.update(struct.pack("<I", len(model.tensors)))
    for name in sorted(model.tensors, key=str.encode):
        array: np.ndarray[Any, np.dtype[Any]] = model.tensors[name]
        encoded = name.encode()
        hasher.update(struct.pack("<I", len(encoded)) + encoded)
        hasher.update(struct.pack("<BI", _ELEMENT_CODES[array.dtype], array.ndim))
        hasher.update(struct.pack(f"<{array.ndim}Q", *array.shape))
        hasher.update(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes())
    return hasher.digest()


def _integers(p: Parameters) -> Iterator[int]:
    """Yield the hashed parameters in their fixed order, each a signed 64-bit integer."""
    shape = p.shape
    yield VERSION
    yield from (shape.vocab, shape.dim, shape.hidden, shape.layers)
    yield from (shape.heads, shape.kv_heads, shape.head_dim, shape.max_seq)
    yield from (p.frac_bits, p.emax, p.eps_term, p.final_norm_shift, p.bos, p.eos)
    for layer in p.layers:
        yield from (layer.norm1_shift, layer.norm2_shift, layer.score_shift)
        yield from (layer.gate_bits, layer.z_bits, layer.o_bits, layer.down_bits)
        yield from (layer.linear_shift[name] for name in LINEAR_NAMES)
