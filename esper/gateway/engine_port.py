"""What the gateway needs from whoever runs the models: a process, or a stand-in in tests."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class EngineError(Exception):
    """The engine ended or computed wrongly while it answered; nothing of the answer counts."""


@dataclass(frozen=True, slots=True)
class Job:
    """An answer to be made."""

    model_id: bytes
    """64 bytes: one of ``EnginePort.models``."""
    prompt: tuple[int, ...]
    """Token ids, BOS included, at least one; all below the vocabulary."""
    max_tokens: int
    """Tokens of answer at most, from 1; prompt + answer ≤ rows + 1."""
    top: int = 0
    """Further tokens to tell at each place, 0 to 20."""
    group: str = ""
    """Whose prefixes it may share: the key's id. Empty shares with nobody."""
    public: int = 0
    """Leading tokens of the prompt, from 0, that all groups may share: a template's own alone."""
    gather_s: float = 0.0
    """Seconds for which tokens behind the first are gathered before they are told together. The end
    of an answer does not wait for it."""


class Made(NamedTuple):
    """A token of an answer."""

    token: int
    """Its id; the model's end is one too, and ends the answer."""
    logit: int
    """Of the token: the integer that a proof shows."""
    top: tuple[tuple[int, int], ...] = ()
    """Id and logit of the likeliest tokens, the likeliest first, lower ids first among equals."""
    logsumexp: float = 0.0
    """Logarithm of the sum of exp(logit x scale) over the vocabulary; 0.0 where ``top`` is empty.
    With ``logit`` x ``EngineModel.logit_scale`` it gives a logarithm of probability, unproven."""


@dataclass(frozen=True, slots=True)
class EngineModel:
    """A model that is loaded."""

    model_id: bytes
    """64 bytes."""
    tier: int
    """Its place among the chain's models; 0 without a chain."""
    rows: int
    """Positions of its caches: prompt and answer together hold rows + 1 tokens at most."""
    vocabulary: int
    """Tokens."""
    eos: int
    """The token that ends an answer."""
    logit_scale: float
    """Of one unit of a logit."""
    slots: int
    """Answers that are made at once."""


class EnginePort(Protocol):
    """Makes answers beside the event loop, many at a time."""

    @property
    def models(self) -> Sequence[EngineModel]:
        """Those that answer now; none while it starts, or after a fault."""

    def answer(self, job: Job) -> AbstractAsyncContextManager[AsyncIterator[list[Made]]]:
        """Tokens as they come, some at a time, the first alone and at once.

        The iterator ends after the model's end or ``max_tokens``. Leaving the context takes the
        answer out of the engine at its next step. Waits for a slot; who wants a bound on that
        takes its own slots, of which there are ``EngineModel.slots``. Raises EngineError, also
        from the iterator.
        """
