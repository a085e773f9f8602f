"""Sample stories from a teacher Llama checkpoint, as training and held-out text.

The teacher is a checkpoint in Hugging Face form (``config.json``, ``model.safetensors``,
``tokenizer.json``). A batch of sequences is decoded together at temperature 1, each starting from
the token ``<s>``; the teacher writes ``<s>`` again where a story ends, so one sequence of tokens is
cut there into whole stories and, at its end, an unfinished one.

Output: a JSON-lines file, one object per story, ``{"text": str, "whole": bool, "first": bool}``.
``whole`` says that the story ended by itself; ``first`` that it started at position 0 of its
sequence, so that the teacher saw nothing before it. With one thread the same seed and the same
version of PyTorch give the same file.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

BOS = 1


@dataclass(frozen=True, slots=True)
class TeacherShape:
    """Sizes of the teacher, as named in its ``config.json``."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    epsilon: float
    rope_theta: float
    max_positions: int


class Teacher:
    """Float32 Llama that decodes a batch one position at a time with a key/value cache."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        self.shape = TeacherShape(
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            kv_heads=config["num_key_value_heads"],
            head_dim=config["hidden_size"] // config["num_attention_heads"],
            epsilon=config["rms_norm_eps"],
            rope_theta=config["rope_theta"],
            max_positions=config["max_position_embeddings"],
        )
        weights = load_file(folder / "model.safetensors")
        self.weights = {name.removeprefix("model."): value for name, value in weights.items()}
        half = self.shape.head_dim // 2
        inverse = self.shape.rope_theta ** -(torch.arange(half) / half)
        angles = torch.arange(self.shape.max_positions)[:, None] * inverse[None, :]
        self.cos, self.sin = angles.cos(), angles.sin()

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        """RMS-normalise the last axis of ``x`` and apply the gain called ``name``."""
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + self.shape.epsilon)
        return x * scale * self.weights[name]

    def rotate(self, x: torch.Tensor, position: int) -> torch.Tensor:
        """Rotary embedding of ``x`` (batch, heads, head_dim) at one position."""
        a, b = x.chunk(2, dim=-1)
        cos, sin = self.cos[position], self.sin[position]
        return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)

    def new_cache(self, batch: int, length: int) -> torch.Tensor:
        """Cache of shape (layers, 2, batch, kv_heads, length, head_dim)."""
        s = self.shape
        return torch.zeros(s.layers, 2, batch, s.kv_heads, length, s.head_dim)

    def step(self, tokens: torch.Tensor, position: int, cache: torch.Tensor) -> torch.Tensor:
        """Logits (batch, vocab) after ``tokens`` (batch,) at ``position``; fills the cache."""
        s, w = self.shape, self.weights
        batch = tokens.shape[0]
        x = w["embed_tokens.weight"][tokens]
        for layer in range(s.layers):
            p = f"layers.{layer}."
            h = self.norm(x, p + "input_layernorm.weight")
            q = (h @ w[p + "self_attn.q_proj.weight"].T).view(batch, s.heads, s.head_dim)
            k = (h @ w[p + "self_attn.k_proj.weight"].T).view(batch, s.kv_heads, s.head_dim)
            v = (h @ w[p + "self_attn.v_proj.weight"].T).view(batch, s.kv_heads, s.head_dim)
            cache[layer, 0, :, :, position] = self.rotate(k, position)
            cache[layer, 1, :, :, position] = v
            keys, values = cache[layer, :, :, :, : position + 1]
            groups = self.rotate(q, position).view(batch, s.kv_heads, -1, s.head_dim)
            # The query heads that share a key head stand where queries of a longer text would.
            attended = torch.nn.functional.scaled_dot_product_attention(groups, keys, values)
            mixed = attended.reshape(batch, -1)
            x = x + mixed @ w[p + "self_attn.o_proj.weight"].T
            h = self.norm(x, p + "post_attention_layernorm.weight")
            gate = torch.nn.functional.silu(h @ w[p + "mlp.gate_proj.weight"].T)
            up = h @ w[p + "mlp.up_proj.weight"].T
            x = x + (gate * up) @ w[p + "mlp.down_proj.weight"].T
        return self.norm(x, "norm.weight") @ w["embed_tokens.weight"].T


@torch.inference_mode()
def sample_batch(
    teacher: Teacher, batch: int, length: int, nucleus: float, generator: torch.Generator
) -> torch.Tensor:
    """Tokens (batch, length) drawn at temperature 1; the first of each row is ``<s>``.

    Of every distribution only the likeliest tokens are kept whose probabilities first reach
    ``nucleus``; 1 keeps them all.
    """
    tokens = torch.full((batch, length), BOS)
    cache = teacher.new_cache(batch, length)
    for position in range(length - 1):
        logits = teacher.step(tokens[:, position], position, cache)
        # Inverse sampling over the sorted tokens, one uniform number per row: a number below what
        # the nucleus holds never reaches the tail.
        likeliest, ids = logits.softmax(-1).sort(dim=-1, descending=True)
        cumulative = likeliest.cumsum(-1)
        last = (cumulative < nucleus).sum(-1, keepdim=True).clamp_max(logits.shape[1] - 1)
        uniform = torch.rand(batch, 1, generator=generator)
        drawn = torch.searchsorted(cumulative, uniform * cumulative.gather(1, last), right=True)
        tokens[:, position + 1] = ids.gather(1, drawn.minimum(last)).squeeze(1)
    return tokens


def cut_into_stories(row: list[int]) -> list[tuple[list[int], bool, bool]]:
    """Split one sampled row at ``<s>``: (tokens, whole, first) of every story in it."""
    starts = [i for i, token in enumerate(row) if token == BOS]
    ends = [*starts[1:], len(row)]
    return [
        (row[start + 1 : end], end < len(row), start == 0)
        for start, end in zip(starts, ends, strict=True)
    ]


def main() -> None:
    """Command line entry: sample until the time or the number of batches is used up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("output", type=Path, help="JSON-lines file to write")
    parser.add_argument("--batches", type=int, default=40, help="number of batches")
    parser.add_argument("--batch", type=int, default=512, help="sequences per batch")
    parser.add_argument("--length", type=int, default=448, help="tokens per sequence, <s> included")
    parser.add_argument("--nucleus", type=float, default=1.0, help="probability kept, in (0, 1]")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    torch.set_num_threads(1)
    teacher = Teacher(options.teacher)
    tokenizer = Tokenizer.from_file(str(options.teacher / "tokenizer.json"))
    generator = torch.Generator().manual_seed(options.seed)
    started = time.monotonic()
    written = 0
    with options.output.open("w", encoding="utf-8") as file:
        for index in range(options.batches):
            rows = sample_batch(
                teacher, options.batch, options.length, options.nucleus, generator
            ).tolist()
            for row in rows:
                for tokens, whole, first in cut_into_stories(row):
                    text = tokenizer.decode(tokens, skip_special_tokens=True).strip()
                    if not text or "\ufffd" in text:
                        continue
                    record = {"text": text, "whole": whole, "first": first}
                    file.write(json.dumps(record, ensure_ascii=False) + "\n")
                    written += len(text.encode())
            file.flush()
            elapsed = time.monotonic() - started
            rate = (index + 1) * options.batch * options.length / elapsed
            print(
                f"batch {index + 1}: {written / 1e6:.2f} MB, {rate:.0f} tokens/s, {elapsed:.0f} s",
                flush=True,
            )
            if elapsed > options.seconds:
                break


if __name__ == "__main__":
    main()
