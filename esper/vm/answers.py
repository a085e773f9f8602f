"""What an answer must look like. That the model gives it is for its proof to show."""

from typing import Final

from esper.primitives.codec import Array, Unsigned, encode
from esper.primitives.errors.call_errors import (
    AnswerBudgetViolation,
    AnswerEndViolation,
    AnswerTokenViolation,
)
from esper.primitives.model_entry import ModelEntry
from esper.vm.context import Answer

MAX_ANSWER_TOKENS: Final = 128
"""Longest answer that a call may ask for, on every network."""

ANSWER_WEIGHT: Final = 4
"""An answer token costs as much as four of the prompt: each is a step of its own."""

ANSWER: Final = Array(Unsigned(32), MAX_ANSWER_TOKENS)


def check_answer(answer: Answer, max_tokens: int, model: ModelEntry) -> None:
    """1 to ``max_tokens`` ids of the model; EOS at the end, and only missing from a full answer.

    Raises AnswerBudgetViolation, AnswerTokenViolation or AnswerEndViolation.
    """
    if not 1 <= len(answer) <= max_tokens:
        raise AnswerBudgetViolation(len(answer), max_tokens)
    for token in answer:
        if not 0 <= token < model.shape.vocab:
            raise AnswerTokenViolation(token, model.shape.vocab)
    end = answer.index(model.eos) if model.eos in answer else len(answer)
    ended = end == len(answer) - 1
    if not ended and not (end == len(answer) == max_tokens):
        raise AnswerEndViolation(end, len(answer), max_tokens)


def answer_bytes(answer: Answer) -> bytes:
    """The canonical bytes of an answer: what counts against the limit of a block's own answers."""
    return encode(ANSWER, answer)


def call_cost(price: int, prompt_tokens: int, answer_tokens: int) -> int:
    """Micro-credits that a call burns."""
    return price * (prompt_tokens + ANSWER_WEIGHT * answer_tokens)
