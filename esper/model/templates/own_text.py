"""Text that remembers which of its characters a template wrote itself.

A marker such as ``<|im_end|>`` is a token where the template writes it and plain text where a user
spells it. Only what is known to be the template's own is trusted: its literals, and what is cut
from them or joined with them. Whatever else is done to a text, by a filter or a method, gives an
ordinary ``str``, which counts as the user's: a way of handling text that is not thought of here
costs a marker, and never makes one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsIndex

_OWN = b"\1"


class OwnText(str):
    """A text, and for each of its characters whether it is the template's own."""

    mask: bytes
    """1 for a character of the template's own, 0 for others; as long as the text."""

    def __new__(cls, text: object = "", mask: bytes | None = None) -> OwnText:
        """Without a mask nothing of ``text`` is the template's own."""
        made = super().__new__(cls, text)
        made.mask = bytes(len(made)) if mask is None else mask
        return made

    @classmethod
    def literal(cls, text: str) -> OwnText:
        """A text that stands in a template."""
        return cls(text, _OWN * len(text))

    def __str__(self) -> str:
        return self

    def __add__(self, other: str) -> str:
        return joined((self, other)) if isinstance(other, str) else NotImplemented

    def __radd__(self, other: str) -> str:
        return joined((other, self)) if isinstance(other, str) else NotImplemented

    def __mul__(self, times: SupportsIndex) -> OwnText:
        return OwnText(super().__mul__(times), self.mask * times)

    __rmul__ = __mul__

    def __getitem__(self, place: SupportsIndex | slice) -> OwnText:
        text = super().__getitem__(place)
        if isinstance(place, slice):
            return OwnText(text, self.mask[place])
        return OwnText(text, bytes((self.mask[place],)))

    def lstrip(self, chars: str | None = None, /) -> OwnText:
        """As of ``str``."""
        return self[len(self) - len(super().lstrip(chars)) :]

    def rstrip(self, chars: str | None = None, /) -> OwnText:
        """As of ``str``."""
        return self[: len(super().rstrip(chars))]

    def strip(self, chars: str | None = None, /) -> OwnText:
        """As of ``str``."""
        return self.lstrip(chars).rstrip(chars)

    def join(self, parts: Iterable[str], /) -> str:
        """As of ``str``."""
        pieces: list[str] = []
        for part in parts:
            pieces += (self, part) if pieces else (part,)
        return joined(pieces)


def joined(parts: Iterable[str]) -> str:
    """All of ``parts``, each keeping what it remembers."""
    pieces = list(parts)
    text = "".join(pieces)
    if not any(isinstance(piece, OwnText) for piece in pieces):
        return text
    return OwnText(text, b"".join(map(mask_of, pieces)))


def mask_of(text: str) -> bytes:
    """1 for each character that is a template's own, 0 for others."""
    return text.mask if isinstance(text, OwnText) else bytes(len(text))
