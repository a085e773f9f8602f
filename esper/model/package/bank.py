"""The bank of a package: made from texts, and made again to see that it is what it says.

`bank.json` of a package is a file of ``esper.model.prompts``: texts and the ids that the package's
own tokenizer and chat template make of them. A bank holds, in order, the texts whose ids leave room
for BOS and enough salt. Whoever has the package makes it again from its texts alone.

    bank_text = merkle_root(esper/bank/text/v1, the json hashes of its texts)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from esper.model.errors import InvalidFieldError
from esper.model.package.package import Progress
from esper.model.prompts import PromptBank, PromptText, PromptTokenizer
from esper.primitives.hashing import make_tag
from esper.primitives.merkle import merkle_root
from esper.primitives.prompt import BankPrompt

TAG_BANK_TEXT: Final = make_tag("esper/bank/text/v1")
_STEP: Final = 256
"""Prompts between two reports of progress."""


def bank_text_root(texts: Sequence[PromptText]) -> bytes:
    """64 bytes that name the texts, whatever tokens a model makes of them."""
    return merkle_root(TAG_BANK_TEXT, [text.json_hash for text in texts])


def make_bank(
    folder: Path, texts: Sequence[PromptText], longest: int, progress: Progress | None = None
) -> PromptBank:
    """The bank of these texts in the ids of the model in ``folder``.

    Args:
        folder: has the tokenizer and a chat template.
        texts: candidates; those whose ids are more than ``longest`` are left out.
        longest: most tokens of a prompt.
        progress: hears how many texts are read.

    Raises ModelError where the folder cannot be used, a text cannot be laid out, or none fits.
    """
    made = tokenised(folder, texts, progress)
    fitting = [
        (text, prompt)
        for text, prompt in zip(texts, made, strict=True)
        if len(prompt.tokens) <= longest
    ]
    if not fitting:
        raise InvalidFieldError("bank", f"{len(texts)} texts", f"one of {longest} tokens at most")
    return PromptBank(tuple(text for text, _ in fitting), tuple(prompt for _, prompt in fitting))


def tokenised(
    folder: Path, texts: Sequence[PromptText], progress: Progress | None = None
) -> list[BankPrompt]:
    """Each text in the ids of the model in ``folder``; arguments and errors as of ``make_bank``."""
    tokenizer = PromptTokenizer(folder)
    made = []
    for number, text in enumerate(texts):
        if progress is not None and number % _STEP == 0:
            progress("making the bank", number, len(texts))
        made.append(tokenizer.tokenise(text))
    return made
