"""Words, seeds and backups as they are typed, piped in or named as a file."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Final

from esper.cli.esper import environment
from esper.wallet.errors import MisuseError, WordsError
from esper.wallet.files.given_files import GivenTextError, read_given, text_of
from esper.wallet.secrets import seed_of
from esper.wallet.words import WORDS, count_of, entropy_of

MAX_SECRET_TEXT: Final = 4096
"""Bytes of words or seeds that are read: far more than they have."""


def typed_words() -> bytes | None:
    """24 words typed in as many lines as they take; None where there is nobody to ask.

    Raises MisuseError.
    """
    if not environment.is_terminal():
        return None
    text = environment.ask_line("The 24 words, in one line or several")
    while text.strip() and (so_far := count_of(text)) < WORDS:
        line = environment.ask_line(
            f"{so_far} of the {WORDS} words so far; go on, or an empty line to end"
        )
        if not line.strip():
            break
        text += "\n" + line
    return text.encode("utf-8", "surrogatepass")


def given_bytes(file: Path | None, most: int) -> tuple[bytes, str]:
    """The bytes of a file, or of standard input without one, and what to call them.

    At most ``most`` and one more. Raises OSError.
    """
    if file is None or str(file) == "-":
        return environment.standard_input(most), "standard input"
    return read_given(file, most), str(file)


def is_backup(data: bytes) -> bool:
    """Whether bytes are a wallet's file rather than words, also the words of --json."""
    return data.lstrip(codecs.BOM_UTF8 + b" \t\r\n").startswith(b"{") and b'"words":' not in data


def given_entropy(data: bytes, what: str) -> bytes:
    """The 32 bytes behind the words of a text that ``what`` names. Raises MisuseError."""
    if len(data) > MAX_SECRET_TEXT:
        raise MisuseError(f"{what} is neither a backup nor 24 words")
    try:
        return entropy_of(text_of(data))
    except GivenTextError as error:
        raise WordsError(f"{what} {error}: it is neither a backup nor 24 words") from None
    except WordsError as error:
        raise WordsError(f"{what}, read as words: {error}") from None


def given_seed(file: Path) -> bytes:
    """The 32 bytes of a seed in a file, or on standard input or typed for ``-``.

    Raises MisuseError or OSError.
    """
    if str(file) == "-" and environment.is_terminal():
        text = environment.ask_hidden("Seed, 64 hex digits")
        return seed_of(text.encode("utf-8", "surrogatepass"), "what was typed")
    data, what = given_bytes(file, MAX_SECRET_TEXT)
    return seed_of(data, what)
