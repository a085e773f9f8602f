"""Words as people write them down: numbered, in columns, with commas, under a heading."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from esper.wallet.errors import WordsError

_PART: Final = re.compile(r"[A-Za-z0-9]+", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,2}", re.ASCII)
"""What may be a word's place; anything longer is taken for a word, and is none."""


def words_in(text: str, known: frozenset[str], count: int) -> list[str]:
    """The words of a text in lower case, in the order that their numbers say, if they have any.

    Lines before the first and behind the last that hold a word outside of ``known`` are left out if
    ``count`` known words remain: headings and notes. Raises WordsError for letters and digits that
    are not ASCII, before case is folded, and for numbers that leave the order open.
    """
    text = _of_json(text)
    _check_ascii(text)
    lines = [parts for line in text.splitlines() if (parts := parts_of(line))]
    inner = _without_margins(lines, known)
    parts = _joined(inner)
    if sum(part in known for part in parts) != count:
        parts = _joined(lines)
    return _ordered(parts)


def parts_of(text: str) -> list[str]:
    """Everything of ASCII letters and digits, in lower case."""
    return [part.lower() for part in _PART.findall(text)]


def _of_json(text: str) -> str:
    """The words of ``backup --words --json``; any other text as it is."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        found = json.loads(text)["words"]
    except (KeyError, RecursionError, TypeError, ValueError):
        return text
    return found if isinstance(found, str) else text


def _check_ascii(text: str) -> None:
    """Only blanks and punctuation may be of other scripts: some letters fold to ASCII ones."""
    for character in text:
        if not character.isascii() and unicodedata.category(character)[0] in "LMN":
            raise WordsError(
                f"the letter {character!r} (U+{ord(character):04X}) is in no word of the list: "
                "write the words in the letters a to z"
            )


def _without_margins(lines: list[list[str]], known: frozenset[str]) -> list[list[str]]:
    def is_margin(line: list[str]) -> bool:
        return any(part not in known and not _NUMBER.fullmatch(part) for part in line)

    first, behind = 0, len(lines)
    while first < behind and is_margin(lines[first]):
        first += 1
    while first < behind and is_margin(lines[behind - 1]):
        behind -= 1
    return lines[first:behind]


def _joined(lines: Iterable[list[str]]) -> list[str]:
    return [part for line in lines for part in line]


def _ordered(parts: list[str]) -> list[str]:
    """The words by the numbers before or behind them; as they stand where there are none."""
    words = [part for part in parts if not _NUMBER.fullmatch(part)]
    numbers = [int(part) for part in parts if _NUMBER.fullmatch(part)]
    if not numbers:
        return words
    pairs = list(zip(parts[::2], parts[1::2], strict=False))
    in_turn = len(words) == len(numbers) and (
        all(_NUMBER.fullmatch(one) and not _NUMBER.fullmatch(other) for one, other in pairs)
        or all(_NUMBER.fullmatch(other) and not _NUMBER.fullmatch(one) for one, other in pairs)
    )
    first = min(numbers)
    if in_turn and first < 2 and sorted(numbers) == list(range(first, first + len(words))):
        return [word for _, word in sorted(zip(numbers, words, strict=True))]
    raise WordsError(
        f"{len(words)} words and {len(numbers)} numbers leave the order open: number every word "
        "from 1 on, or leave the numbers out and write the words in their order"
    )
