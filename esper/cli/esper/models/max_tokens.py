"""`--max-tokens`, the same wherever a model answers."""

from typing import Annotated, Final

import typer

DEFAULT_MAX_TOKENS: Final = 16
"""Fits every network and every model, and is answered and proven in moments."""

MaxTokens = Annotated[int, typer.Option("--max-tokens", min=1, help="Longest answer, in tokens.")]
