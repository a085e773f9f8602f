"""Ids as they are typed: whole, or the first digits of them."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from esper.wallet.errors import MisuseError

ID_DIGITS: Final = 128
LEAST_DIGITS: Final = 8
"""Fewer are a height, or a slip."""

TxId = Annotated[str, typer.Argument(help="Id of a transaction, or its first 8 digits and more.")]


def checked_id(text: str, what: str) -> str:
    """The id or its beginning in lower case. Raises MisuseError for what is neither."""
    if not LEAST_DIGITS <= len(text) <= ID_DIGITS or not set(text) <= set("0123456789abcdefABCDEF"):
        raise MisuseError(
            f"{what} {text[:20]!r}: must be {ID_DIGITS} hex digits, or the first {LEAST_DIGITS} "
            "and more of them"
        )
    return text.lower()
