"""Packing documents into rows of equal length, and the random prefixes that stand for salt."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

Tokens = NDArray[np.int64]

IGNORED = -100
"""Target of a position that the loss leaves out."""
BOS = 1
FIRST_ORDINARY = 3
"""Lowest id that is not special: salt is drawn from here up."""
SALT_LENGTHS = (12, 16)
"""Least and greatest number of random tokens after ``<s>`` in a salted row."""


def pack(documents: list[Tokens], row_length: int, rng: np.random.Generator) -> Tokens:
    """Rows (count, row_length) of whole documents in random order, padded with -1.

    Each document goes to the fullest open row that still holds it, so little is padding; one longer
    than a row is cut.
    """
    rows: list[list[Tokens]] = []
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
    packed = np.full((len(rows), row_length), -1, dtype=np.int64)
    for row, parts in enumerate(rows):
        joined = np.concatenate(parts)
        packed[row, : len(joined)] = joined
    return packed


def salted(row: Tokens, vocabulary: int, rng: np.random.Generator) -> tuple[Tokens, int]:
    """The row with random tokens after its first ``<s>``, cut to its length, and their number."""
    count = int(rng.integers(SALT_LENGTHS[0], SALT_LENGTHS[1] + 1))
    salt = rng.integers(FIRST_ORDINARY, vocabulary, count)
    return np.concatenate((row[:1], salt, row[1:]))[: len(row)], count


def batches(
    documents: list[Tokens],
    *,
    rows: int,
    row_length: int,
    salt_share: float,
    vocabulary: int,
    rng: np.random.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless pairs (inputs, targets), each (rows, row_length - 1); epochs are packed anew.

    ``salt_share`` of the rows carry salt; the salt's own tokens are no targets, nor are padding and
    the start of a document inside a row.
    """
    while True:
        packed = pack(documents, row_length, rng)
        packed = packed[rng.permutation(len(packed))]
        for start in range(0, len(packed) - rows + 1, rows):
            batch = packed[start : start + rows].copy()
            targets = batch.copy()
            for row in np.flatnonzero(rng.random(rows) < salt_share):
                batch[row], count = salted(batch[row], vocabulary, rng)
                targets[row] = batch[row]
                targets[row, 1 : count + 1] = IGNORED
            targets[(targets == -1) | (targets == BOS)] = IGNORED
            batch[batch == -1] = 0
            yield torch.from_numpy(batch[:, :-1]), torch.from_numpy(targets[:, 1:])
