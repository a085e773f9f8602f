"""Texts on the command line: what is not UTF-8 there is misuse, and is said so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer


def utf8_text(value: str | None) -> str | None:
    """Check a text; bytes that are not UTF-8 come as half surrogate pairs. Raises BadParameter."""
    if value is not None:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            byte = ord(value[error.start]) & 0xFF
            raise typer.BadParameter(
                f"is not UTF-8: byte 0x{byte:02x} at character {error.start}; write it in UTF-8"
            ) from None
    return value


def utf8_texts(values: Sequence[str]) -> list[str]:
    """Check each of several texts. Raises BadParameter."""
    for value in values:
        utf8_text(value)
    return list(values)


def shown_path(path: Path) -> str:
    """A path as text, whatever its bytes are."""
    return str(path).encode(errors="backslashreplace").decode()


def refuse(
    problem: Exception | str, *, as_json: bool, name: str | None = None, status: int = 1
) -> NoReturn:
    """Say on standard error why nothing was done, and leave. Programs read ``name``."""
    message = str(problem).encode(errors="backslashreplace").decode()
    if as_json:
        error = {"name": name or type(problem).__name__, "message": message}
        typer.echo(json.dumps({"error": error}), err=True)
    else:
        from rich.console import Console

        console = Console(stderr=True, soft_wrap=True, highlight=False)
        console.print(message, style="red", markup=False)
    raise typer.Exit(status) from (problem if isinstance(problem, Exception) else None)
