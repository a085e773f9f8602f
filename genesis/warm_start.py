"""Starting weights of the genesis model: the teacher's own, carried over to the larger vocabulary.

The layers are the teacher's, and the head starts as the embedding, as the teacher's is. The first
512 tokens are the teacher's pieces and keep their embeddings; a token of several pieces starts from
the mean of theirs. The teacher ends a story with ``<s>``, the genesis model with ``</s>``, which
therefore starts as a copy.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

BOS = 1
EOS = 2
PIECES = 512
EMBEDDING = "embed_tokens.weight"
HEAD = "lm_head.weight"


def pieces_of_tokens(fields: dict[str, object]) -> list[list[int]]:
    """The teacher's pieces that make up every token of a ``tokenizer.json``, by token id."""
    model = fields["model"]
    assert isinstance(model, dict)
    vocabulary: dict[str, int] = model["vocab"]
    pieces = [[token] for token in range(len(vocabulary))]
    for left, right in model["merges"]:
        token = vocabulary[left + right]
        if token >= PIECES:
            pieces[token] = pieces[vocabulary[left]] + pieces[vocabulary[right]]
    return pieces


def starting_weights(teacher: Path, tokenizer: Path) -> dict[str, torch.Tensor]:
    """Named tensors for ``Llama.load_state_dict``, from two folders."""
    weights = load_file(teacher / "model.safetensors")
    weights = {name.removeprefix("model."): value for name, value in weights.items()}
    fields = json.loads((tokenizer / "tokenizer.json").read_text(encoding="utf-8"))
    known = weights[EMBEDDING].clone()
    known[EOS] = known[BOS]
    rows = torch.stack([known[pieces].mean(0) for pieces in pieces_of_tokens(fields)])
    return {**weights, EMBEDDING: rows, HEAD: rows.clone()}
