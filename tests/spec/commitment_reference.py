"""The commitment's field extension and transcript in plain Python, for comparison."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

MODULUS = 2**64 - 2**32 + 1
TAG_TRANSCRIPT = b"esper/transcript/v1".ljust(24, b"\0")


def multiply(a: Sequence[int], b: Sequence[int]) -> list[int]:
    """Multiply modulo x^3 - x - 1; coefficients lowest first."""
    wide = [0] * 5
    for i, left in enumerate(a):
        for j, right in enumerate(b):
            wide[i + j] += left * right
    # x^4 = x^2 + x and x^3 = x + 1
    wide[2] += wide[4]
    wide[1] += wide[4] + wide[3]
    wide[0] += wide[3]
    return [c % MODULUS for c in wide[:3]]


def invert(a: Sequence[int]) -> list[int]:
    """Invert by Fermat: the power p^3 - 2."""
    result, square, exponent = [1, 0, 0], list(a), MODULUS**3 - 2
    while exponent:
        if exponent & 1:
            result = multiply(result, square)
        square = multiply(square, square)
        exponent >>= 1
    return result


class Transcript:
    """A chain of BLAKE3: pending bytes are hashed when a challenge is drawn.

    The digest opens the next pending bytes; its own bytes are handed out from the last to the
    first, eight for each field element, until something is absorbed.
    """

    def __init__(self, domain: str) -> None:
        self._pending = b""
        self._drawn = b""
        self.absorb_bytes(domain.encode())

    def absorb_base(self, value: int) -> None:
        self._drawn = b""
        self._pending += value.to_bytes(8, "little")

    def absorb_extension(self, value: Sequence[int]) -> None:
        for coefficient in value:
            self.absorb_base(coefficient)

    def absorb_u64(self, value: int) -> None:
        self.absorb_base(value % 2**32)
        self.absorb_base(value >> 32)

    def absorb_bytes(self, value: bytes) -> None:
        self.absorb_u64(len(value))
        for start in range(0, len(value), 7):
            self.absorb_base(int.from_bytes(value[start : start + 7], "little"))

    def challenge(self) -> list[int]:
        return [self._element() for _ in range(3)]

    def _element(self) -> int:
        while True:
            value = int.from_bytes(bytes(self._byte() for _ in range(8)), "little")
            if value < MODULUS:
                return value

    def _byte(self) -> int:
        if not self._drawn:
            self._drawn = self._pending = blake3(TAG_TRANSCRIPT + self._pending).digest()
        last = self._drawn[-1]
        self._drawn = self._drawn[:-1]
        return last
