"""What is typed: ids, whole or the first digits of them, and texts."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from esper.wallet.errors import MisuseError

ID_DIGITS: Final = 128
LEAST_DIGITS: Final = 8
"""Fewer are a height, or a slip."""

TxId = Annotated[str, typer.Argument(help="Id of a transaction, or its first 8 digits and more.")]


def check_utf8(text: str, what: str) -> None:
    """Raises MisuseError for an argument with bytes that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MisuseError(
            f"{what} {text[:40]!a} is not UTF-8: check the terminal's encoding"
        ) from None


def checked_id(text: str, what: str) -> str:
    """The id or its beginning in lower case. Raises MisuseError for what is neither."""
    if not LEAST_DIGITS <= len(text) <= ID_DIGITS or not set(text) <= set("0123456789abcdefABCDEF"):
        raise MisuseError(
            f"{what} {text[:20]!r}: must be {ID_DIGITS} hex digits, or the first {LEAST_DIGITS} "
            "and more of them"
        )
    return text.lower()
