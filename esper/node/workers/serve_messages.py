"""What a node and its serving process say to each other, framed as in ``worker_messages``.

All that is said about an answer fits its slot: a prompt has at most as many tokens as a cache has
rows, and each token of an answer is told once.
"""

from dataclasses import dataclass

from esper.primitives.ids import ModelId

Likely = tuple[tuple[tuple[int, int], ...], float]
"""At one place of an answer: the likeliest (id, logit), and the logsumexp."""
Run = tuple[int, list[int], list[int], list[Likely], bool]
"""Number of the answer, further tokens of it, their logits, what was likely at each place (none
where nobody asked), whether they end it. Plain parts: an object a token would cost both ends more
than the token."""


@dataclass(frozen=True, slots=True)
class BeginServing:
    """The first thing that a serving process is told."""

    model_id: ModelId | None
    """64 bytes that the model in the folder must have; None: whatever it has."""
    rows: int
    """Positions of a cache at most, at least 1; the model's longest sequence if that is shorter."""
    most_slots: int
    """Answers at once at most, at least 1."""
    memory_bytes: int
    """Of all caches together at most."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What it says behind ``Ready``: what it serves."""

    model_id: ModelId
    """64 bytes."""
    rows: int
    """Positions of a cache."""
    vocabulary: int
    """Tokens."""
    eos: int
    """The token that ends an answer."""
    logit_scale: float
    """Of one unit of a logit."""
    slots: int
    """Answers at once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Asks for an answer, told by ``Tokens`` of its number, or refused."""

    number: int
    """Names it; never used twice in the life of a process."""
    prompt: tuple[int, ...]
    """Token ids."""
    max_tokens: int
    """Tokens of the answer at most."""
    top: int
    """Likeliest tokens told at each place."""
    group: str
    """Whose prompts it may begin with; empty: nobody's."""
    public: int = 0
    """Leading tokens that it may share with every group that says so of the same."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Gives an answer up at the next step; of one that has ended, nothing happens."""

    number: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """What came since the last one, each answer once."""

    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """An answer that cannot be given: what was asked does not fit the model."""

    number: int
    reason: str
    """A sentence."""
