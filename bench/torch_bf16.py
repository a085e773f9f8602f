"""The same shape in bfloat16, as PyTorch itself runs it: what the integers are compared with.

One step of decoding: each row is the newest token of a sequence of its own, over keys and values of
``positions`` tokens. Weights are random; nothing of it enters anything.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from esper.model.config import Shape


class FloatStep:
    """One step of ``rows`` sequences."""

    def __init__(self, shape: Shape, rows: int, positions: int, device: str) -> None:
        self._shape = shape
        self._device = device
        torch.manual_seed(1)
        q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
        self._sizes = (q, kv, kv)
        self._embed = self._random(shape.vocab, shape.dim)
        self._head = self._random(shape.vocab, shape.dim)
        self._gain = torch.ones(shape.dim, dtype=torch.bfloat16, device=device)
        self._layers = [
            (
                self._random(q + 2 * kv, shape.dim),
                self._random(shape.dim, q),
                self._random(2 * shape.hidden, shape.dim),
                self._random(shape.dim, shape.hidden),
                *(self._random(rows, shape.kv_heads, positions, shape.head_dim) for _ in "kv"),
            )
            for _ in range(shape.layers)
        ]
        turn = torch.rand(shape.head_dim // 2, device=device) * 6
        self._cos, self._sin = turn.cos().to(torch.bfloat16), turn.sin().to(torch.bfloat16)
        self._tokens = torch.arange(rows, device=device) % shape.vocab

    def run(self) -> Tensor:
        """The best token of each row."""
        x = self._embed[self._tokens]
        rows = len(x)
        for qkv, out, gate_up, down, keys, values in self._layers:
            q, k, v = functional.linear(self._norm(x), qkv).split(self._sizes, dim=1)
            keys[:, :, -1] = self._rotated(k.reshape(rows, -1, self._shape.head_dim))
            values[:, :, -1] = v.reshape(rows, -1, self._shape.head_dim)
            mixed = functional.scaled_dot_product_attention(
                self._rotated(q.reshape(rows, -1, self._shape.head_dim))[:, :, None],
                keys,
                values,
                enable_gqa=True,
            )
            x = x + functional.linear(mixed.reshape(rows, -1), out)
            gate, up = functional.linear(self._norm(x), gate_up).chunk(2, dim=1)
            x = x + functional.linear(functional.silu(gate) * up, down)
        logits: Any = functional.linear(self._norm(x), self._head)
        return logits.argmax(dim=1)

    def _norm(self, x: Tensor) -> Tensor:
        return functional.rms_norm(x, (self._shape.dim,), self._gain)

    def _rotated(self, x: Tensor) -> Tensor:
        first, second = x.chunk(2, dim=2)
        turned = (
            first * self._cos - second * self._sin,
            first * self._sin + second * self._cos,
        )
        return torch.cat(turned, dim=2)

    def _random(self, *size: int) -> Tensor:
        values = torch.empty(size, dtype=torch.bfloat16, device=self._device)
        return values.normal_(std=size[-1] ** -0.5)
