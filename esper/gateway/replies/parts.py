"""What a reply is made of, whatever its form."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

LEAST_LOGPROB: Final = -9999.0
"""What OpenAI's clients know as "never": JSON has no infinity."""


class Finish(StrEnum):
    """Why an answer ended."""

    STOP = "stop"
    """The model's own end, or a stop string."""
    LENGTH = "length"
    """The ceiling of tokens."""


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of one reply share."""

    id: str
    """32 lower-case hexadecimal digits, also the receipt's."""
    created: int
    """Seconds since 1970."""
    model: str
    """As the client named it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of prompt and answer."""

    prompt: int
    answer: int

    @property
    def total(self) -> int:
        """Of both."""
        return self.prompt + self.answer


@dataclass(frozen=True, slots=True)
class Likely:
    """A token and how likely it was."""

    token: str
    data: bytes
    """The token's bytes, which may be part of a character."""
    logprob: float
    """Natural logarithm of its probability, unproven."""

    @property
    def shown(self) -> float:
        """The logarithm as JSON holds it."""
        return self.logprob if self.logprob >= LEAST_LOGPROB else LEAST_LOGPROB


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the answer, and the likeliest ones at its place."""

    chosen: Likely
    top: tuple[Likely, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of an answer as it is sent: whole characters, and the tokens that made them."""

    text: str
    logprobs: tuple[TokenLogprob, ...] = ()
    """Empty where none were asked."""


@dataclass(frozen=True, slots=True)
class Note:
    """What stands under ``esper`` at the end of a reply."""

    id: str
    """32 lower-case hexadecimal digits."""
    status: str
    """Of the receipt: instant, queued, …, final."""
    public: bool
    """Whether prompt and answer are published on the chain."""
    receipt: str
    """Path at which it is fetched."""
    model_id: str
    """128 lower-case hexadecimal digits."""
    gateway: str
    """Address whose signature the receipt has."""
    height: int
    """The gateway's tip as it signed."""
    cost: int
    """µcredits."""
    reason: str | None = None
    """Why the answer will not be proven."""
    logits: tuple[int, ...] | None = None
    """Of the answer's tokens; those of a proven answer are proven."""
    replaced: tuple[str, ...] = ()
    """Sampling fields that were replaced by greedy ones."""


@dataclass(frozen=True, slots=True)
class Durations:
    """Nanoseconds; told by Ollama's replies alone."""

    total: int = 0
    load: int = 0
    prompt: int = 0
    answer: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known once an answer is whole."""

    finish: Finish
    usage: Usage
    note: Note | None = None
    """None: the node has no chain, and so no receipts."""
    durations: Durations = Durations()


def note_object(note: Note) -> dict[str, Any]:
    """Its keys in this order; what does not apply is left out."""
    found: dict[str, Any] = {
        "id": note.id,
        "status": note.status,
        "public": note.public,
        "receipt": note.receipt,
        "model_id": note.model_id,
        "gateway": note.gateway,
        "height": note.height,
        "cost": note.cost,
    }
    if note.reason is not None:
        found["reason"] = note.reason
    if note.logits is not None:
        found["logits"] = list(note.logits)
    if note.replaced:
        found["replaced"] = list(note.replaced)
    return found


def with_note(found: dict[str, Any], note: Note | None) -> dict[str, Any]:
    """``found`` with ``esper`` at its end; nodes without a chain have none."""
    return found if note is None else {**found, "esper": note_object(note)}


def usage_object(usage: Usage) -> dict[str, int]:
    """In the words of chat completions and completions."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.answer,
        "total_tokens": usage.total,
    }


def likely_object(likely: Likely) -> dict[str, Any]:
    """One token with its logarithm and its bytes."""
    return {"token": likely.token, "logprob": likely.shown, "bytes": list(likely.data)}


def logprob_objects(tokens: tuple[TokenLogprob, ...]) -> list[dict[str, Any]]:
    """Each token with those likely at its place."""
    return [
        {**likely_object(one.chosen), "top_logprobs": [likely_object(top) for top in one.top]}
        for one in tokens
    ]
