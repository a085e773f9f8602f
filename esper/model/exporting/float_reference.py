"""The float32 Llama in NumPy: the yardstick of an export and the source of its calibration.

Nothing here enters consensus. Results differ in the last bits between machines, which is why
calibration is saved.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

import numpy as np
import numpy.typing as npt

from esper.model.checkpoint import Checkpoint, Floats, LayerWeights
from esper.model.rotary import scaled_frequency

FINAL = -1
"""Layer number under which an observer sees the values after the last layer."""


class Observer(Protocol):
    """Receives intermediate values as the model computes them."""

    def __call__(self, layer: int, site: str, values: Floats) -> None:
        """``values`` of ``site`` in ``layer`` (:data:`FINAL` after the last), for a whole batch."""


class FloatModel:
    """Forward passes of a checkpoint over whole sequences, without a key/value cache."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint = checkpoint
        shape = checkpoint.config.shape
        pairs = np.arange(shape.head_dim // 2)
        frequency = checkpoint.config.rope_theta ** (-2.0 * pairs / shape.head_dim)
        scaling = checkpoint.config.rope_scaling
        if scaling is not None:
            frequency = np.array([float(scaled_frequency(Decimal(f), scaling)) for f in frequency])
        angles = np.outer(np.arange(shape.max_seq), frequency)
        self._cos = np.cos(angles).astype(np.float32)
        self._sin = np.sin(angles).astype(np.float32)

    def logits(self, tokens: npt.NDArray[np.int64], observe: Observer | None = None) -> Floats:
        """Logits (sequences, positions, vocab) of ``tokens`` of shape (sequences, positions)."""
        h = self.hidden(tokens, observe)
        return np.asarray(h @ self.checkpoint.lm_head.T, dtype=np.float32)

    def hidden(self, tokens: npt.NDArray[np.int64], observe: Observer | None = None) -> Floats:
        """Inputs of the output projection, shape (sequences, positions, dim)."""
        see = observe or _ignore
        x: Floats = self.checkpoint.embed[tokens]
        for index, layer in enumerate(self.checkpoint.layers):
            x = x + self._attention(index, layer, x, see)
            x = x + self._feed_forward(index, layer, x, see)
        h = self._norm(x, self.checkpoint.final_norm)
        see(FINAL, "input", h)
        return h

    def _norm(self, x: Floats, gain: Floats) -> Floats:
        mean = np.mean(x * x, axis=-1, keepdims=True)
        scaled = x / np.sqrt(mean + np.float32(self.checkpoint.config.norm_eps))
        return np.asarray(scaled * gain, dtype=np.float32)

    def _rotate(self, x: Floats) -> Floats:
        """Rotary position code of heads of shape (sequences, positions, heads, head_dim)."""
        half = x.shape[-1] // 2
        cos = self._cos[: x.shape[1], None, :]
        sin = self._sin[: x.shape[1], None, :]
        first, second = x[..., :half], x[..., half:]
        return np.concatenate((first * cos - second * sin, first * sin + second * cos), axis=-1)

    def _attention(self, index: int, layer: LayerWeights, x: Floats, see: Observer) -> Floats:
        shape = self.checkpoint.config.shape
        sequences, positions, _ = x.shape
        h = self._norm(x, layer.norm1)
        see(index, "attention_input", h)
        heads = (sequences, positions, -1, shape.head_dim)
        q = self._rotate((h @ layer.linear["q_proj"].T).reshape(heads))
        k = self._rotate((h @ layer.linear["k_proj"].T).reshape(heads))
        v = (h @ layer.linear["v_proj"].T).reshape(heads)
        for site, values in (("query", q), ("key", k), ("value", v)):
            see(index, site, values)
        hidden_keys = np.triu(np.full((positions, positions), -np.inf, dtype=np.float32), 1)
        group = shape.heads // shape.kv_heads
        mixed = np.empty_like(q)
        for head in range(shape.heads):
            keys, values = k[:, :, head // group], v[:, :, head // group]
            scores = q[:, :, head] @ keys.transpose(0, 2, 1) / np.float32(shape.head_dim**0.5)
            scores = scores + hidden_keys
            weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed[:, :, head] = weights @ values / weights.sum(axis=-1, keepdims=True)
        joined = mixed.reshape(sequences, positions, -1)
        see(index, "attention_output", joined)
        update = joined @ layer.linear["o_proj"].T
        see(index, "attention_update", update)
        return np.asarray(update, dtype=np.float32)

    def _feed_forward(self, index: int, layer: LayerWeights, x: Floats, see: Observer) -> Floats:
        h = self._norm(x, layer.norm2)
        gate = h @ layer.linear["gate_proj"].T
        # exp of at most 0 cannot overflow: the logistic function of |gate|, mirrored for negative
        # gates.
        small = np.exp(-np.abs(gate))
        logistic = np.where(gate >= 0, 1 / (1 + small), small / (1 + small))
        gated = gate * logistic * (h @ layer.linear["up_proj"].T)
        update = gated @ layer.linear["down_proj"].T
        sites = {
            "feed_forward_input": h,
            "gate": gate,
            "gated": gated,
            "feed_forward_update": update,
        }
        for site, values in sites.items():
            see(index, site, values)
        return np.asarray(update, dtype=np.float32)


def _ignore(layer: int, site: str, values: Floats) -> None:
    """Observe nothing."""
