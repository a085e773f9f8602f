"""Starting weights for the genesis model, carried over from its teacher.

The residual stream has the teacher's width, so norms, feed-forward blocks, attention outputs and the
embedding carry over; training mends what does not fit:

- one layer is left out (``--skip``);
- a token starts as the mean of the teacher's pieces of its text, ``</s>`` as the teacher's ``<s>``,
  which is what the teacher writes where a story ends;
- attention: the student's one key/value head stacks the teacher's four, and query head j stacks the
  j-th query head of each, with rotary pairs placed at the nearest frequency;
- feed-forward rows beyond the teacher's start at zero output.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from llama import Llama, Shape
from sample_teacher import BOS, Teacher
from safetensors.torch import save_file
from tokenizers import Tokenizer

EOS = 2


def carried_embedding(teacher: Teacher, pieces: Tokenizer, tokenizer: Tokenizer) -> torch.Tensor:
    """Embedding (vocabulary, width) of the student's tokens."""
    table = teacher.weights["embed_tokens.weight"]
    rows = []
    for index in range(tokenizer.get_vocab_size()):
        if index == EOS:
            rows.append(table[BOS])
            continue
        text = tokenizer.id_to_token(index)
        known = pieces.token_to_id(text.replace(" ", "\u2581"))
        if known is not None:
            rows.append(table[known])
            continue
        split = pieces.model.tokenize(text.replace(" ", "\u2581"))
        rows.append(torch.stack([table[piece.id] for piece in split]).mean(0))
    return torch.stack(rows)


def stacked_heads(weight: torch.Tensor, heads: list[int], head_dim: int) -> torch.Tensor:
    """Rows of the given rotary heads of ``weight`` as one head, frequencies interleaved.

    Pair i of head m of h goes to pair i * h + m: its frequency there is the nearest not higher.
    """
    half = head_dim // 2
    parts = weight.view(-1, 2, half, weight.shape[1])[heads]
    return parts.permute(1, 2, 0, 3).reshape(len(heads) * head_dim, weight.shape[1])


def carry_layer(teacher: Teacher, source: int, width: int) -> dict[str, torch.Tensor]:
    """One student layer from layer ``source`` of the teacher; ``width`` is the hidden size."""
    shape = teacher.shape
    w = {
        name.removeprefix(f"layers.{source}."): value
        for name, value in teacher.weights.items()
        if name.startswith(f"layers.{source}.")
    }
    groups, dim = shape.heads // shape.kv_heads, shape.head_dim
    queries = [
        stacked_heads(
            w["self_attn.q_proj.weight"], [m * groups + j for m in range(shape.kv_heads)], dim
        )
        for j in range(groups)
    ]
    keys = stacked_heads(w["self_attn.k_proj.weight"], list(range(shape.kv_heads)), dim)
    # The teacher's heads stand (group m, query j); the student reads (query j, all values).
    outputs = w["self_attn.o_proj.weight"].view(-1, shape.kv_heads, groups, dim).transpose(1, 2)
    extra = width - w["mlp.gate_proj.weight"].shape[0]
    spread = torch.randn(extra, keys.shape[1]) * keys.shape[1] ** -0.5
    return {
        **{name: w[name] for name in w if name.endswith("layernorm.weight")},
        # Scores are divided by the root of a head's width, which is larger here.
        "self_attn.q_proj.weight": torch.cat(queries) * shape.kv_heads**0.5,
        "self_attn.k_proj.weight": keys,
        "self_attn.v_proj.weight": w["self_attn.v_proj.weight"],
        "self_attn.o_proj.weight": outputs.reshape(outputs.shape[0], -1),
        "mlp.gate_proj.weight": torch.cat((w["mlp.gate_proj.weight"], spread)),
        "mlp.up_proj.weight": torch.cat((w["mlp.up_proj.weight"], spread.flip(0))),
        "mlp.down_proj.weight": torch.nn.functional.pad(w["mlp.down_proj.weight"], (0, extra)),
    }


def main() -> None:
    """Command line entry: write ``config.json`` and ``model.safetensors``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("tokenizer", type=Path, help="folder with the student's tokenizer.json")
    parser.add_argument("output", type=Path, help="folder to write to")
    parser.add_argument("--skip", type=int, default=2, help="layer of the teacher to leave out")
    options = parser.parse_args()

    torch.manual_seed(1)
    teacher = Teacher(options.teacher)
    pieces = Tokenizer.from_file(str(options.teacher / "tokenizer.json"))
    tokenizer = Tokenizer.from_file(str(options.tokenizer / "tokenizer.json"))
    weights = {
        "embed_tokens.weight": carried_embedding(teacher, pieces, tokenizer),
        "norm.weight": teacher.weights["norm.weight"],
    }
    shape = Shape()
    sources = [layer for layer in range(teacher.shape.layers) if layer != options.skip]
    for layer, source in enumerate(sources):
        carried = carry_layer(teacher, source, shape.intermediate_size)
        weights |= {f"layers.{layer}.{name}": value for name, value in carried.items()}
    model = Llama(shape)
    model.load_state_dict(weights)
    options.output.mkdir(parents=True, exist_ok=True)
    config = json.dumps(shape.hugging_face_config(), indent=1)
    (options.output / "config.json").write_text(config + "\n")
    save_file(
        {f"model.{name}": value.contiguous() for name, value in weights.items()},
        options.output / "model.safetensors",
        metadata={"format": "pt"},
    )


if __name__ == "__main__":
    main()
