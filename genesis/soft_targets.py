"""The teacher's predictions at every token of the corpus, as targets for the genesis model.

A token of the genesis tokenizer is a group of the teacher's pieces, so wherever a token starts, the
teacher's distribution over its next piece is known exactly. Summed over the tokens that begin with
the same piece, the student's distribution must equal it. Learning from whole distributions instead
of one sampled token leaves the optimum where it was and takes most noise out of the gradient.

Output, an ``.npz`` file over all training documents joined together:
``tokens`` (N,), ``pieces`` (N, K) and ``probabilities`` (N, K) of the token at each position, given
what comes before it, ``offsets`` (documents + 1,), and ``groups`` (vocabulary,), the first piece of
every token. Where the teacher's text differs (it puts a space before the first word, the student
does not) the target is the token's own piece with probability 1. What the K likeliest pieces leave
is the probability of all others together.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from corpus import Story, load_corpus
from llama import Llama, Shape
from numpy.typing import NDArray
from safetensors.torch import load_file
from tokenizers import Tokenizer

BOS = 1
EOS = 2
KEPT = 16
"""K: pieces whose probabilities are kept apart."""
PIECES = 512
"""Size of the teacher's vocabulary; the student's first tokens are its pieces."""

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Document:
    """One story in both tokenizations."""

    tokens: Integers
    """The student's tokens, ``<s>`` first, ``</s>`` last if the story is whole."""
    pieces: Integers
    """The teacher's pieces, ``<s>`` first."""
    seen: Integers
    """Index of the teacher's last piece before each token, or -1 where there is no such border."""


def first_pieces(fields: dict[str, object]) -> Integers:
    """The teacher's piece with which every token of a ``tokenizer.json`` begins."""
    model = fields["model"]
    assert isinstance(model, dict)
    vocabulary: dict[str, int] = model["vocab"]
    groups = np.arange(len(vocabulary))
    for left, right in model["merges"]:
        token = vocabulary[left + right]
        if token >= PIECES:
            groups[token] = groups[vocabulary[left]]
    return groups


def borders(tokens: list[str]) -> Integers:
    """Number of UTF-8 bytes before each token of a text and, last, after all of them."""
    sizes = [1 if token.startswith("<0x") else len(token.encode()) for token in tokens]
    return np.cumsum([0, *sizes])


def align(story: Story, student: Tokenizer, teacher: Tokenizer) -> Document:
    """Both tokenizations of a story and where they meet."""
    ours = student.encode(story.text, add_special_tokens=False)
    theirs = teacher.encode(story.text, add_special_tokens=False)
    # The marker is three bytes in the teacher's pieces; the first stands before the text.
    plain = [token.replace("\u2581", " ") for token in theirs.tokens]
    place = {int(border) - 1: index for index, border in enumerate(borders(plain))}
    seen = [-1, *(place.get(int(border), -1) for border in borders(ours.tokens)[:-1])]
    tokens = [BOS, *ours.ids]
    if story.whole:
        tokens.append(EOS)
        seen.append(len(theirs.ids))
    return Document(np.array(tokens), np.array([BOS, *theirs.ids]), np.array(seen))


def teacher_model(folder: Path) -> Llama:
    """The teacher as a model that reads whole sequences."""
    config = json.loads((folder / "config.json").read_text())
    names = Shape.__dataclass_fields__
    model = Llama(Shape(**{name: config[name] for name in names}))
    weights = load_file(folder / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): v for name, v in weights.items()})
    return model


@torch.inference_mode()
def predictions(
    model: Llama, documents: list[Document]
) -> list[tuple[NDArray[np.int16], NDArray[np.float16]]]:
    """The K likeliest pieces after every piece of each document, and their probabilities."""
    longest = max(len(document.pieces) for document in documents)
    inputs = torch.zeros(len(documents), longest, dtype=torch.int64)
    for row, document in enumerate(documents):
        inputs[row, : len(document.pieces)] = torch.from_numpy(document.pieces)
    likeliest, pieces = model(inputs).softmax(-1).topk(KEPT, dim=-1)
    # The teacher ends a story with <s>, the student with </s>.
    pieces[pieces == BOS] = EOS
    return [
        (
            pieces[row, : len(document.pieces)].to(torch.int16).numpy(),
            likeliest[row, : len(document.pieces)].to(torch.float16).numpy(),
        )
        for row, document in enumerate(documents)
    ]


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("teacher", type=Path, help="folder of the teacher checkpoint")
    parser.add_argument("book", type=Path, help="text of the book")
    parser.add_argument("tokenizer", type=Path, help="folder with the student's tokenizer.json")
    parser.add_argument("output", type=Path, help=".npz file to write")
    parser.add_argument("samples", type=Path, nargs="+", help="files of sample_teacher.py")
    parser.add_argument("--batch", type=int, default=32, help="documents at a time")
    options = parser.parse_args()

    torch.set_num_threads(1)
    path = options.tokenizer / "tokenizer.json"
    groups = first_pieces(json.loads(path.read_text(encoding="utf-8")))
    student = Tokenizer.from_file(str(path))
    teacher = Tokenizer.from_file(str(options.teacher / "tokenizer.json"))
    model = teacher_model(options.teacher)
    stories = load_corpus(options.samples, options.book).train
    documents = [align(story, student, teacher) for story in stories]
    limit = model.shape.max_position_embeddings
    documents = [document for document in documents if len(document.pieces) <= limit]
    documents.sort(key=lambda document: len(document.pieces))

    tokens = np.concatenate([document.tokens for document in documents])
    offsets = np.cumsum([0, *(len(document.tokens) for document in documents)])
    pieces = np.zeros((len(tokens), KEPT), dtype=np.int16)
    probabilities = np.zeros((len(tokens), KEPT), dtype=np.float16)
    pieces[:, 0] = groups[tokens]
    probabilities[:, 0] = 1
    for start in range(0, len(documents), options.batch):
        group = documents[start : start + options.batch]
        for index, (ids, likeliest) in enumerate(predictions(model, group), start):
            seen = documents[index].seen
            known = np.flatnonzero(seen > 0)
            pieces[offsets[index] + known] = ids[seen[known]]
            probabilities[offsets[index] + known] = likeliest[seen[known]]
        if start // options.batch % 200 == 0:
            print(f"{start} of {len(documents)} documents", flush=True)
    np.savez(
        options.output,
        tokens=tokens.astype(np.int16),
        offsets=offsets,
        pieces=pieces,
        probabilities=probabilities,
        groups=groups,
    )
    share = float((probabilities[:, 0] < 1).mean())
    print(f"{len(tokens) / 1e6:.2f} M tokens, {share:.3f} of them with the teacher's distribution")


if __name__ == "__main__":
    main()
