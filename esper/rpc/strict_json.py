"""Reading JSON from strangers: one meaning or an error, never a crash."""

import json
import math
import re
from typing import Any, Final, NoReturn

MAX_DEPTH: Final = 32
"""Brackets within brackets. The deepest honest batch has 6."""
MAX_DIGITS: Final = 40
"""Of a number as written. 64-bit heights have 20; converting digits costs their square."""

_MARKS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Strings and brackets. A string without an end reaches to the end of the text: what was searched
once is never searched again."""


class StrictJsonError(ValueError):
    """Bytes that are no JSON, or JSON that may be read in two ways. The message says which."""


def read_json(data: bytes) -> Any:
    """The value in ``data``. Raises StrictJsonError.

    Refused beyond what the grammar refuses: a key twice in an object, NaN and infinities, numbers
    longer than ``MAX_DIGITS`` or beyond a double, lone surrogates, more than ``MAX_DEPTH`` levels.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise StrictJsonError(f"body is not UTF-8 at byte {error.start}") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        raise StrictJsonError(f"body is not JSON: {error.msg} at character {error.pos}") from None
    if "\\u" in text:
        _check_surrogates(value)
    return value


def _check_depth(text: str) -> None:
    """Refuse nesting before the recursive parser sees it. Strings may hold any brackets."""
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0][0] == '"':
            continue
        depth += 1 if mark[0] in "[{" else -1
        if depth > MAX_DEPTH:
            raise StrictJsonError(f"body nests deeper than {MAX_DEPTH} levels")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise StrictJsonError("an object has a key twice")
    return found


def _constant(name: str) -> NoReturn:
    raise StrictJsonError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise StrictJsonError(f"a number has {len(digits)} digits, at most {MAX_DIGITS} are read")
    return int(digits)


def _float(digits: str) -> float:
    if len(digits) > MAX_DIGITS:
        raise StrictJsonError(f"a number has {len(digits)} digits, at most {MAX_DIGITS} are read")
    value = float(digits)
    if math.isinf(value):
        raise StrictJsonError("a number is beyond what a double holds")
    return value


def _check_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise StrictJsonError("a string has half a surrogate pair") from None
