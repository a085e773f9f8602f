"""Reading JSON from strangers: one meaning or an error, never a crash."""

import json
import math
import re
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32
"""Brackets within brackets. The deepest honest batch has 6."""
MAX_DIGITS: Final = 40
"""Of a number as written. 64-bit heights have 20; converting digits costs their square."""
MAX_BRACKETS: Final = 10_000
"""Objects and arrays in one text. The largest honest batch has some 3,400; each is made by a call
of Python, and the largest body could hold 87,000 of them."""

_STRINGS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string without an end reaches to the end of the text: what was searched once is never searched
again."""
_BRACKETS: Final = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_NUMBER_PARTS: Final = b"0123456789+-.eE"
_NUMBERS: Final = bytes(ord("1" if byte in _NUMBER_PARTS else " ") for byte in range(256))


class StrictJsonError(ValueError):
    """Bytes that are no JSON, or JSON that may be read in two ways. The message says which."""


def read_json(data: bytes) -> Any:
    """The value in ``data``. Raises StrictJsonError.

    Refused beyond what the grammar refuses: a key twice in an object, NaN and infinities, numbers
    longer than ``MAX_DIGITS`` or beyond a double, lone surrogates, more than ``MAX_DEPTH`` levels,
    more than ``MAX_BRACKETS`` objects and arrays.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"body is not UTF-8 at byte {error.start}") from None
    bare = _STRINGS.sub(b"", data)
    _check_depth(bare)
    _check_digits(bare)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"body is not JSON: {error.msg} at character {error.pos}") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_depth(bare: bytes) -> None:
    """Refuse nesting before the recursive parser sees it, and objects before they are made.

    ``bare``: the text without its strings, which may hold any brackets. Pairs are taken out level
    by level, the innermost first: a loop over the brackets of a large body would take a tenth of a
    second.
    """
    rest = bare.translate(_BRACKETS, _NO_BRACKETS)
    opened = rest.count(b"[")
    for _ in range(MAX_DEPTH):
        before, rest = len(rest), rest.replace(b"[]", b"")
        if len(rest) == before:
            break
    # What closes without being opened is left to the parser, which has words for it.
    if b"[]" in rest or rest.count(b"[") > MAX_DEPTH:
        raise StrictJsonError(f"body nests deeper than {MAX_DEPTH} levels")
    if opened > MAX_BRACKETS:
        raise StrictJsonError(
            f"body has {opened} objects and arrays, at most {MAX_BRACKETS} are read: send several"
        )


def _check_digits(bare: bytes) -> None:
    """Refuse long numbers before they are converted, without a call for each number."""
    if b"1" * (MAX_DIGITS + 1) in bare.translate(_NUMBERS):
        raise StrictJsonError(f"a number has more than {MAX_DIGITS} digits")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("an object has a key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise StrictJsonError(f"{name} is no JSON number")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise StrictJsonError("a number is beyond what a double holds")
    return value


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("a string has half a surrogate pair") from None
