"""Llama as its papers and its publishers' configuration files describe it, one number at a time.

An oracle for the float model: it reads the fields of a ``config.json`` and named tensors itself, in
plain Python numbers, and shares no code with ``esper.model``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt

Vector = list[float]


def rotary_frequencies(fields: Mapping[str, Any]) -> Vector:
    """Radians a position of each pair."""
    width = fields.get("head_dim") or fields["hidden_size"] // fields["num_attention_heads"]
    scaling = fields.get("rope_parameters") or fields.get("rope_scaling") or {}
    theta = scaling.get("rope_theta") or fields.get("rope_theta") or 10000.0
    plain = [theta ** (-2 * pair / width) for pair in range(width // 2)]
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind == "linear":
        return [frequency / scaling["factor"] for frequency in plain]
    if kind == "llama3":
        return [_stretched(frequency, scaling) for frequency in plain]
    assert kind == "default"
    return plain


def _stretched(frequency: float, scaling: Mapping[str, float]) -> float:
    """By wavelengths: short ones stay, long ones are stretched, those between are blended."""
    wavelength = 2 * math.pi / frequency
    original = scaling["original_max_position_embeddings"]
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    if wavelength < original / high:
        return frequency
    if wavelength > original / low:
        return frequency / float(scaling["factor"])
    blend = (original / wavelength - low) / (high - low)
    return (1 - blend) * frequency / float(scaling["factor"]) + blend * frequency


class Llama:
    """A checkpoint as ``config.json`` fields and tensors by their Hugging Face names."""

    def __init__(self, fields: Mapping[str, Any], tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self.heads = fields["num_attention_heads"]
        self.shared = self.heads // (fields.get("num_key_value_heads") or self.heads)
        self.width = fields.get("head_dim") or fields["hidden_size"] // self.heads
        self.eps = fields.get("rms_norm_eps", 1e-6)
        self.layers = fields["num_hidden_layers"]
        self.frequencies = rotary_frequencies(fields)
        self.tensors = {name: values.astype("float64").tolist() for name, values in tensors.items()}
        self.tied = fields.get("tie_word_embeddings", False)

    def logits(self, tokens: Sequence[int]) -> list[Vector]:
        """Logits of every position."""
        embedding = self.tensors["model.embed_tokens.weight"]
        stream = [list(embedding[token]) for token in tokens]
        for layer in range(self.layers):
            prefix = f"model.layers.{layer}"
            normed = [self._norm(x, f"{prefix}.input_layernorm") for x in stream]
            self._add(stream, self._attention(f"{prefix}.self_attn", normed))
            normed = [self._norm(x, f"{prefix}.post_attention_layernorm") for x in stream]
            self._add(stream, [self._gated(f"{prefix}.mlp", x) for x in normed])
        head = embedding if self.tied else self.tensors["lm_head.weight"]
        return [_product(head, self._norm(x, "model.norm")) for x in stream]

    @staticmethod
    def _add(stream: list[Vector], updates: list[Vector]) -> None:
        for x, update in zip(stream, updates, strict=True):
            x[:] = [a + b for a, b in zip(x, update, strict=True)]

    def _norm(self, x: Vector, name: str) -> Vector:
        root = math.sqrt(sum(v * v for v in x) / len(x) + self.eps)
        gains = self.tensors[f"{name}.weight"]
        return [v / root * gain for v, gain in zip(x, gains, strict=True)]

    def _linear(self, name: str, x: Vector) -> Vector:
        return _product(self.tensors[f"{name}.weight"], x)

    def _turned(self, head: Vector, position: int) -> Vector:
        half = self.width // 2
        first, second = [], []
        for pair, frequency in enumerate(self.frequencies):
            a, b, angle = head[pair], head[pair + half], position * frequency
            first.append(a * math.cos(angle) - b * math.sin(angle))
            second.append(b * math.cos(angle) + a * math.sin(angle))
        return first + second

    def _attention(self, name: str, inputs: list[Vector]) -> list[Vector]:
        def of_head(values: Vector, head: int) -> Vector:
            return values[head * self.width : (head + 1) * self.width]

        queries, keys, values = (
            [self._linear(f"{name}.{part}", x) for x in inputs]
            for part in ("q_proj", "k_proj", "v_proj")
        )
        updates = []
        for now in range(len(inputs)):
            joined: Vector = []
            for head in range(self.heads):
                query = self._turned(of_head(queries[now], head), now)
                group = head // self.shared
                scores = [
                    math.fsum(a * b for a, b in zip(query, self._turned(key, then), strict=True))
                    / math.sqrt(self.width)
                    for then, key in enumerate(of_head(keys[t], group) for t in range(now + 1))
                ]
                weights = [math.exp(score - max(scores)) for score in scores]
                for place in range(self.width):
                    mixed = [
                        weight * of_head(values[then], group)[place]
                        for then, weight in enumerate(weights)
                    ]
                    joined.append(sum(mixed) / sum(weights))
            updates.append(self._linear(f"{name}.o_proj", joined))
        return updates

    def _gated(self, name: str, x: Vector) -> Vector:
        gates, ups = self._linear(f"{name}.gate_proj", x), self._linear(f"{name}.up_proj", x)
        hidden = [g / (1 + math.exp(-g)) * up for g, up in zip(gates, ups, strict=True)]
        return self._linear(f"{name}.down_proj", hidden)


def _product(rows: Any, x: Vector) -> Vector:
    return [math.fsum(a * b for a, b in zip(row, x, strict=True)) for row in rows]
