"""Messages of errors from their templates: amounts in the coin and in credits, hashes shortened."""

from dataclasses import fields
from string import Formatter
from typing import Any, Final

from esper.primitives.hashing import HASH_BYTES
from esper.primitives.units import FIXED_POINT_ONE, format_credits, format_esp


def _fixed(value: int) -> str:
    return f"{value / FIXED_POINT_ONE:.4f}"


_AMOUNTS: Final = {"esp": format_esp, "credits": format_credits, "fixed": _fixed}
"""What stands behind a field's colon, and how an amount so named is written."""
_LARGE: Final = 80
"""Bits of the largest number that is written digit by digit."""


class _Wording(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, int) and abs(value) >> _LARGE:
            return f"about 2^{value.bit_length()}"
        if format_spec:
            return _AMOUNTS[format_spec](value)
        if isinstance(value, bytes):
            if len(value) <= 12:
                return value.hex()
            size = "" if len(value) == HASH_BYTES else f" ({len(value)} bytes)"
            return f"{value[:8].hex()}…{size}"
        return str(value)


_WORDING: Final = _Wording()


def worded(template: str, error: Any) -> str:
    """A template with the fields of a dataclass in the place of their names in braces.

    ``{name:esp}`` is a field of units, ``{name:credits}`` one of micro-credits: both show as people
    type them. ``{name:fixed}`` is a number in 16.16.
    """
    return _WORDING.vformat(
        template, (), {field.name: getattr(error, field.name) for field in fields(error)}
    )
