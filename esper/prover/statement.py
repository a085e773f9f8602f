"""The statement of a proof: token sequences, their answers and top logits under one model."""

from dataclasses import dataclass

from esper.primitives.ids import ModelId
from esper.prover.errors import StatementError

TOKEN_LIMIT = 1 << 32
"""Tokens, ids and sizes are unsigned 32-bit integers wherever they are written."""
LOGIT_LIMIT = 1 << 63
"""Logits are signed 64-bit integers."""

Fields = tuple[tuple[int, ...], tuple[int, ...], int, tuple[tuple[tuple[int, int], ...], ...]]
"""One sequence as the extension takes it."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence of a batch."""

    prompt: tuple[int, ...]
    """Input tokens before the answer, at least one."""
    answer: tuple[int, ...]
    """Answer tokens, at least one; the last one is no input."""
    max_answer: int
    """Longest answer allowed (g); a shorter one must end with the model's end token."""
    top: tuple[tuple[tuple[int, int], ...], ...]
    """Per answer token its K best (id, logit) pairs: logit descending, id ascending."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The model with `model_id`, run on these tokens, gives exactly these answers and logits."""

    model_id: ModelId
    """64 bytes: commitment of the model."""
    binding: bytes
    """64 bytes that the proof is valid for alone: a block's seed, a call group's hash."""
    rows: int
    """Positions of each sequence in the proof (T): a power of two."""
    top_k: int
    """Length of each list of top logits (K)."""
    sequences: tuple[Sequence, ...]
    """The batch."""

    def shape(self) -> tuple[int, int]:
        """(rows, top_k). Raises StatementError outside 32 bits."""
        for field in ("rows", "top_k"):
            value: int = getattr(self, field)
            if not 0 <= value < TOKEN_LIMIT:
                raise StatementError(f"{field}: {value} is outside 32 bits")
        return self.rows, self.top_k

    def fields(self) -> list[Fields]:
        """The sequences for the extension. Raises StatementError for integers out of range."""
        for index, sequence in enumerate(self.sequences):
            ids = (*sequence.prompt, *sequence.answer, *(i for at in sequence.top for i, _ in at))
            if not all(0 <= token < TOKEN_LIMIT for token in ids):
                raise StatementError(f"sequence {index}: a token id is outside 32 bits")
            if not 0 <= sequence.max_answer < TOKEN_LIMIT:
                raise StatementError(f"sequence {index}: max_answer is outside 32 bits")
            logits = (logit for at in sequence.top for _, logit in at)
            if not all(-LOGIT_LIMIT <= logit < LOGIT_LIMIT for logit in logits):
                raise StatementError(f"sequence {index}: a logit is outside 64 bits")
        return [(s.prompt, s.answer, s.max_answer, s.top) for s in self.sequences]
