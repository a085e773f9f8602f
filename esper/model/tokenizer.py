"""Text to token ids and back, with the model's own ``tokenizer.json``."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from esper.model.errors import MalformedFileError, MissingFileError, TokenizerError

TOKENIZER_FILE = "tokenizer.json"
MAX_WORD_PIECE = 1_000
"""Characters of a word that the one algorithm of more than linear cost may be given; 100 is usual.
The others were measured up to 65,536 characters without a blank."""


def load_tokenizer(directory: Path, vocab: int) -> Tokenizer:
    """Load the tokenizer of a model directory.

    Args:
        directory: the model directory.
        vocab: number of ids the model knows.

    Raises:
        MissingFileError, MalformedFileError: the file is absent or not a tokenizer.
        TokenizerError: it can produce ids the model does not know.
    """
    path = directory / TOKENIZER_FILE
    if not path.is_file():
        raise MissingFileError(path, f"copy the checkpoint's {TOKENIZER_FILE} beside the weights")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises plain Exception
        raise MalformedFileError(path, str(error)) from error
    longest = getattr(tokenizer.model, "max_input_chars_per_word", 0)
    if longest > MAX_WORD_PIECE:
        raise TokenizerError(
            f"{path} cuts words of up to {longest} characters into pieces, whose cost grows with "
            f"their square: set max_input_chars_per_word to {MAX_WORD_PIECE} at most"
        )
    largest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if largest >= vocab:
        raise TokenizerError(
            f"{path} holds token id {largest}, the model knows ids below {vocab}; "
            "take the tokenizer the model was trained with"
        )
    return tokenizer


def encode_text(tokenizer: Tokenizer, text: str) -> list[int]:
    """Token ids of ``text`` without special tokens: those belong to the protocol."""
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def decode_answer(tokenizer: Tokenizer, prompt: list[int], answer: list[int]) -> str:
    """Text of ``answer`` as it follows ``prompt``, special tokens left out.

    Decoded together with the prompt, because decoders drop a blank at the start of a text.
    """
    before: str = tokenizer.decode(prompt, skip_special_tokens=True)
    whole: str = tokenizer.decode(prompt + answer, skip_special_tokens=True)
    return whole.removeprefix(before)
