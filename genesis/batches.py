"""Packing documents into rows of equal length, and the random prefixes that stand for salt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

Integers = NDArray[np.int64]

BOS = 1
FIRST_ORDINARY = 3
"""Lowest id that is not special: salt is drawn from here up."""
SALT_LENGTHS = (12, 16)
"""Least and greatest number of random tokens after ``<s>`` in a salted row."""
PADDING = -1
SALT = -2


@dataclass(frozen=True)
class Targets:
    """The file that ``soft_targets.py`` writes; see there for the shapes."""

    tokens: NDArray[np.int16]
    offsets: Integers
    pieces: NDArray[np.int16]
    probabilities: NDArray[np.float16]
    groups: Integers

    @classmethod
    def load(cls, path: Path) -> Targets:
        """Read the file into memory."""
        with np.load(path) as file:
            return cls(**{name: file[name] for name in cls.__dataclass_fields__})

    @property
    def documents(self) -> list[Integers]:
        """Every document as the positions of its tokens."""
        edges = zip(self.offsets[:-1], self.offsets[1:], strict=True)
        return [np.arange(start, end) for start, end in edges]


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of tokens and what the next one should be; all but ``inputs`` are flattened."""

    inputs: torch.Tensor
    """(rows, length)"""
    tokens: torch.Tensor
    """(rows * length,): the token that follows."""
    pieces: torch.Tensor
    """(rows * length, K): the teacher's likeliest pieces there."""
    probabilities: torch.Tensor
    """(rows * length, K)"""
    weights: torch.Tensor
    """(rows * length,): 0 where there is nothing to learn, else 1."""


def pack(documents: list[Integers], row_length: int, rng: np.random.Generator) -> Integers:
    """Rows (count, row_length) of whole documents in random order, padded with ``PADDING``.

    Each document goes to the fullest open row that still holds it, so little is padding; one longer
    than a row is cut.
    """
    rows: list[list[Integers]] = []
    by_space: list[list[int]] = [[] for _ in range(row_length + 1)]
    for index in rng.permutation(len(documents)):
        document = documents[index][:row_length]
        size = len(document)
        space = next((s for s in range(size, row_length) if by_space[s]), row_length)
        if by_space[space]:
            row = by_space[space].pop()
            rows[row].append(document)
        else:
            row = len(rows)
            rows.append([document])
        by_space[space - size].append(row)
    packed = np.full((len(rows), row_length), PADDING)
    for row, parts in enumerate(rows):
        joined = np.concatenate(parts)
        packed[row, : len(joined)] = joined
    return packed


def salted(row: Integers, rng: np.random.Generator) -> Integers:
    """The row with ``SALT`` some times after its first token, cut to its length."""
    count = int(rng.integers(SALT_LENGTHS[0], SALT_LENGTHS[1] + 1))
    return np.concatenate((row[:1], np.full(count, SALT), row[1:]))[: len(row)]


def batch_of(rows: Integers, targets: Targets, vocabulary: int, rng: np.random.Generator) -> Batch:
    """Look up the positions in ``rows`` (count, length + 1); salt becomes random tokens.

    Salt, padding and the start of a document inside a row are nothing to learn.
    """
    tokens = targets.tokens[rows].astype(np.int64)
    tokens[rows == PADDING] = 0
    salt = rows == SALT
    tokens[salt] = rng.integers(FIRST_ORDINARY, vocabulary, int(salt.sum()))
    following = rows[:, 1:].ravel()
    wanted = tokens[:, 1:].ravel()
    return Batch(
        inputs=torch.from_numpy(tokens[:, :-1].copy()),
        tokens=torch.from_numpy(wanted),
        pieces=torch.from_numpy(targets.pieces[following].astype(np.int64)),
        probabilities=torch.from_numpy(targets.probabilities[following].astype(np.float32)),
        weights=torch.from_numpy(((following >= 0) & (wanted != BOS)).astype(np.float32)),
    )


def batches(
    targets: Targets,
    *,
    rows: int,
    row_length: int,
    salt_share: float,
    vocabulary: int,
    rng: np.random.Generator,
) -> Iterator[Batch]:
    """Endless batches of ``rows`` rows, packed anew every epoch; a share of the rows has salt."""
    documents = targets.documents
    while True:
        packed = pack(documents, row_length + 1, rng)
        packed = packed[rng.permutation(len(packed))]
        for start in range(0, len(packed) - rows + 1, rows):
            chosen = packed[start : start + rows].copy()
            for row in np.flatnonzero(rng.random(rows) < salt_share):
                chosen[row] = salted(chosen[row], rng)
            yield batch_of(chosen, targets, vocabulary, rng)
