"""The rules of the integer model on tensors: rounding, clamps, norm, rotation, attention, gate.

Rows are independent: a row is one token of one sequence. int64 wherever a value may leave 31 bits;
the loader has proven that none leaves 62. Nothing here is a float, and no result depends on the
order in which a device adds.
"""

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

BELOW_ALL: Final = -(1 << 61)
"""Stands for the score of a key that may not be seen."""
LAST_EXP: Final = 4095
TABLE_START: Final = 10
"""An index of the table of square roots has so many bits below its uppermost one, or one more."""


def rounding_shift(x: Tensor, shift: int) -> Tensor:
    """``(x + 2^(shift-1)) >> shift`` of int64, so halves go up; shift at least 1."""
    return (x + (1 << (shift - 1))) >> shift


def saturate(x: Tensor, bits: int) -> Tensor:
    """Clamp to ``±(2^(bits-1) - 1)``."""
    top = (1 << (bits - 1)) - 1
    return x.clamp(-top, top)


@dataclass(frozen=True, slots=True)
class Norm:
    """Integers of one norm."""

    gain: Tensor
    """(dim,), int64."""
    shift: int
    rsqrt: Tensor
    """(4096,), int64."""
    powers: Tensor
    """(31,), int64: powers of four."""
    emax: int
    eps_term: int

    def __call__(self, x: Tensor) -> Tensor:
        """``sat16(RS(x R gain, shift))`` of each row: (rows, dim) int64 gives int16."""
        v = (x * x).sum(dim=1) + self.eps_term
        exponent = torch.bucketize(v, self.powers, right=True) - 1
        down = 2 * exponent - TABLE_START
        index = torch.where(down >= 0, v >> down.clamp(min=0), v << (-down).clamp(min=0))
        factor = self.rsqrt[index] << (self.emax - exponent)
        return saturate(rounding_shift(x * factor[:, None] * self.gain, self.shift), 16).to(
            torch.int16
        )


def rotate(a: Tensor, cos: Tensor, sin: Tensor, shift: int) -> Tensor:
    """Rotary code of unshifted products.

    Args:
        a: (rows, heads, head_dim), int64.
        cos: (rows, 1, head_dim / 2), int64, of each row's position.
        sin: as ``cos``.
        shift: of the projection; that of the tables comes on top.

    Returns:
        (rows, heads, head_dim), int16.
    """
    half = a.shape[2] // 2
    first, second = a[:, :, :half], a[:, :, half:]
    turned = torch.cat((first * cos - second * sin, first * sin + second * cos), dim=2)
    return saturate(rounding_shift(turned, shift + 16), 16).to(torch.int16)


def attend(
    q: Tensor, keys: Tensor, values: Tensor, seen: Tensor, exp: Tensor, score_shift: int
) -> Tensor:
    """Exact attention of each row over the keys of its own sequence.

    Args:
        q: (rows, kv_heads, group, head_dim), int16.
        keys: (rows, kv_heads, positions, head_dim), int16.
        values: as ``keys``.
        seen: (rows, positions), bool: the keys up to the row's own position, at least one.
        exp: (4096,), int64.
        score_shift: ``2^(8 + score_shift)`` units are one nat.

    Returns:
        (rows, kv_heads, group, head_dim), int16: ``floor((2 N + Z) / (2 Z))``.
    """
    # No integer batched product exists on CUDA: multiply, then add, in int64.
    wide = q.to(torch.int64)[:, :, :, None, :]
    scores = (wide * keys[:, :, None, :, :]).sum(dim=4)
    visible = seen[:, None, None, :]
    scores = scores.masked_fill(~visible, BELOW_ALL)
    top = scores.amax(dim=3, keepdim=True)
    distance = rounding_shift(top - scores, score_shift).clamp(max=LAST_EXP)
    weights = exp[distance] * visible
    total = weights.sum(dim=3, keepdim=True)
    sums = (weights[:, :, :, :, None] * values[:, :, None, :, :]).sum(dim=3)
    mixed = torch.div(2 * sums + total, 2 * total, rounding_mode="floor")
    return mixed.to(torch.int16)


@dataclass(frozen=True, slots=True)
class Gate:
    """Integers of one gate."""

    silu: Tensor
    """(2^bits,), int64."""
    bits: int
    shift: int
    up_shift: int
    z_bits: int

    def __call__(self, a_gate: Tensor, a_up: Tensor) -> Tensor:
        """``z``: (rows, hidden) int64 twice gives int16, or int32 where z is wide."""
        g = saturate(rounding_shift(a_gate, self.shift), self.bits)
        product = self.silu[g + (1 << (self.bits - 1))] * a_up
        z = saturate(rounding_shift(product, self.up_shift), self.z_bits)
        return z.to(torch.int16 if self.z_bits == 16 else torch.int32)


def best(logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The best candidates of each row: logit descending, lowest id first on a tie.

    Args:
        logits: (rows, vocab), int64; destroyed.
        count: at most ``vocab``.

    Returns:
        ids and logits, both (rows, count), int64.
    """
    # Neither topk nor argmax promises which of equals it gives.
    ids = torch.arange(logits.shape[1], device=logits.device)
    found, tops = [], []
    for _ in range(count):
        top = logits.amax(dim=1, keepdim=True)
        place = torch.where(logits == top, ids, logits.shape[1]).amin(dim=1, keepdim=True)
        logits.scatter_(1, place, torch.iinfo(torch.int64).min)
        found.append(place)
        tops.append(top)
    return torch.cat(found, dim=1), torch.cat(tops, dim=1)
