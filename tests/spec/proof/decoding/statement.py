"""What a proof claims, and what of it is checked in the clear (section 2)."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Protocol

from tests.spec.proof import parameters as p
from tests.spec.proof.decoding.descriptor import Descriptor
from tests.spec.proof.errors import RejectedError


class Sequence(Protocol):
    """One sequence of a batch."""

    @property
    def prompt(self) -> Many[int]: ...
    @property
    def answer(self) -> Many[int]: ...
    @property
    def max_answer(self) -> int: ...
    @property
    def top(self) -> Many[Many[tuple[int, int]]]: ...


class Statement(Protocol):
    """The model of this id, run on these tokens, gives these answers and top logits."""

    @property
    def model_id(self) -> bytes: ...
    @property
    def binding(self) -> bytes: ...
    @property
    def rows(self) -> int: ...
    @property
    def top_k(self) -> int: ...
    @property
    def sequences(self) -> Many[Sequence]: ...


@dataclass(frozen=True)
class Answer:
    """One answer token, at the row whose logits choose it."""

    row: int
    top: Many[tuple[int, int]]

    @property
    def last(self) -> tuple[int, int]:
        """(id_K, L_K)."""
        return self.top[-1]


@dataclass(frozen=True)
class Batch:
    """The rows of a statement."""

    positions: int
    """T."""
    sequences: int
    """S: rounded up to a power of two."""
    tokens: Many[int]
    """The input token of each row."""
    answers: Many[Answer]

    @property
    def rows(self) -> int:
        """R."""
        return self.positions * self.sequences

    @property
    def row_bits(self) -> int:
        return p.bits(self.rows)

    @property
    def position_bits(self) -> int:
        return p.bits(self.positions)

    @property
    def sequence_bits(self) -> int:
        return p.bits(self.sequences)

    @property
    def answer_bits(self) -> int:
        return p.bits(len(self.answers))


def batch(statement: Statement, d: Descriptor) -> Batch:
    """Raises RejectedError for a statement that section 2 refuses."""
    rows = statement.rows
    _require(rows in p.ROWS and rows & (rows - 1) == 0 and rows <= d.max_seq, "rows")
    _require(statement.top_k in p.TOP_K and statement.top_k <= d.vocab, "top_k")
    _require(len(statement.sequences) * rows in p.BATCH_ROWS, "number of sequences")
    listed = statement.top_k * sum(len(s.answer) for s in statement.sequences)
    _require(listed in p.LISTED_LOGITS, "number of listed logits")
    padded = 1 << p.bits(len(statement.sequences))
    tokens = [0] * (padded * rows)
    answers = []
    for index, sequence in enumerate(statement.sequences):
        _check_sequence(sequence, statement, d)
        inputs = [*sequence.prompt, *sequence.answer[:-1]]
        tokens[index * rows : index * rows + len(inputs)] = inputs
        first = index * rows + len(sequence.prompt) - 1
        answers += [Answer(first + i, top) for i, top in enumerate(sequence.top)]
    return Batch(rows, padded, tokens, answers)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise RejectedError(f"the statement's {what} is refused")


def _check_sequence(sequence: Sequence, statement: Statement, d: Descriptor) -> None:
    prompt, answer = sequence.prompt, sequence.answer
    _require(1 <= sequence.max_answer <= statement.rows, "longest answer")
    _require(len(prompt) > 0 and 0 < len(answer) <= sequence.max_answer, "length of an answer")
    _require(len(prompt) + len(answer) - 1 <= statement.rows, "length of a sequence")
    _require(all(0 <= token < d.vocab for token in (*prompt, *answer)), "tokens")
    _require(d.eos not in answer[:-1], "end of an answer")
    _require(len(answer) == sequence.max_answer or answer[-1] == d.eos, "short answer")
    _require(len(sequence.top) == len(answer), "number of lists")
    for token, top in zip(answer, sequence.top, strict=True):
        _require(len(top) == statement.top_k, "length of a list")
        _require(all(0 <= i < d.vocab and abs(v) <= d.logit_bound for i, v in top), "list")
        order = [(-logit, i) for i, logit in top]
        _require(order == sorted(order) and len({i for i, _ in top}) == len(top), "order")
        _require(top[0][0] == token, "best token")
