"""The tokens of a prompt as a model reads it: a text to continue, or a message of a chat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from esper.model import LoadedModel


def input_tokens(
    directory: Path, model: LoadedModel, prompt: str, system: str | None, *, chat: bool
) -> tuple[list[int], frozenset[int]]:
    """Token ids of the prompt, and those that end its answer in the eyes of its reader.

    ``system``: what the model is told before the message. Raises ModelError.
    """
    if not chat:
        return model.encode(prompt), frozenset((model.eos,))
    from esper.model.templates.chat_tokens import chat_tokens, end_tokens

    messages = [{"role": "user", "content": prompt}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    vocab = model.shape.vocab
    tokens = chat_tokens(directory, vocab, model.bos).of(messages)
    return tokens, end_tokens(directory, vocab, model.eos)
