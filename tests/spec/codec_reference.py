"""The specification of ``esper.primitives.codec``: the same schemas, read and written in Python."""

from __future__ import annotations

from typing import Any

from esper.primitives.codec import (
    Array,
    Codec,
    CodecError,
    FixedBytes,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    VarBytes,
    WideUnsigned,
    array_head,
)


class Reader:
    """A cursor over bytes that reads shortest-form MessagePack heads."""

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

    def _number(self, size: int, smallest: int, field: str) -> int:
        start = self.position
        value = int.from_bytes(self.take(size, field), "big")
        if value < smallest:
            raise CodecError(f"{field}: {value} is not in its shortest form", start)
        return value

    def unsigned(self, field: str) -> int:
        """An unsigned integer of up to 64 bits."""
        start = self.position
        head = self.take(1, field)[0]
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
        head = self.take(1, field)[0]
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
        head = self.take(1, field)[0]
        if 0x90 <= head <= 0x9F:
            return head & 0x0F
        match head:
            case 0xDC:
                return self._number(2, 1 << 4, field)
            case 0xDD:
                return self._number(4, 1 << 16, field)
        raise CodecError(f"{field}: byte 0x{head:02x} starts no array", start)

    def narrow(self, bits: int, field: str) -> int:
        """An unsigned integer of at most ``bits``."""
        start = self.position
        value = self.unsigned(field)
        if value >> bits:
            raise CodecError(f"{field}: {value} does not fit {bits} unsigned bits", start)
        return value

    def exactly(self, size: int, field: str) -> bytes:
        """A byte string of ``size`` bytes; the declared length is compared before it is read."""
        start = self.position
        found = self.bytes_length(field)
        if found != size:
            raise CodecError(f"{field}: {found} bytes, must be {size}", start)
        return self.take(size, field)


def read(codec: Codec[Any], reader: Reader, field: str) -> Any:
    """Read one value. Raises CodecError that names ``field``."""
    start = reader.position
    match codec:
        case Unsigned(bits):
            return reader.narrow(bits, field)
        case Signed():
            coded = reader.narrow(63, field)
            value = -(coded + 1 >> 1) if coded & 1 else coded >> 1
            if value == -(1 << 62):
                raise CodecError(f"{field}: {value} is outside (-2^62, 2^62)", start)
            return value
        case FixedBytes(size):
            return reader.exactly(size, field)
        case WideUnsigned(size):
            return int.from_bytes(reader.exactly(size, field), "big")
        case VarBytes(limit):
            size = reader.bytes_length(field)
            if size > limit:
                raise CodecError(f"{field}: {size} bytes, at most {limit} allowed", start)
            return reader.take(size, field)
        case UnsignedPair(bits):
            count = reader.array_length(field)
            if count != 2:
                raise CodecError(f"{field}: {count} elements, must be 2", start)
            return reader.narrow(bits, f"{field}[0]"), reader.narrow(bits, f"{field}[1]")
        case Array(element, limit):
            count = reader.array_length(field)
            # Each element takes a byte at least.
            allowed = min(limit, reader.left)
            if count > allowed:
                raise CodecError(f"{field}: {count} elements, at most {allowed} possible", start)
            return tuple(read(element, reader, f"{field}[{place}]") for place in range(count))
        case Record():
            return _read_record(codec, reader, field)
    raise TypeError(f"{codec} is a codec that the specification does not know")


def _read_record(codec: Record[Any], reader: Reader, field: str) -> Any:
    """Arity and version are compared before anything else is read."""
    start = reader.position
    arity = len(codec.fields) + int(codec.version is not None)
    count = reader.array_length(field)
    if count != arity:
        raise CodecError(f"{field}: {count} elements, must be {arity}", start)
    if codec.version is not None:
        version = reader.unsigned(f"{field}.version")
        if version != codec.version:
            raise CodecError(f"{field}: version {version}, this node knows {codec.version}", start)
    values = {name: read(inner, reader, f"{field}.{name}") for name, inner in codec.fields}
    try:
        return codec.build(**values)
    except ValueError as error:
        raise CodecError(f"{field}: {error}", start) from error


def write(codec: Codec[Any], value: Any, out: bytearray) -> None:
    """Append the encoding. Raises ValueError for a value outside the schema; it names the field."""
    match codec:
        case Unsigned(bits):
            _write_unsigned(value, bits, out)
        case Signed():
            if not -(1 << 62) < value < 1 << 62:
                raise ValueError(f"{value} is outside (-2^62, 2^62)")
            _write_unsigned(2 * value if value >= 0 else -2 * value - 1, 63, out)
        case FixedBytes(size):
            if len(value) != size:
                raise ValueError(f"{len(value)} bytes given, must be {size}")
            _write_bytes(value, out)
        case WideUnsigned(size):
            if not 0 <= value < 1 << (8 * size):
                raise ValueError(f"{value} does not fit {size} unsigned bytes")
            _write_bytes(value.to_bytes(size, "big"), out)
        case VarBytes(limit):
            if len(value) > limit:
                raise ValueError(f"{len(value)} bytes given, at most {limit} allowed")
            _write_bytes(value, out)
        case UnsignedPair(bits):
            if len(value) != 2:
                raise ValueError(f"{len(value)} elements given, must be 2")
            out += array_head(2)
            for part in value:
                _write_unsigned(part, bits, out)
        case Array(element, limit):
            if len(value) > limit:
                raise ValueError(f"{len(value)} elements given, at most {limit} allowed")
            out += array_head(len(value))
            for part in value:
                write(element, part, out)
        case Record(_, version, fields):
            out += array_head(len(fields) + int(version is not None))
            if version is not None:
                _write_unsigned(version, 16, out)
            for name, inner in fields:
                try:
                    write(inner, getattr(value, name), out)
                except ValueError as error:
                    raise ValueError(f"{name}: {error}") from None
        case _:
            raise TypeError(f"{codec} is a codec that the specification does not know")


def _write_unsigned(value: int, bits: int, out: bytearray) -> None:
    """Append the shortest form."""
    if not 0 <= value < 1 << bits:
        raise ValueError(f"{value} does not fit {bits} unsigned bits")
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


def encode(codec: Codec[Any], value: Any) -> bytes:
    """The canonical bytes of ``value``. Raises ValueError for a value outside the schema."""
    out = bytearray()
    write(codec, value, out)
    return bytes(out)


def decode_own(codec: Codec[Any], data: bytes, *, what: str) -> Any:
    """Read exactly one value. Raises CodecError."""
    reader = Reader(data)
    value = read(codec, reader, what)
    if reader.left:
        raise CodecError(f"{what}: {reader.left} bytes left over", reader.position)
    return value


def decode(codec: Codec[Any], data: bytes, *, limit: int, what: str) -> Any:
    """Read exactly one value, and compare what it encodes to. Raises CodecError."""
    if len(data) > limit:
        raise CodecError(f"{what}: {len(data)} bytes, at most {limit} allowed", limit)
    value = decode_own(codec, data, what=what)
    if encode(codec, value) != data:
        raise CodecError(f"{what}: not in canonical form", 0)
    return value
