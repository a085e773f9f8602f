"""How well a model predicts a text, for people: nothing here enters consensus."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

NextTokenLogits = Callable[[Sequence[int]], npt.NDArray[Any]]
"""Gives the logits of every position of one sequence in nats, shape (positions, vocab)."""


def surprise(logits: NextTokenLogits, sequences: Sequence[Sequence[int]]) -> float:
    """Sum over all sequences of -ln p(token | the tokens before it), first tokens not counted."""
    terms: list[float] = []
    for sequence in sequences:
        values = np.asarray(logits(sequence), dtype=np.float64)[:-1]
        top = values.max(axis=-1, keepdims=True)
        normaliser = top[:, 0] + np.log(np.exp(values - top).sum(axis=-1))
        targets = np.array(sequence[1:])
        terms += (normaliser - values[np.arange(len(targets)), targets]).tolist()
    return math.fsum(terms)


def bits_per_byte(nats: float, text: str) -> float:
    """Bits of surprise per UTF-8 byte of ``text``."""
    return nats / math.log(2) / len(text.encode())
