"""Prompts and answers on one line of a terminal: whole for programs, shortened for people."""

from typing import Final

SHOWN: Final = 200
"""Characters of a prompt that people see."""


def in_a_line(text: str, most: int = SHOWN) -> str:
    """The beginning of a text on one line, and how long it is if that is not all of it."""
    line = " ".join(text[: 4 * most].split())
    if len(line) <= most and len(text) <= 4 * most:
        return line
    return f"{line[:most].rstrip()}… ({len(text)} characters)"
