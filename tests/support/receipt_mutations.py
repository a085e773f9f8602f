"""Receipts that are not as they were made: leaves, lists and bytes changed, parts glued."""

import base64
import json
from collections.abc import Iterator
from itertools import combinations
from random import Random
from typing import Any

Path = tuple[str | int, ...]
"""Where a leaf stands: keys and indices."""
KINDS = (b"0123456789abcdef", b"ABCDEFGHIJKLMNOPQRSTUVWXYZghijklmnopqrstuvwxyz+/")
"""Hexadecimal, and what else is base64: a byte for another of its kind mostly keeps the form."""


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value that is no object and no list, by its path."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            yield from leaves(one, (*path, key))
    else:
        yield path, value


def found_at(value: Any, path: Path) -> Any:
    """What stands at a path, None if nothing does."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def replaced(data: bytes, path: Path, new: Any) -> bytes:
    """The receipt with another value at a path."""
    value = json.loads(data)
    found_at(value, path[:-1])[path[-1]] = new
    return dumped(value)


def flipped(value: Any) -> Any:
    """One character or one bit, in the middle."""
    if isinstance(value, int):
        return value ^ 1
    if not value:
        return "x"
    at = len(value) // 2
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


def other(path: Path, value: Any) -> Any:
    """Another value of the same form."""
    if isinstance(value, int):
        return value + 7
    if path[-1] in ("genesis_hash", "tokenizer_id", "block_id", "weight"):
        return ("0" if value[-1] != "0" else "1").rjust(len(value), "0")
    texts = {("text",), ("request",), ("network",), ("format",), ("kind",)}
    if path[:1] in texts:
        return value + "s"
    return base64.b64encode(base64.b64decode(value)[::-1] + b"\0" * (path[-1] == "data")).decode()


def changed_leaves(honest: bytes, others: list[bytes]) -> Iterator[tuple[Path, bytes]]:
    """Each leaf thrice: a bit, another value, and that of each other receipt."""
    rest = [json.loads(one) for one in others]
    for path, value in leaves(json.loads(honest)):
        for new in (flipped(value), other(path, value)):
            yield path, replaced(honest, path, new)
        for one in rest:
            new = found_at(one, path)
            if new is not None and not isinstance(new, dict | list):
                yield path, replaced(honest, path, new)


def changed_bytes(honest: bytes, many: int) -> Iterator[tuple[int, bytes]]:
    """Single bytes, spread over all of it."""
    for turn in range(many):
        at = turn * len(honest) // many
        new = (honest[at] + 1 + turn % 255) % 256
        yield at, honest[:at] + bytes((new,)) + honest[at + 1 :]


def drawn_bytes(honest: bytes, many: int, seed: int) -> Iterator[tuple[int, bytes]]:
    """Single bytes, drawn: half of them anywhere, half in a part that is drawn first.

    Two proofs are nearly all of a receipt: drawn anywhere, a byte is hardly ever in another part.
    Half of them become any other byte, which is seldom one that the form allows, half another of
    the same kind. Equal seeds draw the same.
    """
    random = Random(seed)
    spans, start = [], 0
    for key, part in json.loads(honest).items():
        start += 1
        spans.append((start, start + len(dumped({key: part})) - 2))
        start = spans[-1][1]
    assert start + 1 == len(honest), "else the parts are not where they are looked for"
    for turn in range(many):
        at = random.randrange(*(random.choice(spans) if turn % 2 else (0, len(honest))))
        kind = next((one for one in KINDS if honest[at] in one), b"")
        others = kind if kind and turn // 2 % 2 else bytes(range(256))
        new = random.choice([one for one in others if one != honest[at]])
        yield at, honest[:at] + bytes((new,)) + honest[at + 1 :]


def glued(one: bytes, two: bytes, most: int = 2) -> Iterator[tuple[tuple[str, ...], bytes]]:
    """A receipt with up to so many parts of another one that differ."""
    mine, theirs = json.loads(one), json.loads(two)
    keys = [key for key in mine if key in theirs and mine[key] != theirs[key]]
    for count in range(1, most + 1):
        for chosen in combinations(keys, count):
            parts = {key: theirs[key] if key in chosen else mine[key] for key in mine}
            yield chosen, dumped(parts)
