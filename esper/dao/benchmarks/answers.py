"""What a model answered to an item, as a proof shows it: tokens, and the best candidates of each.

How long the lists are, whoever proves chooses: a choice that is not among the first few costs more
room. That the model gives these lists is for the proof to show; what must hold of them before
anybody reads them stands here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from esper.primitives.codec import Array, Record, Unsigned
from esper.primitives.model_entry import ModelEntry
from esper.primitives.work_outputs import CANDIDATE, Candidate, ProvenAnswer

MAX_TOKENS: Final = 128
MAX_LISTED: Final = 1024
TEXT_LISTED: Final = 1
"""Only the chosen token is listed where a text is read."""
CHOICE_LISTED: Final = (4, 16, 64, 256)
"""Lengths of lists where choices are read, beside the longest."""


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """An answer with its lists."""

    tokens: tuple[int, ...]
    """Token ids, EOS last if it ended early."""
    lists: tuple[tuple[Candidate, ...], ...]
    """Of each token the best candidates: logit descending, id ascending among equals."""

    @property
    def proven(self) -> ProvenAnswer:
        """The same, as a claim about a proof has it."""
        return ProvenAnswer(self.tokens, self.lists)

    def text(self, eos: int) -> tuple[int, ...]:
        """The tokens without EOS."""
        return self.tokens[:-1] if self.tokens[-1:] == (eos,) else self.tokens


SHOWN_ANSWER: Final = Record(
    ShownAnswer,
    None,
    (
        ("tokens", Array(Unsigned(32), MAX_TOKENS)),
        ("lists", Array(Array(CANDIDATE, MAX_LISTED), MAX_TOKENS)),
    ),
)


def longest_list(vocab: int) -> int:
    """Candidates of the longest list that a proof shows."""
    return min(MAX_LISTED, vocab)


def choice_lengths(vocab: int) -> tuple[int, ...]:
    """Lengths that lists may have where choices are read, ascending up to the longest."""
    longest = longest_list(vocab)
    return (*(length for length in CHOICE_LISTED if length < longest), longest)


def check_shown(answer: ShownAnswer, limit: int, listed: int, model: ModelEntry) -> None:
    """1 to ``limit`` tokens, EOS at the end and only missing from a full answer; lists to match.

    ``listed`` is how many candidates each list has. Raises ValueError naming what does not hold.
    """
    tokens, vocab = answer.tokens, model.shape.vocab
    if not 1 <= len(tokens) <= limit:
        raise ValueError(f"has {len(tokens)} tokens, must have 1 to {limit}")
    if model.eos in tokens[:-1]:
        raise ValueError(f"goes on after EOS at {tokens.index(model.eos)}")
    if len(tokens) < limit and tokens[-1] != model.eos:
        raise ValueError(f"stops after {len(tokens)} of {limit} tokens without EOS")
    if len(answer.lists) != len(tokens):
        raise ValueError(f"has {len(answer.lists)} lists for {len(tokens)} tokens")
    for place, (token, candidates) in enumerate(zip(tokens, answer.lists, strict=True)):
        if len(candidates) != listed:
            raise ValueError(f"has {len(candidates)} candidates at {place}, must have {listed}")
        if any(candidate.token >= vocab for candidate in candidates):
            raise ValueError(f"lists an id outside the vocabulary of {vocab} at {place}")
        if not _is_sorted(candidates):
            raise ValueError(f"lists candidates out of order at {place}, or one twice")
        if candidates[0].token != token:
            raise ValueError(f"is {token} at {place}, its list begins with {candidates[0].token}")


def _is_sorted(candidates: Sequence[Candidate]) -> bool:
    keys = [(-candidate.logit, candidate.token) for candidate in candidates]
    distinct = len({candidate.token for candidate in candidates}) == len(candidates)
    return distinct and all(before < after for before, after in pairwise(keys))
