"""Fields of records in JSON, and back: what every vector of an encoding is written in.

An integer is a JSON number below 2^53 and a decimal text from there on; bytes are hexadecimal; a
list is a list; a record is an object in the order of its bytes, its version first if it has one.
"""

from typing import Any, Final

from esper.primitives.codec import (
    Array,
    Codec,
    FixedBytes,
    Record,
    UnsignedPair,
    VarBytes,
    encode,
)

EXACT: Final = 1 << 53
"""Readers of JSON may round integers from here on."""


def plain(codec: Codec[Any], value: Any) -> Any:
    """``value`` as JSON."""
    match codec:
        case Record():
            version = {} if codec.version is None else {"version": codec.version}
            parts = {name: plain(inner, getattr(value, name)) for name, inner in codec.fields}
            return version | parts
        case Array():
            return [plain(codec.element, part) for part in value]
        case UnsignedPair():
            return list(value)
        case FixedBytes() | VarBytes():
            return value.hex()
    return number(value)


def number(value: int) -> int | str:
    """An integer as JSON."""
    return value if abs(value) < EXACT else str(value)


def built(codec: Codec[Any], value: Any) -> Any:
    """The value that JSON stands for. Raises ValueError for another version or other fields."""
    match codec:
        case Record():
            names = [name for name, _ in codec.fields]
            if codec.version is not None:
                names = ["version", *names]
                if value["version"] != codec.version:
                    raise ValueError(f"version {value['version']}, must be {codec.version}")
            if list(value) != names:
                raise ValueError(f"fields {list(value)}, must be {names}")
            return codec.build(**{name: built(inner, value[name]) for name, inner in codec.fields})
        case Array():
            return tuple(built(codec.element, part) for part in value)
        case UnsignedPair():
            return tuple(value)
        case FixedBytes() | VarBytes():
            return bytes.fromhex(value)
    return int(value)


def encoding(codec: Record[Any], value: Any, case: str) -> dict[str, Any]:
    """The vector of one encoding: the record's name, what is special, fields and bytes."""
    return {
        "record": type(value).__name__,
        "case": case,
        "fields": plain(codec, value),
        "bytes": encode(codec, value).hex(),
    }
