"""What one run of a template may cost. A template is a stranger's program.

Every operation is counted, and weighs more the longer the texts at hand are; what is made is
counted in characters. No clock is read: a template that is refused is refused everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import NoneType
from typing import Any, Final

from jinja2 import TemplateError, Undefined

LONGEST_SOURCE: Final = 1 << 17
"""Characters of a template."""
LONGEST_TEXT: Final = 1 << 21
"""Characters of one text, the result among them; 32 for every token of the longest model."""
LONGEST_LIST: Final = 70_000
"""Values of a list or object, those within it included."""
LONGEST_RANGE: Final = 10_000
"""Numbers of a range."""
_WIDEST_INTEGER: Final = 4_096
"""Bits."""
_MOST_OPERATIONS: Final = 1 << 17
_CHARACTERS_PER_OPERATION: Final = 4_096
"""Handling so many characters weighs as much as an operation."""
_VALUES_PER_OPERATION: Final = 128
"""Likewise for values of a list."""
_MOST_CHARACTERS: Final = 1 << 25
"""Characters that are made in one run, thrown away or not."""
_MOST_ALIKE: Final = 64
"""Keys of an object that hash as another does: each is compared with all before it. Texts hash
by a secret, but the hash of a number is the number, modulo 2^61 - 1."""
_SIMPLE: Final = (bool, int, float, NoneType, Undefined)


class TemplateLimitError(TemplateError):
    """A template asks for more than it is given."""


class Budget:
    """What is left of one run."""

    def __init__(self, longest: int = 0) -> None:
        """``longest``: characters of the longest text that is given."""
        self._operations = _MOST_OPERATIONS
        self._characters = _MOST_CHARACTERS
        self._weight = 1 + longest // _CHARACTERS_PER_OPERATION

    def spend(self, operations: int = 1) -> None:
        """Count operations. Raises TemplateLimitError."""
        self._operations -= operations * self._weight
        if self._operations < 0:
            raise TemplateLimitError("the template takes too many steps")

    def make(self, length: int) -> None:
        """Count a text that is about to be made. Raises TemplateLimitError."""
        self._characters -= length
        if length > LONGEST_TEXT or self._characters < 0:
            raise TemplateLimitError("the template makes too much text")
        self._weight = max(self._weight, 1 + length // _CHARACTERS_PER_OPERATION)
        self.spend()

    def hold(self, value: Any) -> None:
        """Count a list or object with all that is in it, shared parts as often as they are seen.

        Raises TemplateLimitError. What passes can be compared and written in reasonable time.
        """
        count, length, rest = 0, 0, [value]
        while rest:
            one = rest.pop()
            count += 1
            if isinstance(one, str):
                length += len(one)
            elif isinstance(one, dict):
                self.alike(one)
                rest += one.keys()
                rest += one.values()
            elif isinstance(one, list | tuple):
                rest += one
            elif not isinstance(one, _SIMPLE):
                raise TemplateError(f"the template puts a {type(one).__name__} among values")
            if count + len(rest) > LONGEST_LIST or length > LONGEST_TEXT:
                raise TemplateLimitError("the template makes too long a list")
        self._weight = max(self._weight, 1 + count // _VALUES_PER_OPERATION)
        self._operations -= count // 16
        self.spend()

    def alike(self, keys: Iterable[Any]) -> None:
        """Refuse keys of which too many hash alike, before an object is made of them.

        Raises TemplateLimitError, and TypeError for a key that has no hash.
        """
        hashes = [hash(key) for key in keys]
        if len(hashes) - len(set(hashes)) > _MOST_ALIKE:
            raise TemplateLimitError("the template makes keys that hash alike")

    def integer(self, bits: int) -> None:
        """Refuse an integer of so many bits. Raises TemplateLimitError."""
        if bits > _WIDEST_INTEGER:
            raise TemplateLimitError("the template makes too large a number")
        self.spend()

    def search(self, text: str, sought: str) -> None:
        """Count a search whose cost may grow with the product of both lengths.

        Raises TemplateLimitError.
        """
        self._operations -= len(text) * len(sought) // _CHARACTERS_PER_OPERATION
        self.spend()

    def pairs(self, count: int) -> None:
        """Count values of which each may be compared with each. Raises TemplateLimitError."""
        self._operations -= count * count // 256
        self.spend()

    def handle(self, *values: object) -> None:
        """Count values that are read through."""
        texts = sum(len(one) for one in values if isinstance(one, str))
        others = sum(len(one) for one in values if isinstance(one, list | tuple | dict | range))
        self._operations -= texts // 64 + others
        self.spend()
