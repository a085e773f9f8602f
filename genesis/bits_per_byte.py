"""Bits per byte of the genesis model and of its teacher on the same held-out stories.

Each model reads a text with its own tokenizer, ``<s>`` first; the cost of the text's tokens,
without an end token, is divided by its UTF-8 bytes. Bytes make models with different tokenizers
comparable.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from corpus import load_corpus
from llama import Llama, Shape
from safetensors.torch import load_file
from sample_teacher import BOS, Teacher
from tokenizers import Tokenizer
from torch.nn import functional as F


@dataclass(frozen=True, slots=True)
class Scored:
    """Cost of a set of texts."""

    nats: float
    size: int
    """UTF-8 bytes of the texts."""


def bits_per_byte(scored: Scored) -> float:
    """Average cost of one byte, in bits."""
    return scored.nats / math.log(2) / scored.size


@torch.inference_mode()
def student_nats(model: Llama, tokenizer: Tokenizer, texts: list[str]) -> Scored:
    """Cost of ``texts`` to the genesis model, one at a time and uncut."""
    nats = 0.0
    for text in texts:
        ids = torch.tensor([tokenizer.encode(text).ids])
        nats += F.cross_entropy(model(ids[:, :-1])[0], ids[0, 1:], reduction="sum").item()
    return Scored(nats, sum(len(text.encode()) for text in texts))


@torch.inference_mode()
def teacher_nats(teacher: Teacher, tokenizer: Tokenizer, texts: list[str]) -> Scored:
    """Cost of ``texts`` to the teacher, all together, position by position."""
    encoded = [tokenizer.encode(text).ids for text in texts]
    longest = max(map(len, encoded))
    tokens = torch.full((len(texts), longest), -100)
    for row, ids in enumerate(encoded):
        tokens[row, : len(ids)] = torch.tensor(ids)
    cache = teacher.new_cache(len(texts), longest)
    nats = 0.0
    for position in range(longest - 1):
        inputs = tokens[:, position].clamp_min(BOS)
        logits = teacher.step(inputs, position, cache)
        nats += F.cross_entropy(logits, tokens[:, position + 1], reduction="sum").item()
    return Scored(nats, sum(len(text.encode()) for text in texts))


def main() -> None:
    """Command line entry: print both figures and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("model", type=Path, help="folder of the genesis model")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    parser.add_argument("--stories", type=int, default=400, help="at most so many stories")
    options = parser.parse_args()

    torch.set_num_threads(1)
    held_out = load_corpus(options.samples, options.book).held_out
    texts = [story.text for story in held_out if story.first][: options.stories]
    model = Llama(Shape())
    weights = load_file(options.model / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): v for name, v in weights.items()})
    student = student_nats(model, Tokenizer.from_file(str(options.model / "tokenizer.json")), texts)
    teacher = teacher_nats(
        Teacher(options.teacher),
        Tokenizer.from_file(str(options.teacher / "tokenizer.json")),
        texts,
    )
    ratio = bits_per_byte(student) / bits_per_byte(teacher)
    print(f"{len(texts)} held-out stories, {student.size} bytes")
    print(f"genesis {bits_per_byte(student):.4f} bits/byte")
    print(f"teacher {bits_per_byte(teacher):.4f} bits/byte")
    print(f"ratio   {ratio:.4f}")


if __name__ == "__main__":
    main()
