"""The G16 integer Llama as a slow, plain NumPy program: the specification of the fast engines.

It follows the published rules step by step, reads the file with the public ``safetensors`` package
and shares no code with the engines or with the exporter. Every value is a Python integer or an
``int64`` array. A model whose worst-case bounds pass ``2**62`` must be refused before it comes
here, so no sum below can wrap.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

Ints = npt.NDArray[np.int64]

LINEAR_NAMES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


@dataclass
class Trace:
    """How often each clamp changed a value, by site name such as ``"layers.0.q"``."""

    clamped: dict[str, int] = field(default_factory=dict)
    reach: dict[str, float] = field(default_factory=dict)
    """Largest value met before the clamp, in parts of what it lets through."""

    def record(self, site: str, count: int, reach: float) -> None:
        """Add ``count`` clamped values to ``site``, the largest of all values at ``reach``."""
        self.clamped[site] = self.clamped.get(site, 0) + count
        self.reach[site] = max(self.reach.get(site, 0.0), reach)


def rounding_shift(x: Ints, shift: int) -> Ints:
    """``(x + 2^(shift-1)) >> shift``, so halves go up; ``x`` itself at shift 0."""
    if shift == 0:
        return x
    return np.asarray((x + (1 << (shift - 1))) >> shift, dtype=np.int64)


def saturate(x: Ints, bits: int, site: str, trace: Trace | None) -> Ints:
    """Clamp to ``±(2^(bits-1) - 1)``."""
    limit = (1 << (bits - 1)) - 1
    y = np.clip(x, -limit, limit)
    if trace is not None:
        reach = float(np.abs(x).max(initial=0)) / limit
        trace.record(site, int(np.count_nonzero(y != x)), reach)
    return y


class SpecModel:
    """A G16 directory read into ``int64`` arrays, with the forward pass of one sequence.

    Args:
        directory: folder holding ``g16.safetensors``.
    """

    def __init__(self, directory: Path) -> None:
        with safe_open(str(directory / "g16.safetensors"), framework="np") as container:
            self.parameters = json.loads(container.metadata()["g16"])
            self.tensors: dict[str, Ints] = {
                name: container.get_tensor(name).astype(np.int64)
                for name in container.keys()  # noqa: SIM118
            }
        p = self.parameters
        self.layers: int = p["layers"]
        self.heads: int = p["heads"]
        self.kv_heads: int = p["kv_heads"]
        self.head_dim: int = p["head_dim"]
        self.vocab: int = p["vocab"]
        self.max_seq: int = p["max_seq"]

    def logits(self, tokens: Sequence[int], trace: Trace | None = None) -> Ints:
        """Logits of every position, shape ``(len(tokens), vocab)``.

        Args:
            tokens: 1 to ``max_seq`` token ids, each below ``vocab``.
            trace: counts the clamps that changed something, when given.

        Raises:
            ValueError: the sequence is empty, too long, or holds an id outside the vocabulary.
        """
        if not 0 < len(tokens) <= self.max_seq:
            raise ValueError(f"tokens: need 1 to {self.max_seq} of them, got {len(tokens)}")
        if not all(0 <= token < self.vocab for token in tokens):
            raise ValueError(f"tokens: every id must lie in 0..{self.vocab - 1}")
        x = self.tensors["embed_tokens"][np.array(tokens)]
        for layer in range(self.layers):
            x = x + self._attention(layer, x, trace)
            x = x + self._feed_forward(layer, x, trace)
        shift = self.parameters["final_norm_shift"]
        h = self._norm(x, self.tensors["final_norm_gain"], shift, "final_norm", trace)
        return self._product("lm_head", h)

    def generate(self, prompt: Sequence[int], max_new_tokens: int, eos: int) -> list[int]:
        """Greedy answer of at most ``max_new_tokens``, lowest id on a tie, up to ``eos``."""
        sequence = list(prompt)
        answer: list[int] = []
        while len(answer) < max_new_tokens:
            token = int(
                np.argmax(self.logits(sequence)[-1])
            )  # argmax gives the lowest index of equals
            answer.append(token)
            sequence.append(token)
            if token == eos:
                break
        return answer

    def score(
        self, prompt: Sequence[int], answer: Sequence[int], count: int
    ) -> list[list[tuple[int, int]]]:
        """By token of a given answer the ``count`` best (id, logit): largest first, then lowest id.

        Raises:
            ValueError: as ``logits``, of prompt and answer without its last token.
        """
        rows = self.logits([*prompt, *answer[:-1]])[len(prompt) - 1 :]
        ordered = [np.argsort(-row, kind="stable")[:count] for row in rows]
        return [
            [(int(token), int(row[token])) for token in best]
            for row, best in zip(rows, ordered, strict=True)
        ]

    def _product(self, name: str, h: Ints) -> Ints:
        """``A = (W h) * m`` before any shift, shape ``(positions, outputs)``."""
        acc = h @ self.tensors[f"{name}.weight"].T
        return np.asarray(acc * self.tensors[f"{name}.multiplier"], dtype=np.int64)

    def _norm(self, x: Ints, gain: Ints, shift: int, site: str, trace: Trace | None) -> Ints:
        p = self.parameters
        table = self.tensors["rsqrt_table"]
        rows = []
        for row in x:
            v = int(np.sum(row * row)) + p["eps_term"]
            e = (v.bit_length() - 1) >> 1
            t = 2 * e - 10
            index = v >> t if t >= 0 else v << -t
            assert 1024 <= index <= 4095
            r = int(table[index]) << (p["emax"] - e)
            rows.append(row * r * gain)
        return saturate(rounding_shift(np.array(rows), shift), 16, site, trace)

    def _rotate(self, a: Ints, count: int, shift: int, site: str, trace: Trace | None) -> Ints:
        """Rotary code of unshifted products: int16 heads of shape (positions, count, head_dim)."""
        positions, half = len(a), self.head_dim // 2
        heads = a.reshape(positions, count, self.head_dim)
        first, second = heads[:, :, :half], heads[:, :, half:]
        cos = self.tensors["rope_cos"][:positions, None, :]
        sin = self.tensors["rope_sin"][:positions, None, :]
        turned = np.concatenate((first * cos - second * sin, first * sin + second * cos), axis=2)
        return saturate(rounding_shift(turned, shift + 16), 16, site, trace)

    def _attention(self, layer: int, x: Ints, trace: Trace | None) -> Ints:
        own = self.parameters["layer"][layer]
        shifts = own["linear_shift"]
        name = f"layers.{layer}"
        positions = len(x)
        h = self._norm(
            x, self.tensors[f"{name}.norm1_gain"], own["norm1_shift"], f"{name}.norm1", trace
        )
        q = self._rotate(
            self._product(f"{name}.q_proj", h), self.heads, shifts["q_proj"], f"{name}.q", trace
        )
        k = self._rotate(
            self._product(f"{name}.k_proj", h), self.kv_heads, shifts["k_proj"], f"{name}.k", trace
        )
        v = rounding_shift(self._product(f"{name}.v_proj", h), shifts["v_proj"])
        v = saturate(v, 16, f"{name}.v", trace).reshape(positions, self.kv_heads, self.head_dim)
        mixed = np.zeros((positions, self.heads, self.head_dim), dtype=np.int64)
        group = self.heads // self.kv_heads
        for head in range(self.heads):
            keys, values = k[:, head // group], v[:, head // group]
            for t in range(positions):
                u = keys[: t + 1] @ q[t, head]
                distance = np.minimum(rounding_shift(np.max(u) - u, own["score_shift"]), 4095)
                weight = self.tensors["exp_table"][distance]
                z = np.sum(weight)
                n = weight @ values[: t + 1]
                mixed[t, head] = (2 * n + z) // (2 * z)
        update = rounding_shift(
            self._product(f"{name}.o_proj", mixed.reshape(positions, -1)), shifts["o_proj"]
        )
        bits = own.get("o_bits", self.parameters["residual_update_bits"])
        return saturate(update, bits, f"{name}.o", trace)

    def _feed_forward(self, layer: int, x: Ints, trace: Trace | None) -> Ints:
        own = self.parameters["layer"][layer]
        shifts = own["linear_shift"]
        name = f"layers.{layer}"
        h = self._norm(
            x, self.tensors[f"{name}.norm2_gain"], own["norm2_shift"], f"{name}.norm2", trace
        )
        gate_bits = own.get("gate_bits", 16)
        g = rounding_shift(self._product(f"{name}.gate_proj", h), shifts["gate_proj"])
        g = saturate(g, gate_bits, f"{name}.gate", trace)
        silu = self.tensors[f"{name}.silu_table"][g + (1 << (gate_bits - 1))]
        z = rounding_shift(silu * self._product(f"{name}.up_proj", h), shifts["up_proj"])
        z = saturate(z, own.get("z_bits", 16), f"{name}.z", trace)
        update = rounding_shift(self._product(f"{name}.down_proj", z), shifts["down_proj"])
        bits = own.get("down_bits", self.parameters["residual_update_bits"])
        return saturate(update, bits, f"{name}.down", trace)


def logits_bytes(model: SpecModel, sequences: Iterable[Sequence[int]]) -> bytes:
    """Logits of all sequences as the vectors hash them: C order, little-endian ``int64``."""
    return b"".join(model.logits(tokens).astype("<i8").tobytes() for tokens in sequences)
