"""Canonical MessagePack by schema: one value has one encoding, and limits come before allocation.

Allowed on the wire: unsigned integers up to 64 bits, byte strings and arrays of them, always in
their shortest form. Maps, floats, nil, booleans, text, negative integers and extension types do not
exist. A record is an array of fixed arity whose first element is its version.

A schema is built from the codecs below and read top to bottom in the module of the record. Each
codec compiles itself in the extension, which reads and writes (the crate ``esper-codec``);
``tests/spec/codec_reference.py`` says the same in Python. ``decode`` checks every declared length
against the schema's limit and against the bytes that are left before it reads anything, and refuses
a value that does not encode to the very same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from esper._native import Schema
from esper._native import array_length as native_array_length

T = TypeVar("T")

MAX_U64: Final = (1 << 64) - 1


class CodecError(ValueError):
    """Bytes that are no canonical encoding of the expected record, and where that shows."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(f"{what} (at byte {position})")
        self.what = what
        """What was expected, what was found and which field it concerns."""
        self.position = position
        """Offset of the offending byte."""


class Reader:
    """A cursor over bytes, for what is read piece by piece."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def unsigned(self, field: str) -> int:
        """An unsigned integer of up to 64 bits. Raises CodecError that names ``field``."""
        return _U64.read(self, field)

    def array_length(self, field: str) -> int:
        """The declared number of elements of an array. Raises CodecError that names ``field``."""
        count, self.position = native_array_length(self.data, self.position, field, CodecError)
        return count


def array_head(count: int) -> bytes:
    """The shortest head of an array of ``count`` elements."""
    if count < 1 << 4:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    if count < 1 << 32:
        return b"\xdd" + count.to_bytes(4, "big")
    raise ValueError(f"length {count} does not fit 32 bits")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """Writes and reads one kind of value. Use one of the kinds below."""

    native: Schema = field(init=False, repr=False, compare=False)
    """What the extension made of it."""

    def read(self, reader: Reader, field: str) -> T:
        """Read the next value. Raises CodecError that names ``field``."""
        value: T
        value, reader.position = self.native.read(reader.data, reader.position, field, CodecError)
        return value

    def _compile(self, native: Schema) -> None:
        object.__setattr__(self, "native", native)


@dataclass(frozen=True, slots=True)
class Unsigned(Codec[int]):
    """An unsigned integer of at most ``bits``, 1 to 64. Raises ValueError for another width."""

    bits: int = 64

    def __post_init__(self) -> None:
        self._compile(Schema.unsigned(self.bits))


_U64: Final = Unsigned()


@dataclass(frozen=True, slots=True)
class Signed(Codec[int]):
    """A signed integer in (-2^62, 2^62), zigzag-coded: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""

    def __post_init__(self) -> None:
        self._compile(Schema.signed())


@dataclass(frozen=True, slots=True)
class FixedBytes(Codec[bytes]):
    """A byte string of exactly ``size`` bytes."""

    size: int

    def __post_init__(self) -> None:
        self._compile(Schema.fixed_bytes(self.size))


@dataclass(frozen=True, slots=True)
class WideUnsigned(Codec[int]):
    """An unsigned integer as a byte string of exactly ``size`` big-endian bytes."""

    size: int

    def __post_init__(self) -> None:
        self._compile(Schema.wide_unsigned(self.size))


@dataclass(frozen=True, slots=True)
class VarBytes(Codec[bytes]):
    """A byte string of at most ``limit`` bytes."""

    limit: int

    def __post_init__(self) -> None:
        self._compile(Schema.var_bytes(self.limit))


@dataclass(frozen=True, slots=True)
class Array(Codec[tuple[T, ...]], Generic[T]):
    """A list of at most ``limit`` elements of one kind."""

    element: Codec[T]
    limit: int

    def __post_init__(self) -> None:
        self._compile(Schema.array(self.element.native, self.limit))


@dataclass(frozen=True, slots=True)
class UnsignedPair(Codec[tuple[int, int]]):
    """Two unsigned integers of at most ``bits`` each, 1 to 64. Raises ValueError for others."""

    bits: int = 32

    def __post_init__(self) -> None:
        self._compile(Schema.unsigned_pair(self.bits))


@dataclass(frozen=True, slots=True)
class Record(Codec[T]):
    """A fixed array: version (unless None), then the named attributes of ``build``'s result."""

    build: Callable[..., T]
    """Called with the fields by name; a ValueError it raises becomes a CodecError."""
    version: int | None
    """First element of the array, compared when read; None for a pair inside another record."""
    fields: tuple[tuple[str, Codec[Any]], ...]
    """Attribute name and codec, in wire order."""

    def __post_init__(self) -> None:
        parts = [(name, codec.native) for name, codec in self.fields]
        names = tuple(name for name, _ in self.fields)
        by_place = _parameters(self.build)[: len(names)] == names
        self._compile(Schema.record(self.build, self.version, parts, by_place))


def _parameters(build: Callable[..., Any]) -> tuple[str, ...]:
    """Names of what may be given by place, which is quicker than by name; empty if unknown."""
    constructor = getattr(build, "__init__", None) if isinstance(build, type) else build
    code = getattr(constructor, "__code__", None)
    if code is None:
        return ()
    names: tuple[str, ...] = code.co_varnames[int(isinstance(build, type)) : code.co_argcount]
    return names


def encode(codec: Codec[T], value: T) -> bytes:
    """The canonical bytes of ``value``. Raises ValueError for a value outside the schema."""
    return codec.native.encode(value)


def decode_own(codec: Codec[T], data: bytes, *, what: str) -> T:
    """Read what ``encode`` of this schema wrote and nobody else could change: records of the state.

    Without the second look that ``decode`` takes at bytes from outside. Raises CodecError if
    ``data`` is no encoding by the schema or has bytes left over.
    """
    value: T = codec.native.decode_own(data, what, CodecError)
    return value


def decode(codec: Codec[T], data: bytes, *, limit: int, what: str) -> T:
    """Read exactly one value from ``data``.

    Raises CodecError if ``data`` exceeds ``limit`` bytes, is no encoding by the schema, has bytes
    left over, or is not the encoding of what was read. ``what`` names the record in the message.
    """
    value: T = codec.native.decode(data, limit, what, CodecError)
    return value
