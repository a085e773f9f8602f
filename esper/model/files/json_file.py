"""The files of a model directory as bytes, and JSON that every reader of them takes the same.

Some of these files are read here and again in Rust (``native/stark_verifier/model/src/json.rs``).
What one reader takes and another refuses, or takes otherwise, would be two models in one file, so
both hold to one form: UTF-8 without a byte order mark, no name twice in an object, numbers that a
double holds, at most 127 levels.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, Final, NoReturn

from esper.model.errors import MalformedFileError, MissingFileError, unread

_LEVELS: Final = 127
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def read_bytes(path: Path, remedy: str) -> bytes:
    """Read a whole file.

    Raises MissingFileError, which gives ``remedy``, where there is none, it cannot be read or is no
    ordinary file: a pipe would be waited on, and a device has no end. Where that is the fault of
    this machine it is an UnreadableFileError.
    """
    with open_ordinary(path, remedy) as file:
        return file.read()


@contextmanager
def open_ordinary(path: Path, remedy: str) -> Iterator[BufferedReader]:
    """Open a file for reading; errors as of :func:`read_bytes`, also while it is read."""
    try:
        # A pipe would wait for whoever writes into it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MissingFileError(path, remedy, "it is no ordinary file")
            yield file
    except OSError as error:
        raise unread(path, remedy, error) from error


def read_up_to(file: BufferedReader, most: int) -> bytes:
    """The content of an open file; of one longer than ``most`` bytes the first ``most + 1``.

    Room is taken for what the file holds, not for what it may.
    """
    return file.read(min(os.fstat(file.fileno()).st_size, most) + 1)


def read_object(path: Path, remedy: str) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Raises MissingFileError as :func:`read_bytes`, and MalformedFileError.
    """
    content = read_bytes(path, remedy)
    try:
        value = parse_json(content)
    except ValueError as error:
        raise MalformedFileError(path, str(error)) from error
    if not isinstance(value, dict):
        raise MalformedFileError(path, "not a JSON object")
    return value


def parse_json(content: bytes) -> Any:
    """Parse JSON of the one form. Raises ValueError with the reason in words."""
    if content.startswith(b"\xef\xbb\xbf"):
        raise ValueError("begins with a byte order mark; save it as UTF-8 without one")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}; save it as UTF-8") from error
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
        _check_levels(value)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {_LEVELS} levels") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}") from error
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        last = {name: place for place, (name, _) in enumerate(pairs)}
        twice = next(name for place, (name, _) in enumerate(pairs) if last[name] != place)
        raise ValueError(f"{twice!r} stands twice in one object; keep one of them")
    return fields


def _integer(text: str) -> int | float:
    if text == "-0":
        return -0.0  # no integer to the other reader
    # Digits beyond a double's: int() itself would be quadratic in them.
    if len(text) > 310 or math.isinf(float(text)):
        raise ValueError(f"the number {text[:20]}… is beyond all range")
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:20]} is beyond all range")
    return value


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON; write a number")


def _check_levels(value: Any) -> None:
    """Raise ValueError for deep nesting, and for texts with half a surrogate pair."""
    level, depth = [value], 0
    while level:
        depth += 1
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict | list) and depth > _LEVELS:
                raise ValueError(f"nested deeper than {_LEVELS} levels")
            if isinstance(one, dict):
                below += one.keys()
                below += one.values()
            elif isinstance(one, list):
                below += one
            elif isinstance(one, str) and not one.isascii() and _SURROGATE.search(one):
                raise ValueError("a text holds half a surrogate pair")
        level = below
