"""The codec beside its specification: the same value or the same error, whatever it is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from esper.primitives import codec as native
from esper.primitives.codec import Codec, CodecError
from tests.spec import codec_reference as reference


class CodecsDifferError(AssertionError):
    """The extension and the specification do not agree."""


def decoded_twice(schema: Codec[Any], data: bytes, limit: int, what: str = "value") -> Any:
    """What both read. Raises what both raise, or CodecsDifferError."""
    return _agreed(
        lambda: native.decode(schema, data, limit=limit, what=what),
        lambda: reference.decode(schema, data, limit=limit, what=what),
    )


def encoded_twice(schema: Codec[Any], value: Any) -> bytes:
    """What both write. Raises what both raise, or CodecsDifferError."""
    written: bytes = _agreed(
        lambda: native.encode(schema, value), lambda: reference.encode(schema, value)
    )
    return written


def _agreed(ours: Callable[[], Any], specified: Callable[[], Any]) -> Any:
    try:
        expected = specified()
    except ValueError as error:
        return _refused_alike(ours, error)
    try:
        found = ours()
    except ValueError as error:
        raise CodecsDifferError(f"refused {expected!r}: {error}") from error
    if type(found) is not type(expected) or found != expected:
        raise CodecsDifferError(f"{found!r}, the specification says {expected!r}")
    return found


def _refused_alike(ours: Callable[[], Any], expected: ValueError) -> NoReturn:
    try:
        found = ours()
    except ValueError as error:
        if described(error) != described(expected):
            raise CodecsDifferError(f"{described(error)}, not {described(expected)}") from error
        raise
    raise CodecsDifferError(f"accepted {found!r}; the specification says: {expected}")


def described(error: BaseException | None) -> tuple[Any, ...]:
    """An error with its fields, and what caused it."""
    if error is None:
        return ()
    fields = (error.what, error.position) if isinstance(error, CodecError) else ()
    return (type(error), str(error), *fields, described(error.__cause__))
