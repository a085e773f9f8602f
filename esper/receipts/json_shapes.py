"""JSON by schema, in one byte form: what a value must look like, read from it and written to it.

A shape turns what ``json`` gives into a typed value and back. Only integers, strings, lists and
objects exist; keys stand in the order of the schema; what is optional is left out. ``write`` gives
values that ``json.dumps`` turns into the one form, so whether bytes have that form is asked by
writing what was read and comparing.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

T = TypeVar("T")
S = TypeVar("S", covariant=True)

MAX_NUMBER: Final = (1 << 53) - 1
"""Greatest integer that every reader of JSON holds exactly."""


class FormError(ValueError):
    """JSON that is no receipt; the message names the field and what it must be."""


class Shape(Protocol[T]):
    """How one kind of value is read and written."""

    def read(self, value: Any, where: str) -> T:
        """The typed value. Raises FormError that names ``where``."""

    def write(self, value: T) -> Any:
        """What ``json.dumps`` takes."""


@dataclass(frozen=True, slots=True)
class Number:
    """An integer from ``least`` to ``most``."""

    most: int = MAX_NUMBER
    least: int = 0

    def read(self, value: Any, where: str) -> int:
        """The integer. Truth values are none."""
        if type(value) is not int or not self.least <= value <= self.most:
            raise FormError(f"{where}: must be an integer of {self.least} to {self.most}")
        return value

    def write(self, value: int) -> Any:
        """Itself."""
        return value


@dataclass(frozen=True, slots=True)
class Text:
    """A string, one of ``among`` where that is given."""

    among: tuple[str, ...] = ()

    def read(self, value: Any, where: str) -> str:
        """The string. Half a surrogate pair is no character."""
        if type(value) is not str:
            raise FormError(f"{where}: must be a string")
        try:
            value.encode()
        except UnicodeEncodeError:
            raise FormError(f"{where}: has half a surrogate pair") from None
        if self.among and value not in self.among:
            raise FormError(f"{where}: must be one of {', '.join(self.among)}")
        return value

    def write(self, value: str) -> Any:
        """Itself."""
        return value


@dataclass(frozen=True, slots=True)
class Hex:
    """``size`` bytes as lower-case hexadecimal digits."""

    size: int

    def read(self, value: Any, where: str) -> bytes:
        """The bytes."""
        if type(value) is str and len(value) == 2 * self.size:
            try:
                return bytes.fromhex(value)
            except ValueError:
                pass
        raise FormError(f"{where}: must be {2 * self.size} lower-case hexadecimal digits")

    def write(self, value: bytes) -> Any:
        """The digits."""
        return value.hex()


@dataclass(frozen=True, slots=True)
class Base64:
    """Bytes as base64 with padding; ``size`` of them where that is given."""

    size: int | None = None

    def read(self, value: Any, where: str) -> bytes:
        """The bytes. That the text is the canonical one shows when it is written back."""
        try:
            found = base64.b64decode(value, validate=True) if type(value) is str else None
        except (binascii.Error, ValueError):
            found = None
        if found is None:
            raise FormError(f"{where}: must be base64 with padding")
        if self.size is not None and len(found) != self.size:
            raise FormError(f"{where}: has {len(found)} bytes, must have {self.size}")
        return found

    def write(self, value: bytes) -> Any:
        """The text."""
        return base64.b64encode(value).decode("ascii")


@dataclass(frozen=True, slots=True)
class Many(Generic[T]):
    """A list of at most ``most`` elements."""

    element: Shape[T]
    most: int
    least: int = 0

    def read(self, value: Any, where: str) -> tuple[T, ...]:
        """The elements."""
        if type(value) is not list or not self.least <= len(value) <= self.most:
            raise FormError(f"{where}: must be a list of {self.least} to {self.most}")
        return tuple(self.element.read(one, f"{where}[{at}]") for at, one in enumerate(value))

    def write(self, value: tuple[T, ...]) -> Any:
        """The list."""
        return [self.element.write(one) for one in value]


@dataclass(frozen=True, slots=True)
class NumberOrText:
    """An integer or a string."""

    number: Number
    text: Text

    def read(self, value: Any, where: str) -> int | str:
        """Either of them."""
        if type(value) is str:
            return self.text.read(value, where)
        return self.number.read(value, where)

    def write(self, value: int | str) -> Any:
        """Itself."""
        return value


@dataclass(frozen=True, slots=True)
class Object(Generic[S]):
    """An object with these keys, in this order; ``build`` takes their values by name.

    Optional keys that are left out are None.
    """

    build: Callable[..., S]
    fields: tuple[tuple[str, Shape[Any]], ...]
    optional: frozenset[str] = frozenset()

    def read(self, value: Any, where: str) -> S:
        """What ``build`` makes of it; its ValueErrors are FormErrors."""
        if type(value) is not dict:
            raise FormError(f"{where}: must be an object")
        unknown = value.keys() - {name for name, _ in self.fields}
        if unknown:
            raise FormError(f"{where}: has no field {min(unknown)[:40]!r}")
        found: dict[str, Any] = {}
        for name, shape in self.fields:
            if name in value:
                found[name] = shape.read(value[name], f"{where}.{name}")
            elif name in self.optional:
                found[name] = None
            else:
                raise FormError(f"{where}.{name}: is missing")
        try:
            return self.build(**found)
        except FormError:
            raise
        except ValueError as error:
            raise FormError(f"{where}: {error}") from error

    def write(self, value: Any) -> Any:
        """The object, without what is None."""
        pairs = ((name, shape, getattr(value, name)) for name, shape in self.fields)
        return {name: shape.write(one) for name, shape, one in pairs if one is not None}
