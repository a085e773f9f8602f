"""One step of the model: rows of any sequences in, the best candidates of some of them out.

rows: token, slot, position --- embedding --- layers, each writes its keys and values to the slot
      --- the rows that are asked for --- norm, output matrix --- ids and logits

The rows of a step may belong to one sequence or to many: all keys of a step are written before any
is read, and a row sees those up to its own position. So a prompt may come in one piece, in several,
or token by token, with the same result.
"""

from typing import Final

import torch
from torch import Tensor

from esper.model.torch_engine.arithmetic import attend, best, rotate, rounding_shift, saturate
from esper.model.torch_engine.halves import Linear
from esper.model.torch_engine.weights import DeviceLayer, DeviceModel

ATTENTION_BYTES: Final = 1 << 28
"""Room for the products of queries and keys: more rows than that go one portion after another."""


class Cache:
    """Keys and values of all sequences: (slots + 1, positions, kv_heads, head_dim) for each layer.

    What was left in a slot need not be cleared: a row reads no position that its own sequence has
    not written. The last slot takes what rows without a sequence write.
    """

    def __init__(self, model: DeviceModel, slots: int, positions: int) -> None:
        shape = model.shape
        size = (slots + 1, positions, shape.kv_heads, shape.head_dim)
        self.slots = slots
        """Sequences at a time; also the number of the slot of nobody."""
        self.positions = positions
        """Longest sequence."""
        self.keys = [
            torch.zeros(size, dtype=torch.int16, device=model.device) for _ in model.layers
        ]
        self.values = [torch.zeros_like(one) for one in self.keys]


class Forward:
    """The model's step over one cache."""

    def __init__(self, model: DeviceModel, cache: Cache) -> None:
        shape = model.shape
        self._model = model
        self._cache = cache
        self._places = torch.arange(cache.positions, device=model.device)
        self._widths = (
            shape.heads * shape.head_dim,
            shape.kv_heads * shape.head_dim,
            shape.kv_heads * shape.head_dim,
        )
        products = 8 * shape.heads * cache.positions * shape.head_dim
        self._portion = max(ATTENTION_BYTES // products, 1)

    def run(self, tokens: Tensor, slots: Tensor, positions: Tensor) -> Tensor:
        """The residual stream after the last layer.

        Args:
            tokens: (rows,), int64 ids.
            slots: (rows,), int64; ``Cache.slots`` for rows that count for nothing.
            positions: (rows,), int64, below ``Cache.positions``.

        Returns:
            (rows, dim), int64.
        """
        model = self._model
        x = model.embed[tokens].to(torch.int64)
        cos, sin = model.cos[positions][:, None], model.sin[positions][:, None]
        seen = self._places[None, :] <= positions[:, None]
        for index, layer in enumerate(model.layers):
            q, k, v = self._projected(layer, layer.norm1(x), cos, sin)
            keys, values = self._cache.keys[index], self._cache.values[index]
            keys[slots, positions] = k
            values[slots, positions] = v
            mixed = self._attended(layer, q, keys, values, slots, seen)
            own = layer.parameters
            x = x + _update(layer.o, mixed, own.linear_shift["o_proj"], own.o_bits)
            both = layer.gate_up(layer.norm2(x))
            hidden = both.shape[1] // 2
            z = layer.gate(both[:, :hidden], both[:, hidden:])
            x = x + _update(layer.down, z, own.linear_shift["down_proj"], own.down_bits)
        return x

    def logits(self, x: Tensor) -> Tensor:
        """Logits, (rows, vocab), int64, of the stream after the last layer."""
        return self._model.lm_head(self._model.final_norm(x))

    def candidates(self, x: Tensor, asked: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Ids and logits, each (asked, count), of the best behind the rows that ``asked`` names."""
        return best(self.logits(x[asked]), count)

    def _projected(
        self, layer: DeviceLayer, h: Tensor, cos: Tensor, sin: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        head_dim = self._model.shape.head_dim
        shifts = layer.parameters.linear_shift
        q, k, v = layer.qkv(h).split(self._widths, dim=1)
        rows = len(h)
        return (
            rotate(q.reshape(rows, -1, head_dim), cos, sin, shifts["q_proj"]),
            rotate(k.reshape(rows, -1, head_dim), cos, sin, shifts["k_proj"]),
            saturate(rounding_shift(v, shifts["v_proj"]), 16)
            .to(torch.int16)
            .reshape(rows, -1, head_dim),
        )

    def _attended(
        self,
        layer: DeviceLayer,
        q: Tensor,
        keys: Tensor,
        values: Tensor,
        slots: Tensor,
        seen: Tensor,
    ) -> Tensor:
        shape = self._model.shape
        grouped = q.reshape(len(q), shape.kv_heads, -1, shape.head_dim)
        portions = [
            attend(
                grouped[start : start + self._portion],
                keys[slots[start : start + self._portion]].transpose(1, 2),
                values[slots[start : start + self._portion]].transpose(1, 2),
                seen[start : start + self._portion],
                self._model.exp,
                layer.parameters.score_shift,
            )
            for start in range(0, len(q), self._portion)
        ]
        mixed = portions[0] if len(portions) == 1 else torch.cat(portions)
        return mixed.reshape(len(q), -1)


def _update(linear: Linear, values: Tensor, shift: int, bits: int) -> Tensor:
    return saturate(rounding_shift(linear(values), shift), bits)
