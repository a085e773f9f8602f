"""Golden vectors read with the means of other libraries: msgpack and hashlib, not ours."""

from hashlib import sha3_256, sha3_512
from typing import Any

import msgpack

from esper.primitives.codec import Record, decode, encode
from tests.vectors.fields import built, encoding

WIDE = {"index", "previous_index"}
"""Integers that stand as byte strings, where they do."""
SIGNED = {"logit", "logits"}


def tagged(tag: str, *parts: bytes) -> str:
    return sha3_512(tag.encode().ljust(32, b"\0") + b"".join(parts)).hexdigest()


def tagged32(tag: str, *parts: bytes) -> str:
    return sha3_256(tag.encode().ljust(32, b"\0") + b"".join(parts)).hexdigest()


def check_read(name: str, found: Any, value: Any) -> None:
    """Compare what msgpack read with JSON; ``name`` is the field's."""
    match found:
        case bytes() if name in WIDE:
            assert (len(found), int.from_bytes(found, "big")) == (32, int(value)), name
        case bytes():
            assert found.hex() == value, name
        case int() if name in SIGNED:
            number = int(value)
            assert found == (2 * number if number >= 0 else -2 * number - 1), name
        case int():
            assert found == int(value), name
        case list() if isinstance(value, dict):
            for part, (inner, expected) in zip(found, value.items(), strict=True):
                check_read(inner, part, expected)
        case list():
            for part, expected in zip(found, value, strict=True):
                check_read(name, part, expected)
        case _:
            raise AssertionError(f"{name}: {found!r} is nothing that the chain has")


def check_encoding(codec: Record[Any], vector: dict[str, Any]) -> None:
    """Fields give the bytes and the bytes the fields, by our codec and by another library."""
    data = bytes.fromhex(vector["bytes"])
    value = built(codec, vector["fields"])
    assert encode(codec, value) == data
    assert decode(codec, data, limit=len(data), what=vector["record"]) == value
    assert encoding(codec, value, vector["case"]).items() <= vector.items()
    fields = msgpack.unpackb(data, strict_map_key=True)
    assert msgpack.packb(fields) == data
    check_read(vector["record"], fields, vector["fields"])
