"""Reading bytes front to back."""

from __future__ import annotations

from tests.spec.proof.arithmetic.field import Ext
from tests.spec.proof.errors import MalformedError
from tests.spec.proof.parameters import DIGEST_BYTES, ELEMENT_BYTES, MODULUS


class Reader:
    """Takes values off the front; refuses what is short, long or not canonical."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def need(self, count: int) -> None:
        if count > self.left:
            raise MalformedError(f"{count} bytes are wanted at {self._at}, {self.left} are left")

    def take(self, count: int) -> bytes:
        self.need(count)
        self._at += count
        return self._data[self._at - count : self._at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def digest(self) -> bytes:
        return self.take(DIGEST_BYTES)

    def digests(self, count: int) -> list[bytes]:
        return [self.digest() for _ in range(count)]

    def element(self) -> int:
        value = self.unsigned(ELEMENT_BYTES)
        if value >= MODULUS:
            raise MalformedError(f"{value} is no element of the field")
        return value

    def elements(self, count: int) -> list[int]:
        return [self.element() for _ in range(count)]

    def ext(self) -> Ext:
        return Ext(self.element(), self.element(), self.element())

    def exts(self, count: int) -> list[Ext]:
        return [self.ext() for _ in range(count)]

    def rounds(self, count: int, values: int) -> list[list[Ext]]:
        return [self.exts(values) for _ in range(count)]

    def end(self) -> None:
        if self.left:
            raise MalformedError(f"{self.left} bytes trail")
