"""Canonical MessagePack by schema: one value has one encoding, and limits come before allocation.

Allowed on the wire: unsigned integers up to 64 bits, byte strings and arrays of them, always in
their shortest form. Maps, floats, nil, booleans, text, negative integers and extension types do not
exist. A record is an array of fixed arity whose first element is its version.

A schema is built from the codecs below and read top to bottom in the module of the record.
``decode`` checks every declared length against the schema's limit and against the bytes that are
left before it reads anything, and refuses a value that does not encode to the very same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

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

    def within(self, record: str) -> "CodecError":
        """The same error with the field named as one of ``record``."""
        return CodecError(f"{record}.{self.what}", self.position)


class Reader:
    """A cursor over bytes that reads shortest-form MessagePack heads."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    @property
    def left(self) -> int:
        """Bytes not read yet."""
        return len(self.data) - self.position

    def take(self, size: int, field: str) -> bytes:
        """The next ``size`` bytes, or CodecError if fewer are left."""
        start = self.position
        end = start + size
        if end > len(self.data):
            raise CodecError(f"{field}: needs {size} bytes, {self.left} are left", start)
        self.position = end
        return self.data[start:end]

    def _head(self, field: str) -> int:
        start = self.position
        if start >= len(self.data):
            raise CodecError(f"{field}: needs 1 bytes, 0 are left", start)
        self.position = start + 1
        return self.data[start]

    def _number(self, size: int, smallest: int, field: str) -> int:
        start = self.position
        value = int.from_bytes(self.take(size, field), "big")
        if value < smallest:
            raise CodecError(f"{field}: {value} is not in its shortest form", start)
        return value

    def unsigned(self, field: str) -> int:
        """An unsigned integer of up to 64 bits."""
        start = self.position
        head = self._head(field)
        if head < 0x80:
            return head
        match head:
            case 0xCC:
                return self._number(1, 1 << 7, field)
            case 0xCD:
                return self._number(2, 1 << 8, field)
            case 0xCE:
                return self._number(4, 1 << 16, field)
            case 0xCF:
                return self._number(8, 1 << 32, field)
        raise CodecError(f"{field}: byte 0x{head:02x} starts no unsigned integer", start)

    def bytes_length(self, field: str) -> int:
        """The declared length of a byte string."""
        start = self.position
        head = self._head(field)
        match head:
            case 0xC4:
                return self._number(1, 0, field)
            case 0xC5:
                return self._number(2, 1 << 8, field)
            case 0xC6:
                return self._number(4, 1 << 16, field)
        raise CodecError(f"{field}: byte 0x{head:02x} starts no byte string", start)

    def array_length(self, field: str) -> int:
        """The declared number of elements of an array."""
        start = self.position
        head = self._head(field)
        if 0x90 <= head <= 0x9F:
            return head & 0x0F
        match head:
            case 0xDC:
                return self._number(2, 1 << 4, field)
            case 0xDD:
                return self._number(4, 1 << 16, field)
        raise CodecError(f"{field}: byte 0x{head:02x} starts no array", start)


def array_head(count: int) -> bytes:
    """The shortest head of an array of ``count`` elements."""
    if count < 1 << 4:
        return bytes((0x90 | count,))
    if count < 1 << 16:
        return b"\xdc" + count.to_bytes(2, "big")
    if count < 1 << 32:
        return b"\xdd" + count.to_bytes(4, "big")
    raise ValueError(f"length {count} does not fit 32 bits")


def _write_bytes(value: bytes, out: bytearray) -> None:
    """Append the shortest head of a byte string, and the string."""
    size = len(value)
    if size < 1 << 8:
        out += bytes((0xC4, size))
    elif size < 1 << 16:
        out += b"\xc5" + size.to_bytes(2, "big")
    elif size < 1 << 32:
        out += b"\xc6" + size.to_bytes(4, "big")
    else:
        raise ValueError(f"length {size} does not fit 32 bits")
    out += value


class Codec(Protocol[T]):
    """Writes and reads one kind of value."""

    def write(self, value: T, out: bytearray) -> None:
        """Append the encoding. Raises ValueError for a value outside the schema."""

    def read(self, reader: Reader, field: str) -> T:
        """Read one value. Raises CodecError that names ``field``."""


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An unsigned integer of at most ``bits`` (up to 64)."""

    bits: int = 64

    def write(self, value: int, out: bytearray) -> None:
        """Append the shortest form."""
        if not 0 <= value < 1 << self.bits:
            raise ValueError(f"{value} does not fit {self.bits} unsigned bits")
        if value < 1 << 7:
            out.append(value)
        elif value < 1 << 8:
            out += bytes((0xCC, value))
        elif value < 1 << 16:
            out += b"\xcd" + value.to_bytes(2, "big")
        elif value < 1 << 32:
            out += b"\xce" + value.to_bytes(4, "big")
        else:
            out += b"\xcf" + value.to_bytes(8, "big")

    def read(self, reader: Reader, field: str) -> int:
        """Read an integer and check its width."""
        start = reader.position
        value = reader.unsigned(field)
        if value >> self.bits:
            raise CodecError(f"{field}: {value} does not fit {self.bits} unsigned bits", start)
        return value


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed integer in (-2^62, 2^62), zigzag-coded: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""

    def write(self, value: int, out: bytearray) -> None:
        """Append the zigzag form."""
        if not -(1 << 62) < value < 1 << 62:
            raise ValueError(f"{value} is outside (-2^62, 2^62)")
        Unsigned(63).write(2 * value if value >= 0 else -2 * value - 1, out)

    def read(self, reader: Reader, field: str) -> int:
        """Read a zigzag form."""
        start = reader.position
        coded = Unsigned(63).read(reader, field)
        value = -(coded + 1 >> 1) if coded & 1 else coded >> 1
        if value == -(1 << 62):
            raise CodecError(f"{field}: {value} is outside (-2^62, 2^62)", start)
        return value


@dataclass(frozen=True, slots=True)
class FixedBytes:
    """A byte string of exactly ``size`` bytes."""

    size: int

    def write(self, value: bytes, out: bytearray) -> None:
        """Append head and bytes."""
        if len(value) != self.size:
            raise ValueError(f"{len(value)} bytes given, must be {self.size}")
        _write_bytes(value, out)

    def read(self, reader: Reader, field: str) -> bytes:
        """Read the bytes after checking the declared length."""
        start = reader.position
        size = reader.bytes_length(field)
        if size != self.size:
            raise CodecError(f"{field}: {size} bytes, must be {self.size}", start)
        return reader.take(size, field)


@dataclass(frozen=True, slots=True)
class WideUnsigned:
    """An unsigned integer as a byte string of exactly ``size`` big-endian bytes."""

    size: int

    def write(self, value: int, out: bytearray) -> None:
        """Append head and bytes."""
        if not 0 <= value < 1 << (8 * self.size):
            raise ValueError(f"{value} does not fit {self.size} unsigned bytes")
        _write_bytes(value.to_bytes(self.size, "big"), out)

    def read(self, reader: Reader, field: str) -> int:
        """Read the bytes after checking the declared length."""
        return int.from_bytes(FixedBytes(self.size).read(reader, field), "big")


@dataclass(frozen=True, slots=True)
class VarBytes:
    """A byte string of at most ``limit`` bytes."""

    limit: int

    def write(self, value: bytes, out: bytearray) -> None:
        """Append head and bytes."""
        if len(value) > self.limit:
            raise ValueError(f"{len(value)} bytes given, at most {self.limit} allowed")
        _write_bytes(value, out)

    def read(self, reader: Reader, field: str) -> bytes:
        """Read the bytes after checking the declared length."""
        start = reader.position
        size = reader.bytes_length(field)
        if size > self.limit:
            raise CodecError(f"{field}: {size} bytes, at most {self.limit} allowed", start)
        return reader.take(size, field)


@dataclass(frozen=True, slots=True)
class Array(Generic[T]):
    """A list of at most ``limit`` elements of one kind."""

    element: Codec[T]
    limit: int

    def write(self, value: tuple[T, ...], out: bytearray) -> None:
        """Append head and elements."""
        if len(value) > self.limit:
            raise ValueError(f"{len(value)} elements given, at most {self.limit} allowed")
        out += array_head(len(value))
        for element in value:
            self.element.write(element, out)

    def read(self, reader: Reader, field: str) -> tuple[T, ...]:
        """Read the elements; each takes a byte at least, so the declared count is checked first."""
        start = reader.position
        count = reader.array_length(field)
        if count > min(self.limit, reader.left):
            allowed = min(self.limit, reader.left)
            raise CodecError(f"{field}: {count} elements, at most {allowed} possible", start)
        elements: list[T] = []
        try:
            for _ in range(count):
                elements.append(self.element.read(reader, ""))
        except CodecError as error:
            named = f"{field}[{len(elements)}]{error.what}"
            raise CodecError(named, error.position) from error.__cause__
        return tuple(elements)


@dataclass(frozen=True, slots=True)
class UnsignedPair:
    """Two unsigned integers of at most ``bits`` each."""

    bits: int = 32

    def write(self, value: tuple[int, int], out: bytearray) -> None:
        """Append an array of two."""
        out += array_head(2)
        for part in value:
            Unsigned(self.bits).write(part, out)

    def read(self, reader: Reader, field: str) -> tuple[int, int]:
        """Read an array of two."""
        start = reader.position
        count = reader.array_length(field)
        if count != 2:
            raise CodecError(f"{field}: {count} elements, must be 2", start)
        codec = Unsigned(self.bits)
        return codec.read(reader, f"{field}[0]"), codec.read(reader, f"{field}[1]")


@dataclass(frozen=True, slots=True)
class Record(Generic[T]):
    """A fixed array: version (unless None), then the named attributes of ``build``'s result."""

    build: Callable[..., T]
    """Called with the fields by name; a ValueError it raises becomes a CodecError."""
    version: int | None
    """First element of the array, compared when read; None for a pair inside another record."""
    fields: tuple[tuple[str, Codec[Any]], ...]
    """Attribute name and codec, in wire order."""

    def write(self, value: T, out: bytearray) -> None:
        """Append the array. A ValueError names the field."""
        if self.version is None:
            out += array_head(len(self.fields))
        else:
            out += array_head(len(self.fields) + 1)
            Unsigned(16).write(self.version, out)
        name = ""
        try:
            for name, codec in self.fields:
                codec.write(getattr(value, name), out)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

    def read(self, reader: Reader, field: str) -> T:
        """Read the array; arity and version are compared first."""
        start = reader.position
        arity = len(self.fields) + int(self.version is not None)
        count = reader.array_length(field)
        if count != arity:
            raise CodecError(f"{field}: {count} elements, must be {arity}", start)
        if self.version is not None:
            version = reader.unsigned(f"{field}.version")
            if version != self.version:
                raise CodecError(
                    f"{field}: version {version}, this node knows {self.version}", start
                )
        # Names of fields are put together only where one is wrong.
        try:
            values = {name: codec.read(reader, name) for name, codec in self.fields}
        except CodecError as error:
            raise error.within(field) from error.__cause__
        try:
            return self.build(**values)
        except ValueError as error:
            raise CodecError(f"{field}: {error}", start) from error


def encode(codec: Codec[T], value: T) -> bytes:
    """The canonical bytes of ``value``. Raises ValueError for a value outside the schema."""
    out = bytearray()
    codec.write(value, out)
    return bytes(out)


def decode_own(codec: Codec[T], data: bytes, *, what: str) -> T:
    """Read what ``encode`` of this schema wrote and nobody else could change: records of the state.

    Without the second look that ``decode`` takes at bytes from outside. Raises CodecError if
    ``data`` is no encoding by the schema or has bytes left over.
    """
    reader = Reader(data)
    value = codec.read(reader, what)
    if reader.left:
        raise CodecError(f"{what}: {reader.left} bytes left over", reader.position)
    return value


def decode(codec: Codec[T], data: bytes, *, limit: int, what: str) -> T:
    """Read exactly one value from ``data``.

    Raises CodecError if ``data`` exceeds ``limit`` bytes, is no encoding by the schema, has bytes
    left over, or is not the encoding of what was read. ``what`` names the record in the message.
    """
    if len(data) > limit:
        raise CodecError(f"{what}: {len(data)} bytes, at most {limit} allowed", limit)
    value = decode_own(codec, data, what=what)
    if encode(codec, value) != data:
        raise CodecError(f"{what}: not in canonical form", 0)
    return value
