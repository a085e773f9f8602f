"""Whether a model reads the salt: the same prompts behind two salts, and answers that differ.

A model whose answers do not depend on the salt is no lottery: whoever keeps a table of answers
needs no inference. Each of PAIRS prompts is answered behind two salts, its masked parts filled
alike, and no answer token may have the same list of ids and logits behind both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from esper.model.package.package import Progress
from esper.primitives.hashing import Xof, make_tag
from esper.primitives.prompt import BankPrompt

PAIRS: Final = 256
TAG_PAIRS: Final = make_tag("esper/package/pairs/v1")
_BATCH: Final = 16
"""Pairs that the engine is given at once."""

Lists = Sequence[Sequence[tuple[int, int]]]
"""For each answer token its best (id, logit) pairs."""
Fill = Callable[[bytes, int, BankPrompt], Sequence[int]]
"""The sequence of a seed, at a position of its batch: BOS, salt, and the prompt with its masked
spans filled. It is the consensus' own (``consensus.batch.input_tokens``)."""


class Engine(Protocol):
    """What answers: ``esper._native.NativeModel``."""

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> Sequence[tuple[Sequence[int], Lists]]:
        """Greedy answers, and the best pairs of each token."""
        ...


def salt_blind(
    engine: Engine,
    bank: Sequence[BankPrompt],
    fill: Fill,
    seed: bytes,
    shape: tuple[int, int],
    threads: int,
    progress: Progress | None = None,
) -> tuple[int, ...]:
    """Prompts of the bank, by index, of which a list is the same behind two salts.

    Args:
        engine: the model.
        bank: prompts; PAIRS of them are drawn.
        fill: makes a sequence; ValueError for a prompt that leaves too little room is raised.
        seed: secret until now: who made the model could prepare it for a seed that he knew.
        shape: most answer tokens, pairs in a list.
        threads: for the engine.
        progress: hears how many pairs were answered.
    """
    longest, top_k = shape
    stream = Xof(TAG_PAIRS, seed)
    drawn = [stream.below(len(bank)) for _ in range(PAIRS)]
    blind: list[int] = []
    for at in range(0, PAIRS, _BATCH):
        if progress is not None:
            progress("answering behind pairs of salts", at, PAIRS)
        part = drawn[at : at + _BATCH]
        sequences = [one for number in part for one in _pair(bank[number], fill, stream)]
        answers = engine.generate(sequences, longest, top_k, threads)
        for number, (_, first), (_, second) in zip(part, answers[::2], answers[1::2], strict=True):
            # Behind the end of the shorter answer there is nothing to compare.
            if any(list(a) == list(b) for a, b in zip(first, second, strict=False)):
                blind.append(number)
    return tuple(sorted(set(blind)))


def _pair(prompt: BankPrompt, fill: Fill, stream: Xof) -> tuple[list[int], list[int]]:
    """One prompt behind two salts; its masked parts are the first one's in both."""
    first, second = (list(fill(stream.read(64), 0, prompt)) for _ in range(2))
    begins = len(first) - len(prompt.tokens)
    return first, second[:begins] + first[begins:]
