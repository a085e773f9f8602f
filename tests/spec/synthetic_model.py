"""Random integer models made of integer arithmetic alone: the twin of the native ``random_model``.

Only models without forced clamps, whose scores stay inside the table of exponentials.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from esper.model.checkpoint import linear_sizes
from esper.model.config import Shape
from esper.model.g16_format import IntegerModel
from esper.model.g16_parameters import LINEAR_NAMES, LayerParameters, Parameters
from esper.model.safetensors_file import AnyArray

_FRAC_BITS = 10
_EXP_STEP = 0xFF007FD55FFD
_WEIGHT_RMS = 73
_UPDATE_RMS = 1 << 11
_H_RMS = 32767 // 16


class SplitMix:
    """The splitmix64 generator: https://prng.di.unimi.it/splitmix64.c."""

    def __init__(self, seed: int) -> None:
        self._state = seed

    def next(self) -> int:
        mask = 2**64 - 1
        self._state = (self._state + 0x9E3779B97F4A7C15) & mask
        z = self._state
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        return z ^ (z >> 31)

    def between(self, lowest: int, highest: int) -> int:
        return lowest + (self.next() * (highest - lowest + 1) >> 64)

    def list(self, count: int, lowest: int, highest: int) -> list[int]:
        return [self.between(lowest, highest) for _ in range(count)]


@dataclass(frozen=True)
class _Widths:
    """Bits of the values that may have more or fewer than 16."""

    gate: int
    z: int
    o: int
    down: int


def synthetic_model(
    seed: int,
    shape: Shape,
    *,
    gate_bits: int,
    o_bits: int,
    down_bits: int,
    z_bits: int = 16,
    source: Callable[[int], SplitMix] = SplitMix,
) -> IntegerModel:
    """The model that the native generator makes of the same seed, shape and widths.

    Another ``source`` of numbers makes another model.
    """
    random = source(seed)
    widths = _Widths(gate_bits, z_bits, o_bits, down_bits)
    update_sum = shape.layers * (_top(o_bits) + _top(down_bits))
    embed_top = 4 << _FRAC_BITS
    embed = random.list(shape.vocab * shape.dim, -embed_top, embed_top)
    eps_term = (shape.dim << (2 * _FRAC_BITS)) // 100_000 + 1
    largest = shape.dim * (update_sum + embed_top) ** 2 + eps_term
    emax = max((largest.bit_length() - 1) >> 1, 5)
    tensors: dict[str, AnyArray] = {
        "embed_tokens": np.array(embed, dtype=np.int32).reshape(shape.vocab, shape.dim)
    }
    layers = []
    for index in range(shape.layers):
        prefix = f"layers.{index}"
        shifts = {
            norm: _norm(random, tensors, f"{prefix}.{norm}_gain", shape.dim, emax)
            for norm in ("norm1", "norm2")
        }
        linear_shift = {
            name: _linear(random, tensors, f"{prefix}.{name}", shape, widths)
            for name in LINEAR_NAMES
        }
        tensors[f"{prefix}.silu_table"] = _silu_table(gate_bits)
        layers.append(
            LayerParameters(
                norm1_shift=shifts["norm1"],
                norm2_shift=shifts["norm2"],
                score_shift=_score_shift(shape.head_dim),
                linear_shift=linear_shift,
                gate_bits=gate_bits,
                z_bits=z_bits,
                o_bits=o_bits,
                down_bits=down_bits,
            )
        )
    final_shift = _norm(random, tensors, "final_norm_gain", shape.dim, emax)
    _matrix(random, tensors, "lm_head", (shape.vocab, shape.dim), 8, None)
    circle = [_rotation(random) for _ in range(shape.max_seq * shape.head_dim // 2)]
    cos, sin = np.array(circle, dtype=np.int32).T
    tensors["rope_cos"] = cos.reshape(shape.max_seq, -1)
    tensors["rope_sin"] = sin.reshape(shape.max_seq, -1)
    tensors["exp_table"], tensors["rsqrt_table"] = _exp_table(), _rsqrt_table()
    parameters = Parameters(
        shape=shape,
        frac_bits=_FRAC_BITS,
        emax=emax,
        eps_term=eps_term,
        final_norm_shift=final_shift,
        logit_bits=16,
        bos=0,
        eos=shape.vocab - 1,
        layers=tuple(layers),
    )
    return IntegerModel(parameters, tensors)


def _top(bits: int) -> int:
    return (1 << (bits - 1)) - 1


def _quotient(numerator: int, denominator: int) -> int:
    """Divide and drop the fraction, towards zero."""
    size = abs(numerator) // denominator
    return size if numerator >= 0 else -size


def _norm(random: SplitMix, tensors: dict[str, AnyArray], name: str, dim: int, emax: int) -> int:
    scaled, down = _H_RMS * math.isqrt(dim), 12 + emax
    shift = min(max(down + 10 - (scaled.bit_length() - 1), 1), 46)
    gain = scaled << (shift - down) if shift >= down else scaled >> (down - shift)
    gain = min(max(gain, 4), 100_000)
    gains = random.list(dim, gain * 3 // 4, gain * 5 // 4)
    signed = [-value if random.next() % 8 == 0 else value for value in gains]
    tensors[name] = np.array(signed, dtype=np.int32)
    return shift


def _linear(
    random: SplitMix,
    tensors: dict[str, AnyArray],
    name: str,
    shape: Shape,
    widths: _Widths,
) -> int:
    """Draw one matrix with its multipliers; return its shift."""
    kind = name.rsplit(".", 1)[1]
    size = linear_sizes(shape)[kind]
    activation, gate, gated = (_top(bits) // 16 for bits in (16, widths.gate, widths.z))
    silu = min(gate << (16 - widths.gate), 1 << 15) // 2
    source, target, shift = {
        "q_proj": (_H_RMS, activation, 16),
        "k_proj": (_H_RMS, activation, 16),
        "v_proj": (_H_RMS, activation, 16),
        "o_proj": (activation, min(_UPDATE_RMS, _top(widths.o) // 16), 16),
        "gate_proj": (_H_RMS, gate, 16),
        "up_proj": (_H_RMS * silu, gated, 32),
        "down_proj": (gated, min(_UPDATE_RMS, _top(widths.down) // 16), 16),
    }[kind]
    if kind in ("o_proj", "down_proj") and _multiplier(size[1], source, target, shift) < 8:
        shift = 32
    pair_width = shape.head_dim if kind in ("q_proj", "k_proj") else None
    _matrix(random, tensors, name, size, _multiplier(size[1], source, target, shift), pair_width)
    return shift


def _multiplier(inputs: int, source: int, target: int, shift: int) -> int:
    total = _WEIGHT_RMS * source * max(math.isqrt(inputs), 1)
    return min(max((target << shift) // total, 1), 1 << 29)


def _matrix(
    random: SplitMix,
    tensors: dict[str, AnyArray],
    name: str,
    size: tuple[int, int],
    multiplier: int,
    pair_width: int | None,
) -> None:
    weights = random.list(size[0] * size[1], -127, 127)
    lowest, highest = max(multiplier * 3 // 4, 1), max(multiplier, 1) + multiplier // 4
    multipliers = np.array(random.list(size[0], lowest, highest), dtype=np.int32)
    if pair_width is not None:
        heads = multipliers.reshape(-1, 2, pair_width // 2)
        heads[:, 1] = heads[:, 0]
    tensors[f"{name}.weight"] = np.array(weights, dtype=np.int8).reshape(size)
    tensors[f"{name}.multiplier"] = multipliers


def _score_shift(head_dim: int) -> int:
    typical = (_top(16) // 16) ** 2 * math.isqrt(head_dim)
    shift = min(max(typical.bit_length() - 8, 1), 16)
    widest = 2 * head_dim * _top(16) ** 2
    return next((s for s in range(shift, 16) if widest >> (s - 1) < 1 << 32), 16)


def _exp_table() -> AnyArray:
    value, table = 32767 << 64, []
    for _ in range(4096):
        table.append((value + (1 << 63)) >> 64)
        value = value * _EXP_STEP >> 48
    return np.array(table, dtype=np.int32)


def _rsqrt_table() -> AnyArray:
    used = [(math.isqrt((1 << 37) // (2 * i + 1)) + 1) // 2 for i in range(1024, 4096)]
    return np.array([0] * 1024 + used, dtype=np.int32)


def _rotation(random: SplitMix) -> tuple[int, int]:
    m, n = random.between(1, 1000), random.between(-1000, 1000)
    square = m * m + n * n
    return _quotient((m * m - n * n) * 65536, square), _quotient(2 * m * n * 65536, square)


def _silu_table(bits: int) -> AnyArray:
    half = 1 << (bits - 1)
    values = []
    for entry in range(-half, half):
        g = max(entry, 1 - half)
        share = min(max(_quotient(512 * g, half) + 256, 0), 512)
        values.append(_quotient((g << (16 - bits)) * share, 512))
    return np.array(values, dtype=np.int16)
