"""Chats for calibration: what a chat model will be asked has markers, and begins with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tokenizers import Tokenizer

from esper.model.checkpoint import Checkpoint
from esper.model.errors import TemplateRefusedError, TokenizerError
from esper.model.templates.chat_tokens import chat_tokens
from esper.model.tokenizer import encode_text, special_tokens

_CHATS: Final = 12
_QUESTION_CHARACTERS: Final = 240
_SYSTEM: Final = "You answer in short, plain sentences."


def chat_sequences(
    folder: Path, checkpoint: Checkpoint, tokenizer: Tokenizer, text: str, length: int
) -> list[list[int]]:
    """Sequences of a chat whose messages are pieces of ``text``; none where the model knows none.

    A template that writes no marker makes plain text, which calibration has already.

    Args:
        folder: the checkpoint's, with its template.
        checkpoint: the float model.
        tokenizer: of the checkpoint.
        text: pieces of it stand for questions and answers.
        length: tokens of a sequence, at most.
    """
    config = checkpoint.config
    chat = chat_tokens(folder, config.shape.vocab, config.bos)
    if not chat.works:
        return []
    special = special_tokens(tokenizer).keys() - {config.bos}
    sequences = []
    for number, (question, answer) in enumerate(_pairs(text)):
        messages = [{"role": "user", "content": question}]
        if number % 2:
            messages.insert(0, {"role": "system", "content": _SYSTEM})
        try:
            asked = chat.of(messages)
        except (TemplateRefusedError, TokenizerError):
            continue  # a template may want other roles: the rest is calibrated without
        if special.isdisjoint(asked):
            return []
        told = encode_text(tokenizer, answer)
        sequences.append([*asked, *told][:length])
    return sequences


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Pieces from all over the text, each with what follows it."""
    step = max(1, len(text) // _CHATS)
    for start in range(0, len(text) - _QUESTION_CHARACTERS, step):
        end = start + _QUESTION_CHARACTERS
        yield text[start:end].strip(), text[end : end + 4 * _QUESTION_CHARACTERS]
