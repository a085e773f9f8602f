"""The transcript: a chain of BLAKE3 from which challenges are drawn (section 1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from blake3 import blake3

from tests.spec.proof.arithmetic.field import Ext, value_at
from tests.spec.proof.parameters import BLAKE3_TAG_BYTES, ELEMENT_BYTES, MODULUS, TRANSCRIPT_TAG

_TAG = TRANSCRIPT_TAG.ljust(BLAKE3_TAG_BYTES, b"\0")
_PACKED = 7


class Transcript:
    """What prover and verifier have both seen."""

    def __init__(self, name: bytes) -> None:
        self._pending = bytearray()
        self._unused = b""
        self.string(name)

    def base(self, value: int) -> None:
        self._unused = b""
        self._pending += value.to_bytes(ELEMENT_BYTES, "little")

    def u64(self, value: int) -> None:
        self.base(value & 0xFFFFFFFF)
        self.base(value >> 32)

    def string(self, value: bytes) -> None:
        """bytes(b) of the page; a root too."""
        self.u64(len(value))
        self.packed(value)

    def packed(self, value: bytes) -> None:
        """Seven bytes to an element, the last part filled up with zeros."""
        for start in range(0, len(value), _PACKED):
            self.base(int.from_bytes(value[start : start + _PACKED], "little"))

    def ext(self, value: Ext) -> None:
        for coefficient in value.coefficients:
            self.base(coefficient)

    def exts(self, values: Iterable[Ext]) -> None:
        for value in values:
            self.ext(value)

    def draw(self) -> Ext:
        return Ext(self._element(), self._element(), self._element())

    def point(self, coordinates: int) -> list[Ext]:
        return [self.draw() for _ in range(coordinates)]

    def index(self, width: int) -> int:
        """The low bits of the next eight bytes: none are thrown away."""
        return self._word() & ((1 << width) - 1)

    def work_is_done(self, width: int, witness: int) -> bool:
        """Absorb the witness after what was pending was hashed; its bits must be 0."""
        self._byte()
        self.base(witness)
        return self.index(width) == 0

    def _element(self) -> int:
        while (value := self._word()) >= MODULUS:
            pass
        return value

    def _word(self) -> int:
        return int.from_bytes([self._byte() for _ in range(ELEMENT_BYTES)], "little")

    def _byte(self) -> int:
        if not self._unused:
            digest = blake3(_TAG + self._pending).digest()
            self._pending = bytearray(digest)
            self._unused = digest
        last = self._unused[-1]
        self._unused = self._unused[:-1]
        return last


def sumcheck(
    transcript: Transcript, claim: Ext, rounds: Sequence[Sequence[Ext]]
) -> tuple[Ext, list[Ext]]:
    """Rounds given as values at 0, 2, 3, ...: the claim at the end, and the end point."""
    point = []
    for values in rounds:
        transcript.exts(values)
        challenge = transcript.draw()
        at_one = claim - values[0]
        claim = value_at([values[0], at_one, *values[1:]], challenge)
        point.append(challenge)
    return claim, point
