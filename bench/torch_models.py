"""Models of any shape with random integers, made as they are asked for: for speed alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from esper.model.config import Shape
from esper.model.g16_format import tensor_layout
from esper.model.g16_parameters import LINEAR_NAMES, LayerParameters, Parameters
from esper.model.safetensors_file import AnyArray
from esper.model.tables import exp_table, rsqrt_table

SMOLLM2 = Shape(
    vocab=49_152, dim=576, hidden=1536, layers=30, heads=9, kv_heads=3, head_dim=64, max_seq=256
)
"""SmolLM2-135M."""
EIGHT_BILLION = Shape(
    vocab=128_256, dim=4096, hidden=14_336, layers=32, heads=32, kv_heads=8, head_dim=128,
    max_seq=256,
)  # fmt: skip
"""Llama 3 8B, but for the length of its sequences."""
TINY = Shape(vocab=300, dim=24, hidden=40, layers=2, heads=4, kv_heads=2, head_dim=6, max_seq=96)
"""To try the program itself."""


def parameters_of(shape: Shape) -> Parameters:
    """Shifts with which random integers neither vanish nor always clamp, nor leave 62 bits."""
    up = max(shape.dim.bit_length() // 2, 1)
    layer = LayerParameters(
        norm1_shift=34,
        norm2_shift=34,
        score_shift=16,
        linear_shift=dict.fromkeys(LINEAR_NAMES, 14 + up) | {"up_proj": 32},
        gate_bits=12,
        z_bits=16,
        o_bits=20,
        down_bits=20,
    )
    return Parameters(
        shape=shape,
        frac_bits=10,
        emax=30,
        eps_term=shape.dim,
        final_norm_shift=34,
        logit_bits=16,
        bos=0,
        eos=shape.vocab - 1,
        layers=(layer,) * shape.layers,
    )


class RandomTensors(Mapping[str, AnyArray]):
    """The tensors of a model by name, the same each time, none of them kept."""

    def __init__(self, parameters: Parameters) -> None:
        self._layout = {name: (kind, size) for name, kind, size in tensor_layout(parameters)}
        self._names = list(self._layout)

    def __getitem__(self, name: str) -> AnyArray:
        kind, size = self._layout[name]
        if name == "exp_table":
            return exp_table()
        if name == "rsqrt_table":
            return rsqrt_table()
        random = np.random.default_rng(self._names.index(name))
        lowest, highest = next(found for part, found in _RANGES.items() if name.endswith(part))
        array: AnyArray = random.integers(lowest, highest, size, kind, endpoint=True)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


_RANGES = {
    "weight": (-127, 127),
    "multiplier": (100, 160),
    "gain": (200, 400),
    "silu_table": (-2000, 2000),
    "embed_tokens": (-4096, 4096),
    "rope_cos": (-65536, 65536),
    "rope_sin": (-65536, 65536),
}
"""Least and greatest entries, by the ends of names."""
